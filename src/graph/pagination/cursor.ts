import { createHash, type Hash } from "node:crypto"
import { badUserInput } from "../../errors.ts"

const version = "1"

/** The opaque cursors of one search. A cursor is valid only for the search that made it. */
export class Cursors {
  readonly #search: string
  /** A hash of the search, which is copied for each cursor: filters may be large, and a page has a thousand cursors. */
  #searchHash: Hash | undefined

  /** @param search identifies the search and its arguments */
  constructor(search: string) {
    this.#search = search
  }

  /** Returns a cursor for a position, which is stored as JSON. */
  encode(position: unknown): string {
    const payload = Buffer.from(JSON.stringify(position)).toString("base64url")
    return `${version}.${this.#digest(payload)}.${payload}`
  }

  /**
   * Returns the position in a cursor. Throws BAD_USER_INPUT if it was modified, belongs to another search, or holds no valid position.
   * @param read validates the content, which may be any value. Returns undefined if it is not a position
   */
  decode<Position>(cursor: string, read: (value: unknown) => Position | undefined): Position {
    const [cursorVersion, digest, payload = "", ...more] = cursor.split(".", 4)
    const isIntact = cursorVersion === version && digest === this.#digest(payload) && more.length === 0
    const position = isIntact ? read(parseJson(Buffer.from(payload, "base64url").toString())) : undefined
    if (position === undefined) {
      throw badUserInput(
        "`after` is not a cursor of this search. Send a cursor unchanged and with the same arguments (only `first` may differ), or omit `after` to start from the beginning.",
      )
    }
    return position
  }

  /** Detects mixed up and truncated cursors. It is not a signature: anyone can forge a cursor, so its content is validated like any input. */
  #digest(payload: string): string {
    this.#searchHash ??= createHash("sha256").update(`${version}\n${this.#search}\n`)
    return this.#searchHash.copy().update(payload).digest("base64url").slice(0, 16)
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The first `length` characters of the SHA-256 in base64url. */
export function hash(text: string, length: number): string {
  return createHash("sha256").update(text).digest("base64url").slice(0, length)
}
