import { describe, expect, onTestFinished, test, vi } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import type { RecentChanges } from "../src/graph/recentChanges.ts"
import { SharedQueries } from "../src/operation/sharedQueries.ts"
import type { Upstream } from "../src/upstream/client.ts"
import { CallerChanges } from "../src/upstream/singleFlight.ts"
import { cacheFor } from "./support/cache.ts"
import { startGateway } from "./support/gateway.ts"
import { as, expectCancelledWithLast, hangingUp, startHeld } from "./support/sharing.ts"
import { stopTime } from "./support/time.ts"

const name = `{ capsule(id: "${seed.cellCounter}") { name } }`
const named = { data: { capsule: { name: "Cell Counter" } } }
/** Two calls, one after the other. */
const chain = `{ capsule(id: "c1") { name original: appPanel { general { title } } } }`

/** Which requests were executed with another one, by their lines in the log. */
const sharedWith = (lines: readonly Record<string, unknown>[]) =>
  lines.filter(({ msg, sharedWith }) => msg === "request" && sharedWith !== undefined)

describe("equal queries of one caller at the same time", () => {
  const nested = `{
    searchCapsules(first: 5, query: "tag:ecephys") {
      nodes { id name appPanel { general { title } } computations(first: 2) { nodes { id dataAssets { dataAsset { name } } } } }
    }
  }`

  test("32 equal queries make the calls of one, and each gets the whole result", async () => {
    const { ask, sandbox, gateway, lines } = await startGateway()
    const alone = await ask(nested)
    const calls = sandbox.requests.length
    const hold = sandbox.hold()
    stopTime()
    const answers = Promise.all(Array.from({ length: 32 }, () => ask(nested)))
    await hold.waitFor(1)
    while (gateway.stats.requests < 32) await ask("{ __typename }")
    hold.end()
    for (const answer of await answers) expect(answer).toEqual(alone)
    expect(sandbox.requests).toHaveLength(2 * calls)
    const others = sharedWith(lines)
    expect(others).toHaveLength(31)
    for (const line of others) expect(line).toMatchObject({ upstreamCalls: 0, sharedCalls: calls })
  })

  test("each request keeps its own id, cost, media type and status", async () => {
    const { ask, next, held, gateway, lines } = await startHeld()
    const url = await gateway.listen()
    const send = async (id: string, accept: string) => {
      const headers = { ...as(tokens.ada), "content-type": "application/json", accept, "x-request-id": id }
      const init = { method: "POST", headers: { ...headers, "x-upstream-cost": "1" } }
      const response = await fetch(`${url}/graphql`, { ...init, body: JSON.stringify({ query: strict }) })
      return { status: response.status, type: response.headers.get("content-type"), ...(await response.json()) }
    }
    const strict = `{ computation(id: "c1") { id } customMetadata { fields { name } } }`
    stopTime()
    const first = send("first", "application/json")
    await next(2)
    const second = send("second", "application/graphql-response+json")
    await ask("{ __typename }")
    for (const call of held) call.answer(500)
    const [one, other] = [await first, await second]
    expect(one.type).toBe("application/json; charset=utf-8")
    expect(other.type).toBe("application/graphql-response+json; charset=utf-8")
    for (const [id, { errors }] of [
      ["first", one],
      ["second", other],
    ] as const) {
      expect(errors).toHaveLength(2)
      for (const { extensions } of errors)
        expect(extensions).toMatchObject({ code: "UPSTREAM_UNAVAILABLE", requestId: id })
    }
    expect(one.extensions.cost).toMatchObject({ upstreamCalls: 2, sharedCalls: 0 })
    expect(other.extensions.cost).toMatchObject({ upstreamCalls: 0, sharedCalls: 2 })
    // The failures are logged once, and the line of the other request says where.
    const failures = lines.filter(({ msg }) => msg === "upstream call failed")
    expect(failures.map(({ requestId }) => requestId)).toEqual(["first", "first"])
    expect(sharedWith(lines)).toMatchObject([{ requestId: "second", sharedWith: "first", outcome: "errors" }])
  })
})

describe("queries are executed each by itself", () => {
  const variables = (id: string) => ({ id })
  const byId = "query ($id: ID!) { capsule(id: $id) { name } }"
  const different: [string, [string, object?, object?], [string, object?, object?]][] = [
    ["by two callers", [name, {}, as(tokens.ada)], [name, {}, as(tokens.readOnly)]],
    ["by a caller and an agent that acts for it", [name], [name, {}, as(tokens.ada, { "agent-id": "night shift" })]],
    ["with other variables", [byId, variables(seed.cellCounter)], [byId, variables(seed.spikeSorting)]],
    ["with another text", [name], [`${name} `]],
  ]
  test.each(different)("queries %s are executed each by itself", async (_what, first, second) => {
    const { ask, sandbox, lines } = await startGateway()
    const hold = sandbox.hold()
    const answers = [first, second].map(([query, variables = {}, headers = as(tokens.ada)]) =>
      ask(query, variables as Record<string, unknown>, headers as Record<string, string>),
    )
    await hold.waitFor(1)
    await ask("{ __typename }")
    hold.end()
    await Promise.all(answers)
    expect(sharedWith(lines)).toEqual([])
  })

  test("a query is not joined once one of its calls has been answered", async () => {
    const { ask, next, held } = await startHeld()
    stopTime()
    const first = ask(chain)
    ;(await next(1)).answer(200, { id: "c1", name: "Before" })
    const panel = await next(2)
    // Another client renames the capsule here.
    const second = ask(chain)
    const again = await next(3)
    panel.answer(404)
    expect((await first).data.capsule.name).toBe("Before")
    again.answer(200, { id: "c1", name: "After" })
    ;(await next(4)).answer(404)
    expect((await second).data.capsule.name).toBe("After")
    expect(held).toHaveLength(4)
  })

  test("a query is not joined if a call has failed, so that it is being repeated or left out", async () => {
    const { ask, next, held } = await startHeld()
    const query = `{ capsule(id: "c1") { name } pipeline(id: "p1") { name } }`
    stopTime()
    const first = ask(query)
    await next(2)
    const answer = (id: string, ...response: [number, object?]) =>
      held.findLast(({ call }) => call.endsWith(id))!.answer(...response)
    answer("p1", 404)
    await ask("{ __typename }")
    const second = ask(query)
    await next(3)
    answer("p1", 200, { id: "p1", name: "Created meanwhile" })
    answer("c1", 200, { id: "c1", name: "One" })
    expect((await first).data).toEqual({ capsule: { name: "One" }, pipeline: null })
    expect((await second).data.pipeline).toEqual({ name: "Created meanwhile" })
  })

  test("a query that has run for a tenth of a second is not joined, because its deadline is earlier", async () => {
    const { ask, sandbox, lines } = await startGateway()
    const hold = sandbox.hold()
    const first = ask(name)
    await hold.waitFor(1)
    const clock = performance.now.bind(performance)
    const later = vi.spyOn(performance, "now").mockImplementation(() => clock() + 100)
    onTestFinished(() => later.mockRestore())
    const second = ask(name)
    await ask("{ __typename }")
    hold.end()
    expect(await Promise.all([first, second])).toEqual([named, named])
    expect(sharedWith(lines)).toEqual([])
  })

  test.each([
    ["the cache is on", { config: cacheFor("60") }],
    ["sharing is off", { sharedReads: false }],
  ])("queries are executed each by itself while %s", async (_what, options) => {
    const { ask, sandbox, lines } = await startGateway(options)
    const hold = sandbox.hold()
    const answers = Promise.all([ask(name), ask(name)])
    await hold.waitFor(1)
    await ask("{ __typename }")
    hold.end()
    expect(await answers).toEqual([named, named])
    expect(sharedWith(lines)).toEqual([])
  })

  test("a query after the caller's change does not join one from before it", async () => {
    const archive = `mutation { archiveCapsule(input: { id: "c1", archived: true }) { __typename } }`
    const read = `{ capsule(id: "c1") { name } }`
    const { ask, next, lines } = await startHeld()
    stopTime()
    const before = ask(read)
    const early = await next(1)
    const change = ask(archive)
    const write = await next(2)
    const during = ask(read)
    const middle = await next(3)
    write.answer(403, { message: "no" })
    await change
    const after = ask(read)
    ;(await next(4)).answer(200, { id: "c1", name: "Third" })
    expect((await after).data.capsule.name).toBe("Third")
    middle.answer(200, { id: "c1", name: "Second" })
    expect((await during).data.capsule.name).toBe("Second")
    early.answer(200, { id: "c1", name: "First" })
    expect((await before).data.capsule.name).toBe("First")
    expect(sharedWith(lines)).toEqual([])
  })

  test("equal mutations are each executed", async () => {
    const archive = `mutation { archiveCapsule(input: { id: "${seed.cellCounter}", archived: true }) { __typename } }`
    const { ask, sandbox, lines } = await startGateway()
    const hold = sandbox.hold()
    const answers = Promise.all([ask(archive), ask(archive)])
    await hold.waitFor(2)
    hold.end()
    await answers
    expect(sandbox.requestsTo("PATCH /capsules/*/archive")).toHaveLength(2)
    expect(sharedWith(lines)).toEqual([])
  })
})

describe("running queries", () => {
  /** Executions that never end, whose calls are never answered. */
  function startShared() {
    const shared = new SharedQueries(new CallerChanges())
    const executed: string[] = []
    const execute = (requestId: string, count = 0) => {
      const cost = { estimatedUpstreamCalls: 1, upstreamCalls: 0, sharedCalls: 0 }
      const upstream = { hasAnswers: false, end() {} } as Upstream
      const request = { tokenDigest: "ada", key: "ada", requestId, cost, upstream }
      const recentChanges = { count } as RecentChanges
      const running = shared.joinOrCreate(request, name, { recentChanges })
      if (running.result === undefined) {
        executed.push(requestId)
        running.share(new Promise(() => {}))
      }
      return { running, leave: () => running.leave(request) }
    }
    stopTime()
    return { execute, executed }
  }

  test("a query does not join one from before a change that another replica has announced", () => {
    const { execute, executed } = startShared()
    for (const [requestId, count] of [
      ["first", 7],
      ["second", 7],
      ["third", 8],
    ] as const)
      execute(requestId, count)
    expect(executed).toEqual(["first", "third"])
  })

  test("a query that all have left is not kept", () => {
    const { execute, executed } = startShared()
    const both = [execute("first"), execute("second")]
    for (const { leave } of both) leave()
    execute("third")
    expect(executed).toEqual(["first", "third"])
    expect(both[0]!.running.cancelled).toBe(true)
  })
})

describe("cancelling requests that share an execution", () => {
  test.each([0, 1, 2])("request %i of three can be cancelled without harm to the others", async (cancelled) => {
    const { ask, gateway, next, held, lines } = await startHeld()
    const send = await hangingUp({ gateway })
    stopTime()
    const leaves = Array.from({ length: 3 }, () => new AbortController())
    const answers = leaves.map(({ signal }) => send(chain, signal))
    const capsule = await next(1)
    await ask("{ __typename }")
    leaves[cancelled]!.abort()
    expect(await answers[cancelled]).toBe("left")
    await vi.waitFor(() => expect(lines.some(({ outcome }) => outcome === "cancelled")).toBe(true))
    capsule.answer(200, { id: "c1", name: "One" })
    ;(await next(2)).answer(404)
    for (const [index, answer] of answers.entries())
      if (index !== cancelled) expect((await answer).data.capsule.name).toBe("One")
    expect(held).toHaveLength(2)
    expect(lines.filter(({ msg, outcome }) => msg === "request" && outcome === "cancelled")).toHaveLength(1)
  })

  test("the execution ends with its last request, and an equal query then starts anew", async () => {
    const { ask, gateway, sandbox } = await startGateway()
    const send = await hangingUp({ gateway })
    stopTime()
    const hold = sandbox.hold()
    await expectCancelledWithLast(ask, hold, (signal) => send(name, signal))
    const again = ask(name)
    await hold.waitFor(1)
    hold.end()
    expect(await again).toEqual(named)
    expect(gateway.stats.requests).toBe(0)
  })
})
