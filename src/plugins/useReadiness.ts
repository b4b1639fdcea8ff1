import { type Plugin, useReadinessCheck } from "graphql-yoga"

const rememberedForMs = 5_000

/**
 * `/ready`: 200 while upstream answers, 503 while it doesn't or the gateway has a problem of its own. However often it is
 * asked, upstream is asked once in five seconds at the most.
 * @param options.problem why the gateway itself isn't ready, if it isn't
 */
export function useReadiness(options: { probe: () => Promise<boolean>; problem: () => string | undefined }): Plugin {
  let asked: Promise<boolean> | undefined
  let askedAt = Number.NEGATIVE_INFINITY
  return useReadinessCheck({
    async check({ fetchAPI }) {
      if (performance.now() - askedAt > rememberedForMs) {
        askedAt = performance.now()
        asked = options.probe()
      }
      const problem = options.problem() ?? ((await asked) ? undefined : "Code Ocean doesn't answer.")
      return fetchAPI.Response.json(
        { ready: problem === undefined, ...(problem && { problem }) },
        { status: problem === undefined ? 200 : 503, headers: { "cache-control": "no-store" } },
      )
    },
  })
}
