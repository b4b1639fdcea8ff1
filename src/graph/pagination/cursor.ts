import { createHash } from "node:crypto"
import { badUserInput } from "../../errors.ts"

const version = "1"

/**
 * Makes an opaque cursor.
 * @param search what the cursor belongs to; it can be read back only with the same text
 * @param position where in that search it stands, as JSON
 */
export function encodeCursor(search: string, position: unknown): string {
  const payload = Buffer.from(JSON.stringify(position)).toString("base64url")
  return `${version}.${digest(search, payload)}.${payload}`
}

/**
 * Reads a cursor's position back. Throws BAD_USER_INPUT for one that was changed, that another search made, or that
 * somebody else made up.
 * @param read takes the position out of what the cursor holds, which may be anything: undefined where it is none
 */
export function decodeCursor<Position>(
  search: string,
  cursor: string,
  read: (value: unknown) => Position | undefined,
): Position {
  const [madeBy, mark, payload = "", ...more] = cursor.split(".", 4)
  const isOurs = madeBy === version && mark === digest(search, payload) && more.length === 0
  const position = isOurs ? read(parsed(Buffer.from(payload, "base64url").toString())) : undefined
  if (position === undefined) {
    throw badUserInput(
      "`after` is no cursor of this search: pass one on as it came, with the arguments it came from (only `first` may differ), or leave `after` out to begin anew.",
    )
  }
  return position
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** No secret: it finds cursors that were mixed up or cut. Anyone can forge one, so what it holds is read like any input. */
function digest(search: string, payload: string): string {
  return hash(`${version}\n${search}\n${payload}`, 16)
}

/** The first `length` characters of the text's SHA-256 in base64url. */
export function hash(text: string, length: number): string {
  return createHash("sha256").update(text).digest("base64url").slice(0, length)
}
