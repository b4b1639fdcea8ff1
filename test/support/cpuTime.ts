import { expect } from "vitest"

/**
 * Milliseconds of CPU time that the main thread of this process has used. Tests bound the work of the gateway in it instead
 * of in time: a gateway that blocks the event loop uses CPU, while other processes on the machine do not count.
 */
export function cpuMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

/**
 * Asks for the gateway's health again and again while the work is done. Resolves with the longest wait, in milliseconds of CPU time.
 */
export async function slowestHealth(url: string, work: Promise<unknown>): Promise<number> {
  let slowest = 0
  let isDone = false
  const done = work.finally(() => {
    isDone = true
  })
  while (!isDone) {
    const asked = cpuMs()
    expect((await fetch(`${url}/health`)).status).toBe(200)
    slowest = Math.max(slowest, cpuMs() - asked)
    await Promise.race([done, new Promise((resolve) => setTimeout(resolve, 20))])
  }
  await done
  return slowest
}
