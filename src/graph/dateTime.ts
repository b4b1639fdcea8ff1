import { badUserInput } from "../errors.ts"
import { maxLength } from "./inputLimits.ts"

const dateTime =
  /^(?<year>\d{4})-(?<month>\d\d)-(?<day>\d\d)(?:T(?<hour>\d\d):(?<minute>\d\d)(?::(?<second>\d\d)(?:\.(?<fraction>\d+))?)?(?<offset>Z|[+-]\d\d(?::?\d\d)?)?)?$/i

/**
 * Reads a DateTime of the input: epoch seconds, with a fraction of whole milliseconds. Throws BAD_USER_INPUT, with what is wrong
 * and an example.
 */
export function epochSecondsOf(value: unknown): number {
  if (typeof value !== "string") throw invalid("This one is not a string.")
  if (value === "") throw invalid("This one is empty.")
  if (value.length > maxLength.dateTime) {
    throw badUserInput(`A DateTime has at most ${maxLength.dateTime} characters. This one has ${value.length}.`)
  }
  const parts = dateTime.exec(value)?.groups as Record<string, string | undefined> | undefined
  if (parts === undefined) {
    throw invalid(/^[+-]?\d{5,}-/.test(value) ? "Its year must have four digits." : "This one has another form.")
  }
  const { year, month = "", day, hour = "00", minute = "00", second = "00", fraction = "", offset = "Z" } = parts
  if (!isBetween(month, 1, 12)) throw invalid("Its month must be from 01 to 12.")
  const date = `${year}-${month}-${day}`
  const midnight = Date.parse(`${date}T00:00:00Z`)
  // Date.parse reads February 30 as March 2.
  if (Number.isNaN(midnight) || !new Date(midnight).toISOString().startsWith(date)) {
    throw invalid(`There is no day ${day} in ${year}-${month}.`)
  }
  if (!isBetween(hour, 0, 23)) throw invalid("Its hour must be from 00 to 23. Midnight is 00:00 of the next day.")
  if (!isBetween(minute, 0, 59)) throw invalid("Its minute must be from 00 to 59.")
  if (!isBetween(second, 0, 59)) throw invalid("Its second must be from 00 to 59. There are no leap seconds.")
  if (parts.hour !== undefined && parts.offset === undefined)
    throw invalid("Its time needs an offset, such as Z or +02:00.")
  const milliseconds = Date.parse(`${date}T${hour}:${minute}:${second}.${fraction.slice(0, 3).padEnd(3, "0")}Z`)
  return milliseconds / 1000 - offsetSeconds(offset)
}

function offsetSeconds(offset: string): number {
  if (offset === "Z" || offset === "z") return 0
  const hours = offset.slice(1, 3)
  const minutes = offset.slice(3).replace(":", "") || "00"
  if (!isBetween(hours, 0, 23) || !isBetween(minutes, 0, 59)) throw invalid("Its offset must be from -23:59 to +23:59.")
  return (offset.startsWith("-") ? -1 : 1) * (Number(hours) * 3600 + Number(minutes) * 60)
}

function isBetween(digits: string, min: number, max: number): boolean {
  return Number(digits) >= min && Number(digits) <= max
}

function invalid(problem: string) {
  return badUserInput(
    `A DateTime is an ISO 8601 string such as 2026-08-20T09:30:00Z, 2026-08-20T11:30:00+02:00 or 2026-08-20. ${problem}`,
  )
}
