import { GraphQLError, Kind, type OperationDefinitionNode } from "graphql"
import type { ErrorCode } from "../errors.ts"

/**
 * The least size that one value of a response counts, in bytes, however short it is. With it, the limit on a response's size
 * also bounds how many values are made.
 */
export const minBytesPerValue = 16

/**
 * The size that a field that can make calls counts, in bytes, even if it needs none: executing it takes thirty times as long
 * as another field.
 */
export const minBytesPerCall = 512

/** The size of an error in a response without its message, in bytes, roughly. */
export const bytesPerError = 200

/** How many errors a response has at most. One more error says how many are omitted. */
export const maxErrors = 1_000

/** The size of a value as JSON, roughly: each character of a string counts one byte. Stops counting above `max`. */
export function roughSize(value: unknown, max: number): number {
  let size = 0
  const stack = [value]
  while (stack.length > 0 && size <= max) {
    const next = stack.pop()
    size += minBytesPerValue
    if (typeof next === "string") size += next.length
    else if (Array.isArray(next)) {
      // Its entries alone exceed the limit, so they need not be pushed.
      if (next.length * minBytesPerValue > max - size) return max + 1
      for (const entry of next) stack.push(entry)
    } else if (typeof next === "object" && next !== null) {
      for (const key in next) {
        size += key.length
        stack.push((next as Record<string, unknown>)[key])
      }
    }
  }
  return size
}

/** How many bytes JSON needs at most for one UTF-16 unit: an escape such as `\u0001`. */
const maxBytesPerCharacter = 6

/** Whether a value needs more bytes than this as JSON. */
export function isLargerThan(max: number, value: unknown): boolean {
  const size = roughSize(value, max)
  if (size > max) return true
  return size * maxBytesPerCharacter > max && Buffer.byteLength(JSON.stringify(value)) > max
}

/** The root fields of a mutation, by their keys in the response. */
export interface MutationProgress {
  started: readonly string[]
  notStarted: readonly string[]
}

/**
 * The error that replaces a response that is too large.
 * @param progress undefined for a query
 */
export function tooLarge(max: number, progress: MutationProgress | undefined): GraphQLError {
  return tooCostly(`The response is larger than the limit of ${max} bytes.`, progress)
}

/** The error that stops an execution. Its message ends with what the client can do. */
export function tooCostly(problem: string, progress: MutationProgress | undefined): GraphQLError {
  const advice =
    progress === undefined
      ? "Request fewer items, fields or aliases at once, in several requests."
      : progressSentences(progress)
  return new GraphQLError(`${problem} ${advice}`, {
    extensions: { code: "OPERATION_TOO_COSTLY" satisfies ErrorCode },
  })
}

/** The error that stands for those above `maxErrors`. */
export function omittedErrors(count: number): GraphQLError {
  return tooCostly(`Errors left out: ${count}. A response has at most ${maxErrors}.`, undefined)
}

function progressSentences({ started, notStarted }: MutationProgress): string {
  const executed =
    started.length === 0 ? "Nothing was changed." : `Executed, or refused by Code Ocean: ${list(started)}.`
  const rest = notStarted.length === 0 ? "" : ` Not executed: ${list(notStarted)}.`
  const advice = started.length === 0 ? "" : " Do not repeat the mutation; query the objects instead."
  return `${executed}${rest}${advice}`
}

function list(keys: readonly string[]): string {
  return keys.map((key) => `\`${key}\``).join(", ")
}

/** The progress of an operation that was executed to its end. Undefined for a query. */
export function fullProgress(operation: OperationDefinitionNode | null | undefined): MutationProgress | undefined {
  if (operation?.operation !== "mutation") return undefined
  const started = operation.selectionSet.selections.map((selection) =>
    selection.kind === Kind.FIELD ? (selection.alias ?? selection.name).value : "the fields of a fragment",
  )
  return { started: [...new Set(started)], notStarted: [] }
}
