import { mostListEntries } from "../graph/inputLimits.ts"

/** What one operation may ask. Each limit is a setting. */
const table = {
  bodyBytes: {
    name: "REQUEST_BODY_BYTES",
    default: 1024 * 1024,
    meaning: "The largest request body in bytes, ten times a mutation over a thousand ids.",
  },
  tokens: {
    name: "OPERATION_TOKENS",
    default: 10_000,
    meaning: "The most tokens in a document, some fifty times a large page's query.",
  },
  nesting: {
    name: "OPERATION_NESTING",
    default: 100,
    meaning:
      "The deepest nesting of braces, brackets and parentheses in a document, of selections through all their fragments, and of values in variables.",
  },
  depth: {
    name: "OPERATION_DEPTH",
    default: 25,
    meaning: "The deepest nesting of fields in a document, through all its fragments.",
  },
  selections: {
    name: "OPERATION_SELECTIONS",
    default: 10_000,
    meaning: "The most selections in a document, those of a fragment counted as often as it is spread.",
  },
  comparisons: {
    name: "OPERATION_COMPARISONS",
    default: 15_000,
    meaning:
      "The most pairs of fields with the same name in the same selection, through all its fragments: validation compares each with each. Sixty fragments with six fields in common make 10,620.",
  },
  rootFields: {
    name: "OPERATION_ROOT_FIELDS",
    default: 100,
    meaning: "The most fields at an operation's root.",
  },
  aliases: { name: "OPERATION_ALIASES", default: 500, meaning: "The most aliases in a document." },
  fragments: { name: "OPERATION_FRAGMENTS", default: 200, meaning: "The most fragments in a document." },
  directives: { name: "OPERATION_DIRECTIVES", default: 200, meaning: "The most directives in a document." },
  directivesInOnePlace: {
    name: "OPERATION_DIRECTIVES_IN_ONE_PLACE",
    default: 5,
    meaning: "The most directives on one field, fragment, variable or operation.",
  },
  variableValues: {
    name: "OPERATION_VARIABLE_VALUES",
    default: 20_000,
    meaning: "The most values in an operation's variables, including those within lists and objects.",
  },
  listEntries: {
    name: "OPERATION_LIST_ENTRIES",
    default: mostListEntries,
    meaning:
      "The most entries in any list of an operation or its variables, such as `ids`, and the most keys of an object in variables.",
  },
  estimatedCalls: {
    name: "OPERATION_ESTIMATED_CALLS",
    default: 50_000,
    meaning:
      "The most calls to Code Ocean by the estimate. An operation whose estimate is higher is refused before its first call.",
  },
  calls: {
    name: "OPERATION_CALLS",
    default: 5_000,
    meaning:
      "The most calls to Code Ocean that an operation may make, retries not counted. Fields that need more fail.",
  },
  responseBytes: {
    name: "RESPONSE_BYTES",
    default: 32 * 1024 * 1024,
    meaning:
      "The largest response in bytes. An operation whose estimate is larger is refused before its first call. A response that turns out larger is replaced by an error. While a response is made, a value counts 16 bytes at the least, and a field that can make calls 512.",
  },
} as const satisfies Record<string, { name: string; default: number; meaning: string }>

/** The limits in force. */
export type Limits = Readonly<Record<keyof typeof table, number>>

/** The settings that the limits are. */
export const limitSettings = Object.values(table).map(({ name, default: most, meaning }) => ({
  name,
  default: String(most),
  meaning,
}))

/** The limits, from what the settings say by their names. */
export function limitsFrom(settings: Readonly<Record<string, number>>): Limits {
  const limits = Object.entries(table).map(([key, { name, default: most }]) => [key, settings[name] ?? most])
  return Object.fromEntries(limits)
}
