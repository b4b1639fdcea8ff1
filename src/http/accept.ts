import type { IncomingHttpHeaders } from "node:http"

/** More of a header is not read: some clients could otherwise make each of their requests costly. */
const maxListLength = 1_000

/** The quality of a value in a list such as `text/html, application/json;q=0.9`: 1 by default, undefined if the value is absent. */
export function qualityOf(list: string, wanted: string): number | undefined {
  for (const item of list.slice(0, maxListLength).toLowerCase().split(",")) {
    const [value, ...parameters] = item.split(";").map((part) => part.trim())
    if (value !== wanted) continue
    const q = parameters.find((parameter) => parameter.startsWith("q="))
    return q === undefined ? 1 : Number(q.slice("q=".length)) || 0
  }
  return undefined
}

/**
 * Whether a browser navigates to an address. Navigations have no Origin header. Scripts of other sites have one, and must not read
 * a token that is preset in the page.
 */
export function isNavigation({ origin, accept = "" }: Pick<IncomingHttpHeaders, "origin" | "accept">): boolean {
  if (origin !== undefined) return false
  const quality = (type: string) => qualityOf(accept, type) ?? 0
  return quality("text/html") > Math.max(quality("application/json"), quality("application/graphql-response+json"))
}
