import { badUserInput } from "../../errors.ts"
import { isRawNumber, type RawNumber } from "../../upstream/rawNumber.ts"
import { builder } from "../builder.ts"
import { enumValues } from "../enums.ts"
import { limitLength, maxLength } from "../inputLimits.ts"

export const Ownership = builder.enumType("Ownership", {
  description: "Whose objects a search covers.",
  values: enumValues({
    private: "Objects that only the caller can see.",
    created: "Objects that the caller created.",
    shared: "Objects that are shared with the caller.",
  }),
})

export const OrderDirection = builder.enumType("OrderDirection", {
  description: "The direction of an order.",
  values: enumValues({
    asc: "Ascending: smallest, earliest or A first.",
    desc: "Descending: largest, latest or Z first.",
  }),
})

const SearchRangeInput = builder.inputType("SearchRangeInput", {
  description: "A range of numbers with at least one end. Both ends are included. Dates are epoch seconds.",
  fields: (t) => ({
    min: t.float({
      description:
        "The smallest value. An integer beyond 2^53 must be a literal in the document that a double holds exactly.",
    }),
    max: t.float({
      description:
        "The largest value. An integer beyond 2^53 must be a literal in the document that a double holds exactly.",
    }),
  }),
})

export const SearchFilterInput = builder.inputType("SearchFilterInput", {
  description: "A condition on the value of one field. Exactly one of `value`, `values` and `range` must be given.",
  fields: (t) => ({
    key: t.string({
      required: true,
      description: "`name`, `description`, `tags`, or the name of a custom metadata field.",
      extensions: limitLength(maxLength.key),
    }),
    value: t.field({ type: "JSON", description: "The value, a string or a number." }),
    values: t.field({ type: ["JSON"], description: "Any of these values, strings or numbers." }),
    range: t.field({ type: SearchRangeInput, description: "Any value in this range." }),
    exclude: t.boolean({ description: "True finds the objects that do not match." }),
  }),
})

/** A filter in the form of the REST API. */
export interface WireFilter {
  key: string
  value?: string | number | RawNumber
  values?: (string | number | RawNumber)[]
  range?: { min?: number; max?: number }
  exclude?: boolean
}

type FilterInput = typeof SearchFilterInput.$inferInput

/** Filters for the REST API. Throws BAD_USER_INPUT for a filter that Code Ocean would reject or silently ignore. */
export function wireFilters(filters: readonly FilterInput[] | null | undefined): WireFilter[] | undefined {
  if (filters == null || filters.length === 0) return undefined
  const written = filters.map(wireFilter)
  const length = JSON.stringify(written).length
  if (length > maxFilterCharacters) {
    throw badUserInput(
      `\`filters\` take ${length} characters as JSON; at most ${maxFilterCharacters} are allowed. Search for fewer values at once.`,
    )
  }
  return written
}

/** A page's calls and cursors hold its filters, and one operation may have a hundred pages. */
const maxFilterCharacters = 65_536

function wireFilter({ key, value, values, range, exclude }: FilterInput, index: number): WireFilter {
  const place = `filters[${index}]`
  const refuse = (problem: string): never => {
    throw badUserInput(`\`${place}\`, the filter on ${JSON.stringify(key)}, ${problem}.`)
  }
  if (key.trim() === "")
    throw badUserInput(`\`${place}.key\` must name a field, such as \`name\`, \`tags\` or a custom metadata field.`)
  const given = [value, values, range].filter((part) => part != null).length
  if (given !== 1)
    refuse(`needs exactly one of \`value\`, \`values\` and \`range\`; it has ${given === 0 ? "none" : given}`)
  const plain = (item: unknown) =>
    typeof item === "string" || typeof item === "number" || isRawNumber(item)
      ? item
      : refuse("accepts only strings and numbers as values")
  const filter: WireFilter = { key }
  if (value != null) filter.value = plain(value)
  if (values != null) {
    if (values.length === 0) refuse("has an empty list of `values`; give at least one")
    filter.values = values.map(plain)
  }
  if (range != null) {
    const { min, max } = range
    if (min == null && max == null) refuse("has an empty `range`; give `min`, `max` or both")
    if (min != null && max != null && min > max) refuse("has a `range` whose `min` is greater than its `max`")
    filter.range = { ...(min != null && { min }), ...(max != null && { max }) }
  }
  if (exclude != null) filter.exclude = exclude
  return filter
}
