import { hash } from "node:crypto"
import type { Log } from "../log/log.ts"
import { leaseMs } from "./lease.ts"
import { createMemoryStore } from "./memory.ts"
import { createSharedStore } from "./shared.ts"
import type { Store } from "./store.ts"

/**
 * Opens the store in Redis, or in memory without an address.
 * @param deployment the address of Code Ocean. Only gateways with the same one share a store
 * @param maxWaitMs for tests
 * @param settleMs for tests
 */
export function openStore(
  redisUrl: string | undefined,
  deployment: URL,
  log: Log,
  maxWaitMs?: number,
  settleMs: number = leaseMs,
): Store {
  if (redisUrl === undefined) return createMemoryStore()
  const name = hash("sha256", deployment.href, "base64url").slice(0, 8)
  return createSharedStore({ url: redisUrl, prefix: `codeocean-gateway:1:${name}:`, log, settleMs, maxWaitMs })
}
