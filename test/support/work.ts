import { Session } from "node:inspector/promises"
import { onTestFinished } from "vitest"

/**
 * Counts the blocks of code that run in the gateway until the test ends. The count hardly differs between machines, unlike time.
 * Of functions that were called before, only the calls are counted, and native code is not.
 */
export async function countWork(): Promise<{
  /** The number of blocks that have run since the last call. */
  done(): Promise<number>
}> {
  const session = new Session()
  session.connect()
  onTestFinished(() => session.disconnect())
  await session.post("Profiler.enable")
  await session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true })
  const done = async () => {
    const { result } = await session.post("Profiler.takePreciseCoverage")
    const scripts = result.filter(({ url }) => url.includes("/src/"))
    const ranges = scripts.flatMap(({ functions }) => functions.flatMap(({ ranges }) => ranges))
    return ranges.reduce((sum, { count }) => sum + count, 0)
  }
  await done()
  return { done }
}
