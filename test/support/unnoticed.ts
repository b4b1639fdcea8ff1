import { expect, onTestFinished } from "vitest"

/** Fails the test if anything in the process fails without anyone noticing. */
export function watchProcess(): void {
  const unnoticed: unknown[] = []
  const note = (error: unknown) => void unnoticed.push(error)
  process.on("unhandledRejection", note)
  process.on("uncaughtException", note)
  onTestFinished(async () => {
    // A rejection is reported once the turn of the event loop in which it happened is over.
    await new Promise((resolve) => setImmediate(resolve))
    process.off("unhandledRejection", note)
    process.off("uncaughtException", note)
    expect(unnoticed).toEqual([])
  })
}
