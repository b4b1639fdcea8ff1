import { type Plugin, useReadinessCheck } from "graphql-yoga"
import type { UpstreamPool } from "../../upstream/pool.ts"

const rememberedForMs = 5_000

/**
 * `/ready`: 200 while upstream answers, 503 while it doesn't or the gateway has a problem of its own. A log that can't be
 * written is named, and is no reason to send nobody here: requests are answered without it. However often it is
 * asked, upstream is asked once in five seconds at the most, and not at all while it is known to be down.
 * @param options.problem why the gateway itself isn't ready, if it isn't
 * @param options.logFailure why the log can't be written, if it can't
 */
export function useReadiness(options: {
  upstream: Pick<UpstreamPool, "probe" | "circuit">
  problem: () => string | undefined
  logFailure: () => string | undefined
}): Plugin {
  const { upstream } = options
  let asked: Promise<boolean> | undefined
  let askedAt = Number.NEGATIVE_INFINITY
  return useReadinessCheck({
    async check({ fetchAPI }) {
      const { circuit } = upstream
      if (circuit === "closed" && performance.now() - askedAt > rememberedForMs) {
        askedAt = performance.now()
        asked = upstream.probe()
      }
      const answers = () => (circuit === "closed" ? asked : false)
      const problem = options.problem() ?? ((await answers()) ? undefined : "Code Ocean doesn't answer.")
      const logFailure = options.logFailure()
      const log = logFailure === undefined ? undefined : `failing: ${logFailure}`
      return fetchAPI.Response.json(
        { ready: problem === undefined, circuit, problem, log },
        { status: problem === undefined ? 200 : 503, headers: { "cache-control": "no-store" } },
      )
    },
  })
}
