import { readableFloat } from "../fields.ts"
import { decodeText, type WriteCursor } from "../pagination/cursor.ts"
import { markOf } from "../pagination/position.ts"
import type { Computation } from "./rest.ts"

/** Where a run is in a list of runs, newest first. */
export interface RunPosition {
  /** Epoch seconds. 0 if it is absent or can't be read: the run comes last. */
  created: number
  /** Its id, or a digest of an id that is too long for a cursor. Runs that started at the same time are in the order of their keys. */
  key: string
}

const createdOf = readableFloat("created")

export function positionOf(computation: Computation): RunPosition {
  return { created: createdOf(computation) ?? 0, key: shortKey(computation.id) }
}

/** A cursor takes an id of Code Ocean's own form as it is, and up to eight characters for each of another id's. */
function shortKey(id: string): string {
  return id.length <= maxKeyLength || /^[\w-]+$/.test(id) ? id : markOf(id)
}

const maxKeyLength = 36

/** Orders runs, newest first. */
export function byAge(a: RunPosition, b: RunPosition): number {
  return b.created - a.created || (a.key < b.key ? -1 : 1)
}

/** Whether a run comes after this position. */
export function isBehind(run: RunPosition, position: RunPosition): boolean {
  return run.created < position.created || (run.created === position.created && run.key > position.key)
}

/** Writes the cursor of the position: `created~key`. */
export function writePosition({ created, key }: RunPosition, write: WriteCursor): string {
  return write(`${created}`, key)
}

/** The position in the content of a cursor, which may be any text. Undefined if it is none. */
export function positionIn(text: string): RunPosition | undefined {
  const [created = "", encodedKey = "", ...more] = text.split("~", 3)
  const key = decodeText(encodedKey)
  return /^-?\d/.test(created) && Number.isFinite(Number(created)) && key !== undefined && more.length === 0
    ? { created: Number(created), key }
    : undefined
}
