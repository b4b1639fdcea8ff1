import { describe, expect, test } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { startGateway } from "./support/gateway.ts"
import { follow, pushedTime, untilLive } from "./support/live.ts"

const as = (token: string, more: Record<string, string> = {}) => ({ authorization: `Bearer ${token}`, ...more })
const agent = (name: string) => as(tokens.ada, { "agent-id": name })

describe("the cost of a lookup by id", () => {
  const node = `{ node(id: "${seed.cellCounter}") { __typename id } }`
  const costOf = async (ask: Awaited<ReturnType<typeof startGateway>>["ask"], query: string, headers: object) =>
    (await ask(query, {}, { ...headers, "x-upstream-cost": "1" })).extensions.cost.upstreamCalls

  test.each([
    ["node", node],
    ["capsule", `{ capsule(id: "${seed.cellCounter}") { computations { nodes { id } } } }`],
    ["searchCapsules", "{ searchCapsules(first: 100) { nodes { id name } } }"],
  ])(
    "the cost of a lookup by id does not reveal whether another caller has used the id by %s",
    async (_what, query) => {
      const { ask } = await startGateway()
      await ask(query)
      expect(await costOf(ask, node, as(tokens.grace))).toBe(4)
      expect(await costOf(ask, node, as(tokens.grace))).toBe(1)
    },
  )

  test("the cost of a lookup by id does not reveal to one agent whether another agent of the same caller has used the id", async () => {
    const { ask } = await startGateway()
    expect(await costOf(ask, node, agent("first"))).toBe(4)
    expect(await costOf(ask, node, agent("second"))).toBe(4)
    expect(await costOf(ask, node, agent("first"))).toBe(1)
  })
})

describe("two agents that act with one token", () => {
  test("two agents with one token share no read", async () => {
    const { ask, sandbox } = await startGateway()
    const hold = sandbox.hold()
    const query = `{ capsule(id: "${seed.cellCounter}") { name } }`
    const answers = Promise.all(["first", "first", "second"].map((name) => ask(query, {}, agent(name))))
    await hold.waitFor(2)
    await ask("{ __typename }")
    hold.end()
    await answers
    expect(sandbox.requests.map(({ headers }) => headers["agent-id"]).sort()).toEqual(["first", "second"])
  })

  test("two agents with one token share no poll", async () => {
    const { gateway, sandbox } = await startGateway({ clock: pushedTime() })
    const url = await gateway.listen()
    const query = `subscription { computation(id: "${seed.runningAlignment}") { state } }`
    for (const name of ["first", "second", "first"]) {
      const run = await follow(url, query, agent(name))
      expect((await run.next())?.data.computation.state).toBe("RUNNING")
    }
    expect(sandbox.requests.map(({ headers }) => headers["agent-id"])).toEqual(["first", "second"])
    await untilLive(gateway, { pollers: 2, listeners: 3 })
  })

  test("two agents with one token share no result of a capture, but create only one data asset", async () => {
    const { gateway, sandbox } = await startGateway({ clock: pushedTime() })
    const url = await gateway.listen()
    const query = `subscription {
      captureResult(input: { computationId: "${seed.countedCells}", name: "Cells", tags: [], mount: "cells" }) {
        steps { step status } dataAsset { id }
      }
    }`
    const steps = await Promise.all(
      ["first", "second"].map(async (name) => {
        const capture = await follow(url, query, agent(name))
        for (;;) {
          const event = await capture.next()
          const progress = event?.data?.captureResult
          if (event?.errors) throw new Error(event.errors[0]?.message)
          if (progress?.dataAsset) return progress.steps[0].status
        }
      }),
    )
    expect(steps.sort()).toEqual(["ALREADY_DONE", "DONE"])
    expect(sandbox.requestsTo("POST /data_assets")).toHaveLength(1)
    const agentsOf = (route: string) => sandbox.requestsTo(route).map(({ headers }) => headers["agent-id"])
    expect(agentsOf(`GET /computations/${seed.countedCells}`).sort()).toEqual(["first", "second"])
  })
})
