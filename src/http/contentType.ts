/** Parses a Content-Type header into its media type, in lower case, and its charset. */
export function readContentType(header: string): { type: string; charset: string | undefined } {
  const [type = "", ...parameters] = header.split(";")
  let charset: string | undefined
  for (const parameter of parameters) {
    const [name = "", ...value] = parameter.split("=")
    if (name.trim().toLowerCase() === "charset") charset ??= unquoted(value.join("=").trim()).toLowerCase()
  }
  return { type: type.trim().toLowerCase(), charset }
}

function unquoted(value: string): string {
  return /^".*"$/.test(value) ? value.slice(1, -1) : value
}

/** Whether a body of this charset can be decoded as UTF-8. ASCII is a subset of UTF-8. */
export function isUtf8(charset: string | undefined): boolean {
  return charset === undefined || charset === "utf-8" || charset === "utf8" || charset === "us-ascii"
}

const plainJson = /^application\/json(\s*;\s*charset\s*=\s*("utf-?8"|utf-?8))?\s*$/i

/** Whether the header is JSON in UTF-8 without other parameters, as nearly every client sends it. */
export function isPlainJson(header: string | undefined): boolean {
  return header !== undefined && (header === "application/json" || plainJson.test(header))
}
