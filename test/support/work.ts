import { Session } from "node:inspector/promises"

/** The gateway, and the packages that parse documents and match patterns. */
const counted = /\/src\/|\/node_modules\/(graphql|re2js)\//

// From here on V8 counts the blocks of every function that is called for the first time, so this starts before the tests.
const session = new Session()
session.connect()
await session.post("Profiler.enable")
await session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true })

/**
 * Resolves with a function that resolves with the number of blocks of code that the gateway has run since. The number hardly
 * differs between machines, unlike time. Native code is not counted.
 */
export async function countWork(): Promise<() => Promise<number>> {
  const blocksRun = async () => {
    const { result } = await session.post("Profiler.takePreciseCoverage")
    const scripts = result.filter(({ url }) => counted.test(url))
    const ranges = scripts.flatMap(({ functions }) => functions.flatMap(({ ranges }) => ranges))
    return ranges.reduce((sum, { count }) => sum + count, 0)
  }
  await blocksRun()
  return blocksRun
}
