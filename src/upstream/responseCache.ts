import { hash } from "node:crypto"
import type { Config } from "../config/config.ts"
import type { CacheTtls } from "../config/kinds.ts"
import type { Found, Store, TextCache } from "../store/store.ts"
import type { CacheOutcome, Metrics } from "../telemetry/metrics.ts"
import { cachePolicies, hasSecretAddress, ttlOf } from "./cachePolicy.ts"
import type { Call, Caller } from "./call.ts"
import { UpstreamError } from "./error.ts"
import { createTokenSearch } from "./redaction.ts"
import type { HttpResponse } from "./transport.ts"

/** A larger response is not kept, in bytes. */
export const maxKeptBytes = 256 * 1024
/** A read whose method, path and body are longer is not kept, in characters. */
const maxNameLength = 8 * 1024

/**
 * At least so long after a change of a caller, its reads pass the cache by, in milliseconds. The index of a search lags behind changes,
 * and a change whose outcome is unknown may take effect later.
 */
const minQuietMs = 60_000

/** Undefined if no responses are kept. */
export function openResponseCache(
  config: Pick<Config, "cacheTtls" | "cacheSecret" | "requestDeadlineMs" | "upstreamTimeoutMs">,
  store: Store,
  metrics: Metrics | undefined,
): ResponseCache | undefined {
  const { cacheTtls, cacheSecret = "", requestDeadlineMs, upstreamTimeoutMs } = config
  if (cacheTtls === undefined) return undefined
  const quietMs = Math.max(minQuietMs, requestDeadlineMs, upstreamTimeoutMs)
  return new ResponseCache(store.openCache({ quietMs, secret: cacheSecret }), cacheTtls, metrics)
}

/** A response that is kept, or the place for it. */
export interface Kept extends Found {
  readonly name: string
}

/** The responses of Code Ocean that are kept for later requests of the same caller and agent. */
export class ResponseCache {
  readonly #texts: TextCache
  readonly #ttls: CacheTtls
  readonly #metrics: Metrics | undefined
  /** Replicas with other times do not find each other's responses. */
  readonly #namePrefix: string

  constructor(texts: TextCache, ttls: CacheTtls, metrics: Metrics | undefined) {
    this.#texts = texts
    this.#ttls = ttls
    this.#metrics = metrics
    metrics?.onCacheOpened(texts.kind)
    this.#namePrefix = hash("sha256", JSON.stringify(ttls), "base64url").slice(0, 8)
  }

  /** Whether responses of this route may be kept at all. */
  covers({ route }: Call<unknown>): boolean {
    return cachePolicies[route] !== undefined
  }

  /** Looks up a response. Undefined if the cache cannot be used for it. */
  get(caller: Caller, readKey: string): Kept | undefined | Promise<Kept | undefined> {
    if (readKey.length > maxNameLength) {
      this.count("bypass")
      return undefined
    }
    const name = `${this.#namePrefix} ${caller.key}\n${readKey}`
    const found = this.#texts.get(caller.tokenDigest, name, caller.storeWait)
    return found instanceof Promise ? found.then((found) => this.#kept(name, found)) : this.#kept(name, found)
  }

  #kept(name: string, found: Found | undefined): Kept | undefined {
    if (found !== undefined) return { ...found, name }
    this.count("error")
    return undefined
  }

  /** Keeps a response if its route, its content and its size allow that. Never throws. */
  keep({ isOpen, name, version }: Kept, { response, call, value, token }: Decoded): void {
    if (!isOpen || response.status !== 200 || response.isCut || response.body.length > maxKeptBytes) return
    try {
      const ttlMs = ttlOf(call, value, this.#ttls)
      if (ttlMs === undefined) return
      const text = response.body.text()
      if (hasSecretAddress(text) || createTokenSearch(token)(text)) return
      this.#texts.set(name, version, text, ttlMs)
    } catch {
      // A response that cannot be kept must not fail its call.
    }
  }

  /** Drops a response that Code Ocean no longer gives to the caller. */
  onFailure({ name, version }: Kept, error: unknown): void {
    const { status = 0 } = error instanceof UpstreamError ? error : {}
    if (status >= 400 && status < 500 && status !== 429) this.#texts.delete(name, version)
  }

  /** Drops all that is kept for the caller, whichever agents act. To be called before a change is sent, and after it. */
  drop({ tokenDigest, storeWait }: Caller): Promise<void> {
    return this.#texts.drop(tokenDigest, storeWait)
  }

  /** How much memory of this process it uses. */
  get bytes(): number {
    return this.#texts.bytes
  }

  count(outcome: CacheOutcome): void {
    this.#metrics?.onCacheRead(this.#texts.kind, outcome)
  }
}

/** A response that has been decoded. */
interface Decoded {
  response: HttpResponse
  call: Call<unknown>
  value: unknown
  token: string
}
