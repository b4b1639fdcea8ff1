import { createHash } from "node:crypto"
import { badUserInput } from "../errors.ts"

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
 * Reads a cursor's position back. Throws BAD_USER_INPUT for one that was changed, or that another search made.
 */
export function decodeCursor<Position>(search: string, cursor: string): Position {
  const [madeBy, mark, payload = "", ...more] = cursor.split(".")
  if (madeBy !== version || mark !== digest(search, payload) || more.length > 0) {
    throw badUserInput(
      "`after` is no cursor of this search: pass one on as it came, with the arguments it came from (only `first` may differ), or leave `after` out to begin anew.",
    )
  }
  return JSON.parse(Buffer.from(payload, "base64url").toString())
}

/** No secret: it finds cursors that were mixed up or cut, not ones that were forged. */
function digest(search: string, payload: string): string {
  return hash(`${version}\n${search}\n${payload}`, 16)
}

/** The first `length` characters of the text's SHA-256 in base64url. */
export function hash(text: string, length: number): string {
  return createHash("sha256").update(text).digest("base64url").slice(0, length)
}
