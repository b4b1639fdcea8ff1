import {
  type DirectiveNode,
  type DocumentNode,
  type FragmentDefinitionNode,
  GraphQLError,
  Kind,
  type SelectionSetNode,
  type ValueNode,
} from "graphql"
import type { ErrorCode } from "../errors.ts"
import type { Limits } from "./limits.ts"

/**
 * Refuses a document that nests too deep, before it is parsed: the parser calls itself once for each level. Brackets in
 * comments and strings are no levels, so they are skipped as the lexer skips them.
 */
export function checkSource(source: string, { nesting }: Limits): void {
  let depth = 0
  for (let index = 0; index < source.length; index++) {
    switch (source[index]) {
      case "{":
      case "[":
      case "(":
        depth += 1
        if (depth > nesting) {
          throw new GraphQLError(`The document nests deeper than ${nesting} levels, the most that are read.`, {
            extensions: { code: "GRAPHQL_PARSE_FAILED", http: { spec: true, status: 400 } },
          })
        }
        break
      case "}":
      case "]":
      case ")":
        depth -= 1
        break
      case "#":
        index = endOfLine(source, index)
        break
      case '"':
        index = source.startsWith('"""', index) ? endOfBlockString(source, index + 3) : endOfString(source, index + 1)
    }
  }
}

function endOfLine(source: string, from: number): number {
  let end = from
  while (end < source.length && source[end] !== "\n" && source[end] !== "\r") end += 1
  return end
}

/** Where the closing quote is, or else the line's end, where the lexer gives up. */
function endOfString(source: string, from: number): number {
  let end = from
  while (end < source.length && source[end] !== '"' && source[end] !== "\n" && source[end] !== "\r") {
    end += source[end] === "\\" ? 2 : 1
  }
  return end
}

function endOfBlockString(source: string, from: number): number {
  let end = source.indexOf('"""', from)
  while (end > 0 && source[end - 1] === "\\") end = source.indexOf('"""', end + 3)
  return end < 0 ? source.length : end + 2
}

/** Documents of more characters or lines than this are parsed without locations. */
const mostLocatedCharacters = 100_000
const mostLocatedLines = 1_000

/**
 * Whether errors can say where in this document they are. graphql-js counts the lines before a location anew for each
 * error: with a megabyte of line breaks that takes 0.1 s each.
 */
export function isLocatable(source: string): boolean {
  if (source.length > mostLocatedCharacters) return false
  let lines = 1
  for (let index = source.indexOf("\n"); index >= 0; index = source.indexOf("\n", index + 1)) lines += 1
  for (let index = source.indexOf("\r"); index >= 0; index = source.indexOf("\r", index + 1)) lines += 1
  return lines <= mostLocatedLines
}

/**
 * Refuses a document that would cost validation or execution too much, before either begins: what fragments can multiply is
 * counted without being multiplied.
 */
export function checkDocument(document: DocumentNode, limits: Limits): void {
  checkCounts(document, limits)
  const operations = document.definitions.filter((definition) => definition.kind === Kind.OPERATION_DEFINITION)
  const fragments = document.definitions.filter((definition) => definition.kind === Kind.FRAGMENT_DEFINITION)
  const spreads = new Spreads(fragments, limits)
  const roots = operations.map(({ selectionSet }) => selectionSet)
  const extents = roots.map((root) => spreads.extentOf(root))
  // Validation looks at fragments that no operation spreads as well.
  for (const fragment of fragments) {
    if (spreads.knows(fragment)) continue
    roots.push(fragment.selectionSet)
    extents.push(spreads.extentOf(fragment.selectionSet))
  }
  const depth = extents.reduce((deepest, extent) => Math.max(deepest, extent.fields), 0)
  if (depth > limits.depth) {
    throw tooMuch(
      `The document nests ${depth} fields in one another, fragments counted`,
      limits.depth,
      "Ask for what is further in by a second request.",
    )
  }
  const selections = extents.reduce((sum, extent) => sum + extent.selections, 0)
  if (selections > limits.selections) {
    throw tooMuch(
      `The document has ${selections < 1e9 ? selections : "more than a billion"} selections, those of a fragment counted as often as it is spread`,
      limits.selections,
      "Spread fragments less often, or send several requests.",
    )
  }
  for (const { selectionSet } of operations) {
    const fields = spreads.fieldsOf([selectionSet]).size
    if (fields > limits.rootFields) {
      throw tooMuch(`The operation has ${fields} fields at its root`, limits.rootFields, severalRequests)
    }
  }
  const comparisons = roots.reduce((sum, root) => sum + spreads.comparisonsIn([root]), 0)
  if (comparisons > limits.comparisons) {
    throw tooMuch(
      `The document repeats fields in the same selection, which makes ${comparisons} pairs to compare`,
      limits.comparisons,
      "Select each field once.",
    )
  }
}

const severalRequests = "Send several requests."

function checkCounts(document: DocumentNode, limits: Limits): void {
  let aliases = 0
  let fragments = 0
  let directives = 0
  let directivesInOnePlace = 0
  let listEntries = 0
  const countValue = (value: ValueNode): void => {
    if (value.kind === Kind.LIST) {
      listEntries = Math.max(listEntries, value.values.length)
      value.values.forEach(countValue)
    } else if (value.kind === Kind.OBJECT) for (const field of value.fields) countValue(field.value)
  }
  const countDirectives = ({
    directives: here = [],
  }: {
    readonly directives?: readonly DirectiveNode[] | undefined
  }): void => {
    directives += here.length
    directivesInOnePlace = Math.max(directivesInOnePlace, here.length)
    for (const { arguments: given = [] } of here) for (const { value } of given) countValue(value)
  }
  const countSelections = ({ selections }: SelectionSetNode): void => {
    for (const selection of selections) {
      countDirectives(selection)
      if (selection.kind === Kind.FIELD) {
        if (selection.alias !== undefined) aliases += 1
        for (const { value } of selection.arguments ?? []) countValue(value)
      }
      if (selection.kind !== Kind.FRAGMENT_SPREAD && selection.selectionSet) countSelections(selection.selectionSet)
    }
  }
  for (const definition of document.definitions) {
    countDirectives(definition)
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments += 1
    if (!("selectionSet" in definition)) continue
    countSelections(definition.selectionSet)
    for (const variable of definition.variableDefinitions ?? []) {
      countDirectives(variable)
      if (variable.defaultValue) countValue(variable.defaultValue)
    }
  }
  const check = (asked: number, most: number, what: string, instead: string) => {
    if (asked > most) throw tooMuch(`The document has ${asked} ${what}`, most, instead)
  }
  check(aliases, limits.aliases, "aliases", "Ask for many objects by a list of their ids, or send several requests.")
  check(fragments, limits.fragments, "fragments", severalRequests)
  check(directives, limits.directives, "directives", severalRequests)
  check(directivesInOnePlace, limits.directivesInOnePlace, "directives in one place", "Write each of them once.")
  if (listEntries > limits.listEntries) {
    throw tooMuch(`The document has a list of ${listEntries} entries`, limits.listEntries, severalRequests)
  }
}

/** What a selection comes to, through all its fragments. */
interface Extent {
  selections: number
  /** Levels of selections and fragments. */
  depth: number
  /** The most fields that nest in one another. */
  fields: number
}

class Spreads {
  readonly #fragments: ReadonlyMap<string, FragmentDefinitionNode>
  readonly #limits: Limits
  readonly #extents = new Map<FragmentDefinitionNode, Extent>()
  /** The fragments that are being looked into. */
  readonly #within = new Set<FragmentDefinitionNode>()

  constructor(fragments: readonly FragmentDefinitionNode[], limits: Limits) {
    this.#fragments = new Map(fragments.map((fragment) => [fragment.name.value, fragment]))
    this.#limits = limits
  }

  /** Whether a fragment has been looked into. */
  knows(fragment: FragmentDefinitionNode): boolean {
    return this.#extents.has(fragment)
  }

  /** Each fragment is looked into once, however often it is spread. Throws for a cycle, and for what nests too deep. */
  extentOf(set: SelectionSetNode, level = 1): Extent {
    this.#checkDepth(level)
    const extent: Extent = { selections: 0, depth: 1, fields: 0 }
    for (const selection of set.selections) {
      const inner =
        selection.kind === Kind.FRAGMENT_SPREAD
          ? this.#extentOfFragment(selection.name.value, level)
          : selection.selectionSet && this.extentOf(selection.selectionSet, level + 1)
      extent.selections += 1 + (inner?.selections ?? 0)
      extent.depth = Math.max(extent.depth, 1 + (inner?.depth ?? 0))
      extent.fields = Math.max(extent.fields, (selection.kind === Kind.FIELD ? 1 : 0) + (inner?.fields ?? 0))
    }
    return extent
  }

  #extentOfFragment(name: string, level: number): Extent | undefined {
    const fragment = this.#fragments.get(name)
    if (fragment === undefined) return undefined
    if (this.#within.has(fragment)) {
      throw refused(`The fragment ${JSON.stringify(name.slice(0, 100))} spreads itself, directly or through others.`)
    }
    let extent = this.#extents.get(fragment)
    if (extent === undefined) {
      this.#within.add(fragment)
      extent = this.extentOf(fragment.selectionSet, level + 1)
      this.#within.delete(fragment)
      this.#extents.set(fragment, extent)
    }
    this.#checkDepth(level + extent.depth)
    return extent
  }

  #checkDepth(level: number): void {
    if (level <= this.#limits.nesting) return
    throw refused(
      `The operation's selections nest deeper than ${this.#limits.nesting} levels, fragments counted, which is the most. Ask for what is further in by a second request.`,
    )
  }

  /** The fields that these selections hold, by their key in the answer. */
  fieldsOf(sets: readonly SelectionSetNode[]): Map<string, SelectionSetNode[][]> {
    const fields = new Map<string, SelectionSetNode[][]>()
    const add = ({ selections }: SelectionSetNode): void => {
      for (const selection of selections) {
        if (selection.kind === Kind.FIELD) {
          const key = selection.alias?.value ?? selection.name.value
          const inner = selection.selectionSet === undefined ? [] : [selection.selectionSet]
          const places = fields.get(key)
          if (places === undefined) fields.set(key, [inner])
          else places.push(inner)
        } else {
          const fragment =
            selection.kind === Kind.INLINE_FRAGMENT ? selection : this.#fragments.get(selection.name.value)
          if (fragment !== undefined) add(fragment.selectionSet)
        }
      }
    }
    for (const set of sets) add(set)
    return fields
  }

  /** How many pairs of fields with the same key there are, at every level. */
  comparisonsIn(sets: readonly SelectionSetNode[]): number {
    let comparisons = 0
    for (const places of this.fieldsOf(sets).values()) {
      comparisons += (places.length * (places.length - 1)) / 2 + this.comparisonsIn(places.flat())
    }
    return comparisons
  }
}

function tooMuch(what: string, most: number, instead: string): GraphQLError {
  return refused(`${what}; at most ${most} are allowed. ${instead}`)
}

function refused(message: string): GraphQLError {
  return new GraphQLError(message, {
    extensions: { code: "BAD_USER_INPUT" satisfies ErrorCode, http: { spec: true, status: 400 } },
  })
}
