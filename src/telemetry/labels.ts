import { STATUS_CODES } from "node:http"

/** The label for a value that is not known, as OpenTelemetry's conventions name it. */
export const other = "_OTHER"

const methods: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])

/** The label for an HTTP method. */
export function methodLabel(method: string | undefined): string {
  return method !== undefined && methods.has(method) ? method : other
}

/** Made once, since most requests have one of a few statuses. */
const statuses: Readonly<Record<number, string>> = Object.fromEntries(
  Object.keys(STATUS_CODES).map((status) => [status, status]),
)

/** The label for a status. Only registered statuses have one, since a server may send any three digits. */
export function statusLabel(status: number): string {
  return statuses[status] ?? other
}

const routes: ReadonlySet<string> = new Set(["/graphql", "/health", "/ready", "/session", "/mcp", "/"])

/** The label for the path of a request. */
export function routeLabel(url: string | undefined): string {
  if (url === undefined) return other
  if (routes.has(url)) return url
  const query = url.indexOf("?")
  const path = query < 0 ? url : url.slice(0, query)
  if (routes.has(path)) return path
  if (path === "/graphql/") return "/graphql"
  if (path.startsWith("/graphql/graphiql/")) return "/graphql/graphiql/{file}"
  return path.startsWith("/files/") ? "/files/{owner}/{id}" : other
}

/** The values of a label that come from the source code. A limit holds even if one of them depended on data by mistake. */
export class KnownValues {
  readonly #labels = new Map<string, string>()
  readonly #max: number
  readonly #prefix: string

  /** @param max how many values are told apart. All further ones are `_OTHER` */
  constructor(max: number, prefix = "") {
    this.#max = max
    this.#prefix = prefix
  }

  label(value: string): string {
    const known = this.#labels.get(value)
    if (known !== undefined) return known
    if (this.#labels.size >= this.#max) return other
    const label = this.#prefix + value
    this.#labels.set(value, label)
    return label
  }
}
