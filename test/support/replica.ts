import { writeHeapSnapshot } from "node:v8"
import { readConfig } from "../../src/config/config.ts"
import { createLog } from "../../src/log/log.ts"
import { type Clock, systemClock } from "../../src/polling/clock.ts"
import { createGateway } from "../../src/server.ts"

// One of several gateways, each in a process of its own that a test can kill; started by fork. The settings come from the
// environment. The log is written to standard output.

/** How many times as fast as the real clock that of subscriptions is. */
const speed = Number(process.env.CLOCK_SPEED ?? 1)
const clock: Clock = {
  ...systemClock,
  now: () => systemClock.now() * speed,
  sleep: (ms, signal) => systemClock.sleep(ms / speed, signal),
}

const log = createLog("info", { write: (line) => void process.stdout.write(line) })
const gateway = createGateway(readConfig(process.env), log, {
  clock,
  leaseMs: Number(process.env.LEASE_MS),
  storeWaitMs: 60_000,
})
process.once("disconnect", () => process.exit(0))
process.on("message", ({ snapshot }: { snapshot: string }) => process.send?.({ written: writeHeapSnapshot(snapshot) }))
process.send?.({ url: await gateway.listen() })
