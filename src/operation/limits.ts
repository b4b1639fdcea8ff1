import type { OperationLimits } from "../config/config.ts"
import { maxListEntries } from "../graph/inputLimits.ts"

/**
 * The maximum for one operation. They protect the parser, the validation and the executor from documents and
 * variables made to be slow, far above what clients send, so they are not settings. `docs/limits.md` lists them.
 */
export const fixedLimits = {
  /** Tokens in a document. A query of a large page has some 200. */
  tokens: 10_000,
  /** Levels of braces, brackets and parentheses in a document, of selections through all fragments, and of values in variables. */
  nesting: 100,
  /** Selections in a document, counting a fragment each time it is spread. */
  selections: 10_000,
  /**
   * Pairs of fields with the same name in the same selection, through all fragments: validation compares each with each.
   * Sixty fragments with six fields in common make 10,620.
   */
  comparisons: 15_000,
  /** Fields at an operation's root. */
  rootFields: 100,
  aliases: 500,
  fragments: 200,
  /** Directives in a document. */
  directives: 200,
  /** Directives on one field, fragment, variable or operation. */
  directivesInOnePlace: 5,
  /** Values in an operation's variables, including those within lists and objects. */
  variableValues: 20_000,
  /** Entries of a list in a document or its variables, such as `ids`, and keys of an object in variables. */
  listEntries: maxListEntries,
} as const

/** The limits on one operation: the fixed ones and those that are settings. */
export type Limits = Readonly<Record<keyof typeof fixedLimits, number>> & OperationLimits
