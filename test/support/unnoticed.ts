import { expect, onTestFinished } from "vitest"

/** Fails the test if there is an unhandled rejection or exception in the process. */
export function watchProcess(): void {
  const unnoticed: unknown[] = []
  const note = (error: unknown) => void unnoticed.push(error)
  process.on("unhandledRejection", note)
  process.on("uncaughtException", note)
  onTestFinished(async () => {
    // A rejection is reported at the end of the current iteration of the event loop.
    await new Promise((resolve) => setImmediate(resolve))
    process.off("unhandledRejection", note)
    process.off("uncaughtException", note)
    expect(unnoticed).toEqual([])
  })
}
