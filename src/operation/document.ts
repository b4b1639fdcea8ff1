import {
  type DirectiveNode,
  type DocumentNode,
  type FragmentDefinitionNode,
  type GraphQLError,
  Kind,
  type SelectionSetNode,
  type ValueNode,
} from "graphql"
import type { Limits } from "./limits.ts"
import { invalidRequest, requestError } from "./requestError.ts"

/**
 * Rejects a text that nests too deep, before it is parsed: the parser calls itself once for each level. Skips comments and
 * strings as the lexer does. Throws GRAPHQL_PARSE_FAILED.
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
          throw requestError(
            "GRAPHQL_PARSE_FAILED",
            400,
            `The document nests deeper than ${nesting} levels, which is the limit.`,
          )
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

/** The index of the closing quote. Without one, the end of the line, where the lexer fails. */
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

/** Documents with more characters or lines than this are parsed without locations. */
const maxLocatedCharacters = 100_000
const maxLocatedLines = 1_000

/**
 * Whether errors have locations in this document. For each location, graphql-js counts the lines before it: with a megabyte
 * of line breaks that takes 0.1 s for each error.
 */
export function isLocatable(source: string): boolean {
  if (source.length > maxLocatedCharacters) return false
  let lines = 1
  for (let index = source.indexOf("\n"); index >= 0; index = source.indexOf("\n", index + 1)) lines += 1
  for (let index = source.indexOf("\r"); index >= 0; index = source.indexOf("\r", index + 1)) lines += 1
  return lines <= maxLocatedLines
}

/**
 * Rejects a document that would cost validation or execution too much, before either begins. What fragments multiply is
 * counted without being expanded. Throws BAD_USER_INPUT.
 */
export function checkDocument(document: DocumentNode, limits: Limits): void {
  checkCounts(document, limits)
  const operations = document.definitions.filter((definition) => definition.kind === Kind.OPERATION_DEFINITION)
  const fragments = document.definitions.filter((definition) => definition.kind === Kind.FRAGMENT_DEFINITION)
  const measure = new SelectionMeasure(fragments, limits)
  const roots = operations.map(({ selectionSet }) => selectionSet)
  const extents = roots.map((root) => measure.extentOf(root))
  // Validation also reads fragments that no operation spreads.
  for (const fragment of fragments) {
    if (measure.hasMeasured(fragment)) continue
    roots.push(fragment.selectionSet)
    extents.push(measure.extentOf(fragment.selectionSet))
  }
  const depth = extents.reduce((deepest, extent) => Math.max(deepest, extent.fields), 0)
  if (depth > limits.depth) {
    throw limitExceeded(
      `The document nests fields ${depth} levels deep, including fragments`,
      limits.depth,
      "Request the inner fields by a second request.",
    )
  }
  const selections = extents.reduce((sum, extent) => sum + extent.selections, 0)
  if (selections > limits.selections) {
    throw limitExceeded(
      `The document has ${selections < 1e9 ? selections : "more than a billion"} selections, counting a fragment each time it is spread`,
      limits.selections,
      "Spread fragments less often, or send several requests.",
    )
  }
  for (const { selectionSet } of operations) {
    const fields = measure.fieldsOf([selectionSet]).size
    if (fields > limits.rootFields) {
      throw limitExceeded(`The operation has ${fields} fields at its root`, limits.rootFields, severalRequests)
    }
  }
  const comparisons = roots.reduce((sum, root) => sum + measure.comparisonsIn([root]), 0)
  if (comparisons > limits.comparisons) {
    throw limitExceeded(
      `The document has fields with the same name in the same selection: ${comparisons} pairs to compare`,
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
    for (const { arguments: args = [] } of here) for (const { value } of args) countValue(value)
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
  const check = (count: number, limit: number, what: string, advice: string) => {
    if (count > limit) throw limitExceeded(`The document has ${count} ${what}`, limit, advice)
  }
  check(aliases, limits.aliases, "aliases", "Request many objects with a list of ids, or send several requests.")
  check(fragments, limits.fragments, "fragments", severalRequests)
  check(directives, limits.directives, "directives", severalRequests)
  check(directivesInOnePlace, limits.directivesInOnePlace, "directives in one place", "Use each directive once.")
  if (listEntries > limits.listEntries) {
    throw limitExceeded(`The document has a list of ${listEntries} entries`, limits.listEntries, severalRequests)
  }
}

/** The size of a selection, fragments included. */
interface Extent {
  selections: number
  /** Levels of selections and fragments. */
  depth: number
  /** The largest number of fields that nest in one another. */
  fields: number
}

/**
 * Measures selections before validation, so fragments may be missing or spread themselves. That is why it does not use the
 * walker of `graph/selection.ts`.
 */
class SelectionMeasure {
  readonly #fragments: ReadonlyMap<string, FragmentDefinitionNode>
  readonly #limits: Limits
  readonly #extents = new Map<FragmentDefinitionNode, Extent>()
  /** The fragments that are being measured: one that is met again spreads itself. */
  readonly #open = new Set<FragmentDefinitionNode>()

  constructor(fragments: readonly FragmentDefinitionNode[], limits: Limits) {
    this.#fragments = new Map(fragments.map((fragment) => [fragment.name.value, fragment]))
    this.#limits = limits
  }

  hasMeasured(fragment: FragmentDefinitionNode): boolean {
    return this.#extents.has(fragment)
  }

  /** Measures each fragment once, however often it is spread. Throws for a cycle and for a selection that nests too deep. */
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
    if (this.#open.has(fragment)) {
      throw invalidRequest(
        `The fragment ${JSON.stringify(name.slice(0, 100))} spreads itself, directly or through others.`,
      )
    }
    let extent = this.#extents.get(fragment)
    if (extent === undefined) {
      this.#open.add(fragment)
      extent = this.extentOf(fragment.selectionSet, level + 1)
      this.#open.delete(fragment)
      this.#extents.set(fragment, extent)
    }
    this.#checkDepth(level + extent.depth)
    return extent
  }

  #checkDepth(level: number): void {
    if (level <= this.#limits.nesting) return
    throw invalidRequest(
      `The selections, including fragments, nest deeper than ${this.#limits.nesting} levels, which is the limit. Request the inner fields by a second request.`,
    )
  }

  /** The selection sets of each field, by the field's key in the response. */
  fieldsOf(sets: readonly SelectionSetNode[]): Map<string, SelectionSetNode[][]> {
    const fields = new Map<string, SelectionSetNode[][]>()
    const add = ({ selections }: SelectionSetNode): void => {
      for (const selection of selections) {
        if (selection.kind === Kind.FIELD) {
          const key = selection.alias?.value ?? selection.name.value
          const inner = selection.selectionSet === undefined ? [] : [selection.selectionSet]
          const occurrences = fields.get(key)
          if (occurrences === undefined) fields.set(key, [inner])
          else occurrences.push(inner)
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

  /** How many pairs of fields with the same key validation compares, on all levels. */
  comparisonsIn(sets: readonly SelectionSetNode[]): number {
    let comparisons = 0
    for (const occurrences of this.fieldsOf(sets).values()) {
      const count = occurrences.length
      comparisons += (count * (count - 1)) / 2 + this.comparisonsIn(occurrences.flat())
    }
    return comparisons
  }
}

function limitExceeded(what: string, limit: number, advice: string): GraphQLError {
  return invalidRequest(`${what}; at most ${limit} are allowed. ${advice}`)
}
