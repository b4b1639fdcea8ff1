import { type Config, listensLocally } from "../../config/config.ts"
import type { Log } from "../../log/log.ts"
import type { Store } from "../../store/store.ts"
import type { Metrics } from "../../telemetry/metrics.ts"
import type { UpstreamPool } from "../../upstream/pool.ts"
import { createAdmission } from "../admission.ts"
import type { ClientAddress } from "../clientIdentity.ts"
import { createSessionRoutes, type SessionHandler } from "./routes.ts"
import { createSessions, type Sessions } from "./sessions.ts"

/** For each address. A wrong token costs two calls to Code Ocean. After a pause, ten times as many may be tried at once. */
const signInLimits = {
  callerRequestsPerSecond: 1,
  callerConcurrentRequests: 0,
  callerSubscriptions: 0,
  concurrentRequests: 0,
  eventLoopLagMs: 0,
}

/** The sessions of a gateway, and the route to them. */
export interface OpenedSessions {
  readonly sessions: Sessions
  readonly answer: SessionHandler
}

/**
 * Undefined if they are off.
 * @param shared.replicas the store, if there are several replicas
 * @param shared.now the time in milliseconds since 1970
 */
export function openSessions(
  config: Config,
  shared: {
    store: Store
    replicas: Store | undefined
    pool: UpstreamPool
    log: Log
    metrics: Metrics | undefined
    clientAddress: ClientAddress
    now(): number
  },
): OpenedSessions | undefined {
  const { sessionSecrets: secrets, sessionHours: hours, codeoceanUrl } = config
  if (secrets === undefined) return undefined
  const { store, replicas, pool, log, metrics, clientAddress, now } = shared
  // Behind a proxy, a browser may use TLS although its requests come from this machine.
  const isLocal = listensLocally(config) && config.trustedProxies === 0
  const sessions = createSessions({ secrets, hours, isLocal, store, now })
  const signIns = createAdmission(signInLimits, undefined, replicas)
  const answer = createSessionRoutes({ log, metrics, sessions, pool, codeoceanUrl, signIns, clientAddress })
  return { sessions, answer }
}
