import type { IncomingHttpHeaders } from "node:http"
import { loopback } from "../../config/config.ts"
import { maxSealedLength } from "./seal.ts"

/** The cookie over TLS. Browsers accept this prefix only from the host itself, with `Secure` and for all paths. */
const secureName = "__Host-codeocean-session"
/** The cookie on this machine without TLS, where the prefix is not possible. */
const localName = "codeocean-session"

export type CookieName = typeof secureName | typeof localName

/** A session's cookie as a request has it. */
export interface SessionCookie {
  name: CookieName
  value: string
}

/**
 * Whether a page of the gateway's own origin sends the request. Browsers send Sec-Fetch-Site to addresses with TLS and to this
 * machine, and scripts cannot change it. Older browsers send only Origin, and not with each GET.
 */
export function isSameOrigin({ "sec-fetch-site": site, origin, host }: IncomingHttpHeaders): boolean {
  if (site !== undefined) return site === "same-origin"
  return origin !== undefined && host !== undefined && URL.parse(origin)?.host === host.toLowerCase()
}

/** Cookies of one gateway. The gateway itself has no TLS, so a proxy decides whether a browser uses it. */
export interface Cookies {
  /** The name of a new cookie. Undefined if the page came without TLS: its browser would not keep a cookie that needs TLS. */
  nameFor(headers: IncomingHttpHeaders): CookieName | undefined
  /** The cookie of a request. Undefined if there is none, or if there are several of the same name. */
  read(headers: IncomingHttpHeaders): SessionCookie | undefined
}

/**
 * Whether the browser keeps and sends cookies that need TLS. Most browsers do that for pages of their own machine, too. A request
 * without an Origin is taken for one with TLS, since then the browser decides alone.
 */
function hasTls({ origin }: IncomingHttpHeaders): boolean {
  return !origin?.startsWith("http:") || loopback.test(URL.parse(origin)?.hostname ?? "")
}

/** @param isLocal whether only this machine can connect, and not through a proxy */
export function createCookies(isLocal: boolean): Cookies {
  /** Whether a request goes to this machine without TLS. */
  const isPlainLocal = ({ host = "", origin }: IncomingHttpHeaders) =>
    isLocal && !origin?.startsWith("https:") && loopback.test(URL.parse(`http://${host}`)?.hostname ?? "")

  return {
    nameFor: (headers) => (isPlainLocal(headers) ? localName : hasTls(headers) ? secureName : undefined),
    read(headers) {
      const { cookie } = headers
      if (cookie === undefined) return undefined
      const secure = hasTls(headers) ? onlyValue(cookie, secureName) : undefined
      if (secure !== undefined) return { name: secureName, value: secure }
      const local = isPlainLocal(headers) ? onlyValue(cookie, localName) : undefined
      return local === undefined ? undefined : { name: localName, value: local }
    },
  }
}

/** The value of a Set-Cookie header. */
export function setCookie(name: CookieName, value: string, maxAgeSeconds: number): string {
  const attributes = `Path=/; Max-Age=${maxAgeSeconds}; HttpOnly; SameSite=Strict`
  return `${name}=${value}; ${attributes}${name === secureName ? "; Secure" : ""}`
}

/** The value of the only cookie with this name. */
function onlyValue(header: string, name: string): string | undefined {
  let found: string | undefined
  for (let start = 0; start < header.length; ) {
    const semicolon = header.indexOf(";", start)
    const end = semicolon < 0 ? header.length : semicolon
    const equals = header.indexOf("=", start)
    if (equals >= 0 && equals < end && header.slice(start, equals).trim() === name) {
      // Which of two is the gateway's own cannot be known: another site of the same domain may have set one.
      if (found !== undefined) return undefined
      found = header.slice(equals + 1, end).trim()
    }
    start = end + 1
  }
  return found === undefined || found.length > maxSealedLength ? undefined : found
}
