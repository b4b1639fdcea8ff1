import { createHash, type Hash } from "node:crypto"
import { badUserInput } from "../../errors.ts"

const version = "1"

/** The opaque cursors of one search. They can be read back only with the same search. */
export class Cursors {
  readonly #search: string
  /** Has the search in it already: filters may be large, and a page has a thousand cursors. */
  #begun: Hash | undefined

  /** @param search what the cursors belong to, as text */
  constructor(search: string) {
    this.#search = search
  }

  /** Makes a cursor for a position, which is written as JSON. */
  encode(position: unknown): string {
    const payload = Buffer.from(JSON.stringify(position)).toString("base64url")
    return `${version}.${this.#digest(payload)}.${payload}`
  }

  /**
   * Reads a cursor's position back. Throws BAD_USER_INPUT for one that was changed, that another search made, or that
   * somebody else made up.
   * @param read takes the position out of what the cursor holds, which may be anything: undefined where it is none
   */
  decode<Position>(cursor: string, read: (value: unknown) => Position | undefined): Position {
    const [madeBy, mark, payload = "", ...more] = cursor.split(".", 4)
    const isOurs = madeBy === version && mark === this.#digest(payload) && more.length === 0
    const position = isOurs ? read(parsed(Buffer.from(payload, "base64url").toString())) : undefined
    if (position === undefined) {
      throw badUserInput(
        "`after` is no cursor of this search: pass one on as it came, with the arguments it came from (only `first` may differ), or leave `after` out to begin anew.",
      )
    }
    return position
  }

  /** No secret: it finds cursors that were mixed up or cut. Anyone can forge one, so what it holds is read like any input. */
  #digest(payload: string): string {
    this.#begun ??= createHash("sha256").update(`${version}\n${this.#search}\n`)
    return this.#begun.copy().update(payload).digest("base64url").slice(0, 16)
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The first `length` characters of the text's SHA-256 in base64url. */
export function hash(text: string, length: number): string {
  return createHash("sha256").update(text).digest("base64url").slice(0, length)
}
