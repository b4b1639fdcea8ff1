import { setImmediate } from "node:timers/promises"
import { describe, expect, test } from "vitest"
import type { Hold } from "../sandbox/hold.ts"
import { seed, tokens } from "../sandbox/seed.ts"
import { startGateway } from "./support/gateway.ts"
import { stopTime } from "./support/time.ts"

const names = "query ($ids: [ID!]!) { capsules(ids: $ids) { name } }"
const ids = (who: string, count: number) => ({ ids: Array.from({ length: count }, (_, index) => `${who}-${index}`) })
const as = (token: string) => ({ authorization: `Bearer ${token}` })
const archive = `mutation { archiveCapsule(input: { id: "${seed.cellCounter}", archived: true }) { __typename } }`

/** A gateway with one connection, whose first call is held, so that all others are queued. */
async function startQueued(upstreamQueue = 1000) {
  const world = await startGateway({ config: { upstreamConnections: 1 }, upstreamQueue })
  const hold = world.sandbox.hold()
  const first = world.ask(`{ capsule(id: "${seed.oldForms}") { name } }`)
  await hold.waitFor(1)
  /** Resolves when all operations have queued their calls. */
  const queued = async () => {
    for (let times = 0; times < 10; times++) await setImmediate()
  }
  /** The callers of the calls in the order in which they were sent. Resolves when all have their responses. */
  async function order(answers: Promise<unknown>) {
    await queued()
    hold.end()
    await Promise.all([first, answers])
    return world.sandbox.requests.slice(1).map(({ path }) => path.split("/")[2]?.split("-")[0])
  }
  return { ...world, hold, order, queued }
}

describe("calls that are queued for a connection", () => {
  test("calls that are queued for a connection are served round-robin by caller, so that one call does not wait for another caller's many", async () => {
    const { ask, order } = await startQueued()
    const answers = [
      ask(names, ids("heavy", 6)),
      ask(names, ids("light", 1), as(tokens.grace)),
      ask(names, ids("middle", 2), as(tokens.admin)),
    ]
    expect((await order(Promise.all(answers))).join(" ")).toBe(
      "heavy light middle heavy middle heavy heavy heavy heavy",
    )
  })

  test("calls that are queued for a connection of one caller are sent in order", async () => {
    const { ask, order } = await startQueued()
    expect(await order(Promise.all([ask(names, ids("first", 2)), ask(names, ids("second", 2))]))).toEqual([
      "first",
      "first",
      "second",
      "second",
    ])
  })

  test("calls that are queued for a connection are sent after calls that failed in any way", async () => {
    const time = stopTime()
    const { ask, sandbox } = await startGateway({ config: { upstreamConnections: 1 } })
    for (const failure of ["reset", "truncate", "hang", "stall", "drip", { status: 500 }, { status: 429 }] as const) {
      for (const id of ids("failing", 2).ids) sandbox.failNext(`GET /capsules/${id}`, failure, 4)
      await time.passDuring(ask(names, ids("failing", 2)))
      expect((await ask(`{ capsule(id: "${seed.cellCounter}") { name } }`)).data.capsule).not.toBeNull()
    }
  })
})

describe("a full queue", () => {
  /** Room for four queued calls, of which one caller takes two. */
  async function startFull() {
    const world = await startQueued(4)
    const heavy = world.ask(names, ids("heavy", 5))
    await world.queued()
    return { ...world, heavy }
  }
  const finish = async (hold: Hold, answers: Promise<unknown>[]) => {
    hold.end()
    await Promise.all(answers)
  }

  test("a full queue rejects the calls that do not fit, and no others", async () => {
    const { sandbox, hold, heavy } = await startFull()
    hold.end()
    const { data, errors } = await heavy
    expect(data.capsules).toHaveLength(5)
    expect(errors).toHaveLength(3)
    for (const { message, extensions } of errors!) {
      expect(message).toContain("are already waiting")
      expect(extensions).toMatchObject({ code: "OVERLOADED", retryAfterSeconds: 1 })
    }
    expect(sandbox.requestsTo("GET /capsules/*")).toHaveLength(3)
  })

  test("a full queue of one caller has room for another caller", async () => {
    const { ask, hold, heavy, queued } = await startFull()
    const light = ask(names, ids("light", 1), as(tokens.grace))
    await queued()
    await finish(hold, [heavy])
    expect((await light).errors).toBeUndefined()
  })

  test("a full queue rejects a write as one that had no effect", async () => {
    const { ask, sandbox, hold, heavy } = await startFull()
    const { errors } = await ask(archive)
    expect(errors).toMatchObject([{ extensions: { code: "OVERLOADED" } }])
    expect(errors![0]!.extensions).not.toHaveProperty("outcomeUnknown")
    await finish(hold, [heavy])
    expect(sandbox.requestsTo("PATCH /capsules/*/archive")).toHaveLength(0)
  })

  test("a full queue has room again when calls have left it", async () => {
    const { ask, hold, heavy } = await startFull()
    await finish(hold, [heavy])
    expect((await ask(names, ids("later", 2))).errors).toBeUndefined()
  })
})
