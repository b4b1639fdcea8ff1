import { type Plugin, useReadinessCheck } from "graphql-yoga"
import type { UpstreamPool } from "../../upstream/pool.ts"

const cachedForMs = 5_000

/**
 * Serves `/ready`: 200 while upstream responds, 503 while it does not or the gateway is overloaded or stopping. A log that can't
 * be written is reported, but does not affect the status. Upstream is probed at most once in five seconds, and not while the
 * circuit breaker is open.
 * @param options.problem returns why the gateway is not ready; undefined if it is
 * @param options.logFailure returns why the log can't be written; undefined if it can
 */
export function useReadiness(options: {
  upstream: Pick<UpstreamPool, "probe" | "circuit">
  problem: () => string | undefined
  logFailure: () => string | undefined
}): Plugin {
  const { upstream } = options
  let probe: Promise<string | undefined> | undefined
  let probedAt = Number.NEGATIVE_INFINITY
  return useReadinessCheck({
    async check({ fetchAPI }) {
      const { circuit } = upstream
      const isOpen = circuit === "open"
      if (isOpen || performance.now() - probedAt > cachedForMs) {
        probedAt = isOpen ? Number.NEGATIVE_INFINITY : performance.now()
        probe = upstream.probe()
      }
      const problem = options.problem() ?? (await probe)
      const logFailure = options.logFailure()
      const log = logFailure === undefined ? undefined : `failing: ${logFailure}`
      return fetchAPI.Response.json(
        { ready: problem === undefined, circuit, problem, log },
        { status: problem === undefined ? 200 : 503, headers: { "cache-control": "no-store" } },
      )
    },
  })
}
