import * as v from "valibot"
import { trimEnd } from "../collections/text.ts"

/*
 * The kinds of settings. Each checks a variable's text and converts it. An issue's message follows the variable's name in a
 * sentence.
 */

export const logLevels = ["fatal", "error", "warn", "info", "debug", "trace", "silent"] as const
export const logLevel = v.picklist(logLevels, `must be one of ${logLevels.join(", ")}`)

export const nodeEnvs = ["production", "development", "test"] as const

export const boolean = v.pipe(
  v.picklist(["true", "false"], "must be true or false"),
  v.transform((value) => value === "true"),
)

export function integer(least: number, most: number) {
  const message = `must be a whole number from ${least} to ${most}`
  return v.pipe(
    v.string(),
    v.regex(/^\d{1,15}$/, message),
    v.transform(Number),
    v.minValue(least, message),
    v.maxValue(most, message),
  )
}

export const upstreamUrl = v.pipe(
  v.string("is required: the address of Code Ocean, such as https://codeocean.example.org"),
  v.rawTransform(({ dataset, addIssue, NEVER }) => {
    const url = URL.parse(dataset.value)
    const problem =
      url === null || !/^https?:$/.test(url.protocol)
        ? "must be a web address, such as https://codeocean.example.org"
        : url.username || url.password
          ? "must not contain a user name or password: tokens come from callers, or from CODEOCEAN_TOKEN"
          : url.search || url.hash
            ? "must not contain a query or a fragment"
            : undefined
    if (url === null || problem !== undefined) {
      addIssue({ message: problem ?? "" })
      return NEVER
    }
    // The address may be given with or without the API's own path.
    const apiPath = "/api/v1"
    const path = trimEnd(url.pathname, "/")
    url.pathname = `${path.endsWith(apiPath) ? path.slice(0, -apiPath.length) : path}/`
    return url
  }),
)

export const collectorUrl = v.pipe(
  v.string(),
  v.check((text) => {
    const url = URL.parse(text)
    return url !== null && /^https?:$/.test(url.protocol) && url.username + url.password + url.search + url.hash === ""
  }, "must be the web address of a collector, such as http://collector.example.org:4318, without user name, query and fragment"),
)

export const traceSamplers = [
  "always_on",
  "always_off",
  "traceidratio",
  "parentbased_always_on",
  "parentbased_always_off",
  "parentbased_traceidratio",
] as const

export const ratio = v.pipe(
  v.string(),
  v.regex(/^(0(\.\d+)?|1(\.0+)?|\.\d+)$/, "must be a number from 0 to 1"),
  v.transform(Number),
)

/** Whether the text can be a token: a user name of Basic authorization, of at most 1,024 characters. */
export function isPlausibleToken(token: string): boolean {
  return /^[\x21-\x39\x3b-\x7e]{1,1024}$/.test(token)
}

export const token = v.pipe(
  v.string(),
  v.check(isPlausibleToken, "must be a token: up to 1,024 printable characters, without spaces and colons"),
)

const minSecretLength = 32
/** A random text of the minimum length has more, even if it has only digits. */
const minCharacters = 7

/** What is wrong with a secret that encrypts something: a clause that does not repeat it. */
function problemOfSecret(secret: string): string | undefined {
  if (secret.length < minSecretLength) return `is shorter than ${minSecretLength} characters`
  if (!/^[\x21-\x7e]{1,1024}$/.test(secret))
    return "has other than up to 1,024 printable ASCII characters without spaces"
  // A text that repeats itself occurs in its double, before its end.
  const repeats = `${secret}${secret}`.indexOf(secret, 1) < secret.length
  return repeats || new Set(secret).size < minCharacters ? "is not random" : undefined
}

export const sessionSecrets = v.pipe(
  v.string(),
  v.rawTransform(({ dataset, addIssue }) => {
    const list = dataset.value.split(",").map((secret) => secret.trim())
    const how = "Make one with `openssl rand -base64 33`"
    for (const [index, secret] of list.entries()) {
      const problem = list.indexOf(secret) < index ? "is there twice" : problemOfSecret(secret)
      if (problem !== undefined) addIssue({ message: `has a secret, number ${index + 1}, that ${problem}. ${how}` })
    }
    return list
  }),
)

export const platformVersion = v.pipe(
  v.string(),
  v.regex(/^(0|[1-9]\d{0,4})(\.(0|[1-9]\d{0,4})){2}$/, "must be a version of three numbers, such as 4.6.0"),
)

export const origins = v.pipe(
  v.string(),
  v.rawTransform(({ dataset, addIssue }) => {
    const list = dataset.value
      .split(",")
      .map((origin) => origin.trim())
      .filter((origin) => origin !== "")
    for (const origin of list) {
      const url = URL.parse(origin)
      if (url?.origin !== origin || !/^https?:$/.test(url.protocol) || url.hostname.includes("*")) {
        addIssue({
          message: `contains ${shown(origin)}, which is not a web origin: write ${isAlmostOrigin(url) ? url.origin : "scheme, host and port without a path, such as https://portal.example.org or http://10.1.2.3:9000"}`,
        })
      }
    }
    return list
  }),
)

/** Names or addresses of hosts, without ports. */
export const hosts = v.pipe(
  v.string(),
  v.rawTransform(({ dataset, addIssue }) => {
    const list = dataset.value
      .split(",")
      .map((host) => host.trim())
      .filter((host) => host !== "")
    for (const host of list) {
      const url = URL.parse(`http://${host}`)
      if (url === null || url.hostname !== host || host.includes("*")) {
        addIssue({
          message: `contains ${shown(host)}, which is not a host: write a name in lower case or an address without scheme, port and path, such as gateway.example.org`,
        })
      }
    }
    return list
  }),
)

/** Whether the address differs from its origin only in its form, such as capitals, a slash at its end or the usual port. */
function isAlmostOrigin(url: URL | null): url is URL {
  return (
    url !== null &&
    /^https?:$/.test(url.protocol) &&
    !url.hostname.includes("*") &&
    url.username + url.password + url.search + url.hash === "" &&
    url.pathname === "/"
  )
}

/** The address in quotes, without what may be a password. */
export function shown(address: string): string {
  return JSON.stringify(`${address.includes("@") ? "…" : ""}${address.slice(Math.max(0, address.lastIndexOf("@")))}`)
}

export const proxyUrl = v.pipe(
  v.string(),
  v.rawTransform(({ dataset: { value }, addIssue, NEVER }) => {
    // Many tools allow host and port alone.
    const url = URL.parse(value.includes("://") ? value : `http://${value}`)
    const isProxy =
      url !== null && /^https?:$/.test(url.protocol) && url.pathname === "/" && url.search === "" && url.hash === ""
    if (isProxy && isPercentEncoded(url.username + url.password)) return url
    addIssue({
      message:
        "must be the address of an HTTP proxy, such as http://proxy.example.org:3128 (special characters of a user name or password percent-encoded)",
    })
    return NEVER
  }),
)

function isPercentEncoded(text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}

/** What the cache keeps, by the names that the setting uses. */
export const cacheKinds = [
  "capsules",
  "releases",
  "app_panels",
  "release_app_panels",
  "computations",
  "data_assets",
  "searches",
  "custom_metadata",
] as const

export type CacheKind = (typeof cacheKinds)[number]

/** How long responses are kept, in milliseconds. 0 means not at all. */
export type CacheTtls = Readonly<Record<CacheKind, number>>

const maxCacheTtlSeconds = 86_400

const seconds = integer(0, maxCacheTtlSeconds)

/** A time for all kinds, and times for single ones: `60,custom_metadata=3600`. Undefined if nothing is kept. */
export const cacheTtls = v.pipe(
  v.string(),
  v.rawTransform(({ dataset, addIssue, NEVER }): CacheTtls | undefined => {
    const given = new Map<string, string>()
    for (const entry of dataset.value.split(",")) {
      const [, kind = "", text = ""] = /^(?:([^=]*)=)?(.*)$/s.exec(entry.trim()) ?? []
      const name = kind.trim()
      const isKnown = entry.includes("=") ? cacheKinds.some((known) => known === name) : given.size === 0
      if (!isKnown || given.has(name) || !v.is(seconds, text.trim())) {
        addIssue({
          message: `contains ${shown(entry)}: write seconds from 0 to ${maxCacheTtlSeconds}, then times for single kinds of responses, such as 60,custom_metadata=3600 (${cacheKinds.join(", ")})`,
        })
        return NEVER
      }
      given.set(name, text.trim())
    }
    const ttls = Object.fromEntries(
      cacheKinds.map((kind) => [kind, Number(given.get(kind) ?? given.get("") ?? 0) * 1_000]),
    ) as CacheTtls
    return Object.values(ttls).some((ttl) => ttl > 0) ? ttls : undefined
  }),
)

export const cacheSecret = v.pipe(
  v.string(),
  v.rawCheck(({ dataset, addIssue }) => {
    const problem = dataset.typed ? problemOfSecret(dataset.value) : undefined
    if (problem !== undefined) addIssue({ message: `${problem}: write the output of \`openssl rand -base64 32\`` })
  }),
)

export const redisUrl = v.pipe(
  v.string(),
  v.check((value) => {
    const url = URL.parse(value)
    return (
      url !== null &&
      /^rediss?:$/.test(url.protocol) &&
      url.hostname !== "" &&
      /^(\/\d*)?$/.test(url.pathname) &&
      url.search + url.hash === "" &&
      isPercentEncoded(url.username + url.password)
    )
  }, "must be the address of a Redis server, such as redis://redis.example.org:6379 or rediss://user:password@redis.example.org:6379/0 (special characters of a user name or password percent-encoded)"),
)
