/** Bytes of JSON of one string, of a stack, and of all strings of a line together. */
const maxStringBytes = 1_000
const maxStackBytes = 4_000
const maxLineBytes = 7_000
const maxKeys = 50
const maxDepth = 4
/** JSON writes some characters as six: \u0000. */
const bytesPerEscape = 6
const bytesPerNumber = 24
const ellipsis = "…"

const secretKey = /token|authorization|headers|cookie|password|secret|credential|api_?key/i
/** Whether a key is secret, for the keys of the gateway's own lines. */
const knownKeys = new Map<string, boolean>()

function isSecret(key: string): boolean {
  let secret = knownKeys.get(key)
  if (secret === undefined) {
    secret = secretKey.test(key)
    if (knownKeys.size < 1_000) knownKeys.set(key, secret)
  }
  return secret
}

/** Redacts credentials and cuts what is too long. */
export function sanitize(line: Record<string, unknown>): Record<string, unknown> {
  try {
    return isClean(line) ? line : cleanObject(line, { bytesLeft: maxLineBytes }, 0)
  } catch {
    // A getter or a Proxy threw.
    return { unreadable: true }
  }
}

const plainTypes: ReadonlySet<string> = new Set(["number", "boolean", "undefined"])

/** The line as JSON if there is nothing in it to redact or to cut, else undefined. */
export function cleanJson(line: object): string | undefined {
  try {
    return isClean(line) ? JSON.stringify(line) : undefined
  } catch {
    return undefined
  }
}

/** Whether the line holds only plain values, no secret key and no long string. That is so for nearly all lines. */
function isClean(line: object): boolean {
  for (const key in line) {
    const value = (line as Record<string, unknown>)[key]
    if (typeof value === "string") {
      if (value.length > maxStringBytes / bytesPerEscape) return false
    } else if (value !== null && !plainTypes.has(typeof value)) return false
    if (isSecret(key)) return false
  }
  return true
}

interface Budget {
  bytesLeft: number
}

/** Copies the object, because it belongs to the caller. */
function cleanObject(object: object, budget: Budget, depth: number): Record<string, unknown> {
  const clean: Record<string, unknown> = {}
  let keys = 0
  for (const [key, value] of Object.entries(object)) {
    keys += 1
    if (keys > maxKeys || budget.bytesLeft <= 0) {
      clean[ellipsis] = ellipsis
      break
    }
    const name = cut(key, maxStringBytes, budget)
    clean[name] = secretKey.test(key) ? "[redacted]" : cleanValue(value, budget, depth)
  }
  return clean
}

function cleanValue(value: unknown, budget: Budget, depth: number): unknown {
  if (typeof value === "string") return cut(value, maxStringBytes, budget)
  if (typeof value === "bigint") return cut(String(value), maxStringBytes, budget)
  budget.bytesLeft -= bytesPerNumber
  if (typeof value !== "object" || value === null) return value
  if (value instanceof Error) return cleanError(value, budget)
  if (depth === maxDepth) return ellipsis
  if (Array.isArray(value)) {
    const items = value.slice(0, maxKeys)
    const clean = items.map((item) => (budget.bytesLeft > 0 ? cleanValue(item, budget, depth + 1) : ellipsis))
    return value.length > maxKeys ? [...clean, ellipsis] : clean
  }
  if ("toJSON" in value && typeof value.toJSON === "function") return cleanValue(value.toJSON(), budget, depth + 1)
  return cleanObject(value, budget, depth + 1)
}

/** Leaves out an error's other properties, because some libraries attach whole requests. */
function cleanError(error: Error & { code?: unknown }, budget: Budget): Record<string, unknown> {
  const causes = [error]
  for (let { cause } = error; cause instanceof Error && causes.length < maxDepth; { cause } = cause) causes.push(cause)
  return {
    type: cut(String(error.constructor?.name ?? error.name), 100, budget),
    code: typeof error.code === "string" ? cut(error.code, 100, budget) : undefined,
    message: cut(causes.map(({ message }) => message).join(": "), maxStringBytes, budget),
    stack: cut(causes.map(({ stack }) => stack).join("\ncaused by: "), maxStackBytes, budget),
  }
}

/** Cuts the string to a number of bytes in JSON, and to what the line's budget has left. */
function cut(text: string, maxBytes: number, budget: Budget): string {
  const max = Math.max(0, Math.min(maxBytes, budget.bytesLeft))
  let kept = text.slice(0, max)
  let bytes = jsonBytes(kept)
  while (bytes > max) {
    kept = kept.slice(0, Math.floor((kept.length * max) / bytes))
    bytes = jsonBytes(kept)
  }
  budget.bytesLeft -= bytes
  return kept.length < text.length ? kept + ellipsis : kept
}

const jsonBytes = (text: string) => Buffer.byteLength(JSON.stringify(text)) - 2
