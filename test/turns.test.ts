import { setImmediate } from "node:timers/promises"
import { describe, expect, test } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import type { Hold } from "../sandbox/server.ts"
import { startGateway } from "./support/gateway.ts"

const names = "query ($ids: [ID!]!) { capsules(ids: $ids) { name } }"
const ids = (who: string, count: number) => ({ ids: Array.from({ length: count }, (_, index) => `${who}-${index}`) })
const as = (token: string) => ({ authorization: `Bearer ${token}` })
const archive = `mutation { archiveCapsule(input: { id: "${seed.cellCounter}", archived: true }) { __typename } }`

/** A gateway that makes one call at a time, the first of which is held back, so that all others stand in line. */
async function startInLine(upstreamQueue = 1000) {
  const world = await startGateway({ config: { upstreamConnections: 1 }, upstreamQueue })
  const hold = world.sandbox.hold()
  const first = world.ask(`{ capsule(id: "${seed.oldForms}") { name } }`)
  await hold.waitFor(1)
  /** Lets everything that was asked come as far as the line. */
  const standing = async () => {
    for (let times = 0; times < 10; times++) await setImmediate()
  }
  /** Whose calls were sent, in their order, once everyone has been served. */
  async function order(answers: Promise<unknown>) {
    await standing()
    hold.end()
    await Promise.all([first, answers])
    return world.sandbox.requests.slice(1).map(({ path }) => path.split("/")[2]?.split("-")[0])
  }
  return { ...world, hold, order, standing }
}

describe("calls that wait for a connection", () => {
  test("take turns by caller: who asks for little isn't kept waiting by who asked for much", async () => {
    const { ask, order } = await startInLine()
    const answers = [
      ask(names, ids("heavy", 6)),
      ask(names, ids("light", 1), as(tokens.grace)),
      ask(names, ids("middle", 2), as(tokens.admin)),
    ]
    expect((await order(Promise.all(answers))).join(" ")).toBe(
      "heavy light middle heavy middle heavy heavy heavy heavy",
    )
  })

  test("of one caller go in the order in which they were asked for", async () => {
    const { ask, order } = await startInLine()
    expect(await order(Promise.all([ask(names, ids("first", 2)), ask(names, ids("second", 2))]))).toEqual([
      "first",
      "first",
      "second",
      "second",
    ])
  })

  test("go on after calls that failed in every way", async () => {
    const { ask, sandbox } = await startGateway({ config: { upstreamConnections: 1, upstreamTimeoutMs: 100 } })
    for (const failure of ["reset", "truncate", "hang", "stall", "drip", { status: 500 }, { status: 429 }] as const) {
      for (const id of ids("failing", 2).ids) sandbox.failNext(`GET /capsules/${id}`, failure, 4)
      await ask(names, ids("failing", 2))
      expect((await ask(`{ capsule(id: "${seed.cellCounter}") { name } }`)).data.capsule).not.toBeNull()
    }
  })
})

describe("a line that is full", () => {
  /** Four may wait: two of one caller, then one of another. */
  async function startFull() {
    const world = await startInLine(4)
    const heavy = world.ask(names, ids("heavy", 5))
    await world.standing()
    return { ...world, heavy }
  }
  const finish = async (hold: Hold, answers: Promise<unknown>[]) => {
    hold.end()
    await Promise.all(answers)
  }

  test("refuses the calls that find no room, and no others", async () => {
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

  test("of one caller leaves room for another", async () => {
    const { ask, hold, heavy, standing } = await startFull()
    const light = ask(names, ids("light", 1), as(tokens.grace))
    await standing()
    await finish(hold, [heavy])
    expect((await light).errors).toBeUndefined()
  })

  test("refuses a change as one that did not happen", async () => {
    const { ask, sandbox, hold, heavy } = await startFull()
    const { errors } = await ask(archive)
    expect(errors).toMatchObject([{ extensions: { code: "OVERLOADED" } }])
    expect(errors![0]!.extensions).not.toHaveProperty("outcomeUnknown")
    await finish(hold, [heavy])
    expect(sandbox.requestsTo("PATCH /capsules/*/archive")).toHaveLength(0)
  })

  test("has room again once it has moved on", async () => {
    const { ask, hold, heavy } = await startFull()
    await finish(hold, [heavy])
    expect((await ask(names, ids("later", 2))).errors).toBeUndefined()
  })
})
