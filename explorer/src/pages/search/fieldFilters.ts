import type { SearchFilterInput } from "../../data/schema.generated.ts"
import type { MetadataFieldsFragment } from "./metadataFields.generated.ts"

export type MetadataField = NonNullable<NonNullable<MetadataFieldsFragment["fields"]>[number]>

const day = 24 * 60 * 60

/** Epoch seconds as a date for an input, such as `2026-03-01`, in UTC. */
export const dateOf = (seconds: number): string => new Date(seconds * 1_000).toISOString().slice(0, 10)
/** The start of a date in epoch seconds. */
export const secondsOf = (date: string): number => Date.parse(`${date}T00:00:00Z`) / 1_000
/** The last second of a date. */
export const lastSecondOf = (date: string): number => secondsOf(date) + day - 1

/** A condition in words: "subject id is 730945", "age from 50 to 60". */
export function describeFilter(filter: SearchFilterInput, fields: readonly MetadataField[]): string {
  const { key, value, values, range, exclude } = filter
  const field = fields.find(({ name }) => name === key)
  const show = (number: unknown) =>
    field?.type === "DATE" && typeof number === "number" ? dateOf(number) : String(number)
  if (range) {
    const unit = field?.units ? ` ${field.units}` : ""
    const from = range.min === null || range.min === undefined ? "" : ` from ${show(range.min)}`
    const to = range.max === null || range.max === undefined ? "" : ` to ${show(range.max)}`
    return `${key}${exclude ? " not" : ""}${from}${to}${unit}`
  }
  const all = values ?? [value]
  return `${key} ${exclude ? "is not" : "is"} ${all.map(show).join(" or ")}`
}
