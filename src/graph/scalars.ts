import { GraphQLError, Kind, type ValueNode, valueFromASTUntyped, visit } from "graphql"
import { badUserInput } from "../errors.ts"
import { exactNumber, withDigitsAsText } from "../upstream/rawNumber.ts"
import { builder } from "./builder.ts"
import { epochSecondsOf } from "./dateTime.ts"
import { invalidField } from "./fields.ts"

const secondsOfDay = 86_400
/** The first year with more than four digits. */
const tenThousandYears = Date.UTC(10_000) / 1000
const maxDays = 10_000
const days = new Map<number, string>()

/**
 * Same as Date's toISOString, which takes a fifth of the time of a large page. The text of each day is cached. Made of character codes,
 * because V8 serializes a response in twice the time if one of its strings is concatenated (docs/decisions/memory.md).
 */
function isoText(epochSeconds: number): string {
  const number = Math.floor(epochSeconds / secondsOfDay)
  let day = days.get(number)
  if (day === undefined) {
    if (days.size === maxDays) days.clear()
    day = new Date(number * secondsOfDay * 1000).toISOString()
    days.set(number, day)
  }
  const second = epochSeconds % secondsOfDay
  const minute = Math.floor(second / 60)
  const hour = Math.floor(minute / 60)
  return String.fromCharCode(
    day.charCodeAt(0),
    day.charCodeAt(1),
    day.charCodeAt(2),
    day.charCodeAt(3),
    dash,
    day.charCodeAt(5),
    day.charCodeAt(6),
    dash,
    day.charCodeAt(8),
    day.charCodeAt(9),
    letterT,
    tens(hour),
    ones(hour),
    colon,
    tens(minute % 60),
    ones(minute % 60),
    colon,
    tens(second % 60),
    ones(second % 60),
    point,
    zero,
    zero,
    zero,
    letterZ,
  )
}

const dash = 45
const point = 46
const zero = 48
const colon = 58
const letterT = 84
const letterZ = 90
const tens = (number: number) => zero + Math.floor(number / 10)
const ones = (number: number) => zero + (number % 10)

/** The `parseLiteral` of a scalar. Its errors have the literal's location. */
function literalParser<T>(parse: (value: unknown) => T) {
  return (node: ValueNode): T => {
    try {
      return parse(valueFromASTUntyped(node))
    } catch (error) {
      const { message, extensions } = error as GraphQLError
      throw new GraphQLError(message, { nodes: node, extensions })
    }
  }
}

function byteCountOf(value: unknown): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) {
    throw badUserInput("A ByteCount is an integer from 0 to 2^53.")
  }
  return value
}

builder.scalarType("DateTime", {
  description:
    "A point in time, as an ISO 8601 string in UTC: `2026-08-20T09:30:00.000Z`. As input, any offset is accepted (`Z`, `+05:30`, `+0530` or `+05`), and a date without a time means midnight UTC.",
  serialize: (epochSeconds) => {
    const seconds = Number(epochSeconds)
    if (Number.isInteger(seconds) && seconds >= 0 && seconds < tenThousandYears) return isoText(seconds)
    const date = new Date(seconds * 1000)
    if (Number.isNaN(date.getTime())) throw invalidField("time", "outside the range of dates")
    return date.toISOString()
  },
  parseValue: epochSecondsOf,
  parseLiteral: literalParser(epochSecondsOf),
})

builder.scalarType("ByteCount", {
  description: "A size in bytes. An integer, exact up to 2^53 (about nine petabytes).",
  serialize: (bytes) => {
    const count = typeof bytes === "string" && bytes.trim() !== "" ? Number(bytes) : bytes
    if (typeof count !== "number" || !Number.isSafeInteger(count) || count < 0) {
      throw invalidField("size", `not an integer from 0 to 2^53: ${String(bytes).slice(0, 50)}`)
    }
    return count
  },
  parseValue: byteCountOf,
  parseLiteral: literalParser(byteCountOf),
})

builder.scalarType("JSON", {
  description:
    "Any JSON value. A number that a double cannot hold, such as an integer beyond 2^53, is returned as a string of its digits. As input, write such a number into the document as a literal: it is passed on with its own digits. In variables an integer beyond 2^53 is an error, because most clients round it, and a fraction is rounded to the nearest double.",
  serialize: withDigitsAsText,
  parseValue: (value) => value,
  parseLiteral: (node: ValueNode, variables) => {
    // Otherwise graphql-js reads a word without quotes as a string.
    visit(node, {
      EnumValue(word) {
        throw new GraphQLError(`A JSON value cannot be the unquoted word ${word.value}. Strings need quotes.`, {
          nodes: word,
        })
      },
    })
    return jsonOf(node, variables)
  },
})

/** The JSON value of a literal. Numbers keep their digits. */
function jsonOf(node: ValueNode, variables: Readonly<Record<string, unknown>> | null | undefined): unknown {
  if (node.kind === Kind.INT || node.kind === Kind.FLOAT) return exactNumber(node.value)
  if (node.kind === Kind.LIST) return node.values.map((item) => jsonOf(item, variables))
  if (node.kind !== Kind.OBJECT) return valueFromASTUntyped(node, variables)
  return Object.fromEntries(node.fields.map(({ name, value }) => [name.value, jsonOf(value, variables)]))
}
