import { GraphQLError, Kind, type OperationDefinitionNode } from "graphql"
import type { ErrorCode } from "../errors.ts"

/**
 * The least that one value of an answer counts, in bytes, whatever is written for it: so a limit on an answer's size bounds
 * how many values it takes to make one.
 */
export const leastBytesOfValue = 16

/**
 * What a field that can make calls counts, even where it finds its answer without one: it costs thirty times what another
 * one does.
 */
export const leastBytesOfCall = 512

/** About what an error takes in an answer beside its message, in bytes. */
export const bytesOfError = 200

/** So many errors are kept of an answer; of those beyond, only their number. */
export const mostErrors = 1_000

/** About how many bytes a value takes as JSON, its strings as if each character took one. Stops counting beyond `most`. */
export function roughSize(value: unknown, most: number): number {
  let size = 0
  const waiting = [value]
  while (waiting.length > 0 && size <= most) {
    const next = waiting.pop()
    size += leastBytesOfValue
    if (typeof next === "string") size += next.length
    else if (Array.isArray(next)) {
      // More entries than there is room for make it too large already.
      if (next.length * leastBytesOfValue > most - size) return most + 1
      for (const entry of next) waiting.push(entry)
    } else if (typeof next === "object" && next !== null) {
      for (const key in next) {
        size += key.length
        waiting.push((next as Record<string, unknown>)[key])
      }
    }
  }
  return size
}

/** The most bytes that JSON writes for one character. */
const bytesOfCharacter = 6

/** Whether a value takes more bytes than this as JSON. */
export function isLargerThan(most: number, value: unknown): boolean {
  const size = roughSize(value, most)
  if (size > most) return true
  return size * bytesOfCharacter > most && Buffer.byteLength(JSON.stringify(value)) > most
}

/** The fields of a mutation that were begun, and those that weren't, by their keys in the answer. */
export interface Changes {
  begun: readonly string[]
  notBegun: readonly string[]
}

/**
 * Why an answer isn't sent.
 * @param changes what a mutation had begun by then; undefined for a query
 */
export function tooLarge(most: number, changes: Changes | undefined): GraphQLError {
  return tooCostly(`The answer is larger than ${most} bytes, the most that one may be.`, changes)
}

export function tooCostly(problem: string, changes: Changes | undefined): GraphQLError {
  const advice =
    changes === undefined
      ? "Ask for fewer items, fields or aliases at once, in several requests."
      : whatHappened(changes)
  return new GraphQLError(`${problem} ${advice}`, {
    extensions: { code: "OPERATION_TOO_COSTLY" satisfies ErrorCode },
  })
}

/** Stands for the errors of an answer that has too many of them. */
export function othersLeftOut(count: number): GraphQLError {
  return tooCostly(`${count} more errors are left out here: an answer holds ${mostErrors}.`, undefined)
}

function whatHappened({ begun, notBegun }: Changes): string {
  const done =
    begun.length === 0 ? "Nothing was changed." : `The change was made, or refused by Code Ocean: ${named(begun)}.`
  const left = notBegun.length === 0 ? "" : ` Not begun: ${named(notBegun)}.`
  const advice = begun.length === 0 ? "" : " Don't send it again; ask by a query for what you need of it."
  return `${done}${left}${advice}`
}

function named(keys: readonly string[]): string {
  return keys.map((key) => `\`${key}\``).join(", ")
}

/** For an answer that was made whole: every field of a mutation was begun then. */
export function allChanges(operation: OperationDefinitionNode | null | undefined): Changes | undefined {
  if (operation?.operation !== "mutation") return undefined
  const begun = operation.selectionSet.selections.map((selection) =>
    selection.kind === Kind.FIELD ? (selection.alias ?? selection.name).value : "a fragment's fields",
  )
  return { begun: [...new Set(begun)], notBegun: [] }
}
