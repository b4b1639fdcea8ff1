import { describe, expect, onTestFinished, test, vi } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { parseJson } from "../src/upstream/json.ts"
import { startGateway as startSharing, type World } from "./support/gateway.ts"
import { follow } from "./support/live.ts"
import { as, expectCancelledWithLast, hangingUp, startHeld } from "./support/sharing.ts"
import { stopTime } from "./support/time.ts"

const capsuleRoute = `GET /capsules/${seed.cellCounter}`
const name = `{ capsule(id: "${seed.cellCounter}") { name } }`
const named = { data: { capsule: { name: "Cell Counter" } } }

let asked = 0
/** The same operation in another text, so that its reads are shared, and not its execution (sharedQueries.test.ts). */
const apart = (query: string) => `${query} # ${++asked}`

const askingApart = <W extends Pick<World, "ask">>(world: W): W => ({
  ...world,
  ask: (query, ...others) => world.ask(apart(query), ...others),
})

const startGateway = async (...options: Parameters<typeof startSharing>) => askingApart(await startSharing(...options))

/** A gateway with a socket, whose clients can hang up. */
async function overSocket(options?: Parameters<typeof startGateway>[0]) {
  const world = await startGateway(options)
  const asked = await hangingUp(world)
  const url = await world.gateway.listen()
  return { ...world, url, asked: (query: string, signal: AbortSignal) => asked(apart(query), signal) }
}

const startHeldApart = async () => askingApart(await startHeld())

test("responses of upstream are frozen in tests, with or without numbers that a double cannot hold", () => {
  for (const text of ['{ "list": [{}] }', '{ "list": [{}], "size": 12345678901234567890123 }']) {
    const { list } = parseJson(text) as { list: object[] }
    expect(Object.isFrozen(list) && Object.isFrozen(list[0])).toBe(true)
  }
})

describe("equal reads of one caller at the same time", () => {
  const nested = `{
    searchCapsules(first: 5, query: "tag:ecephys") {
      nodes { id name appPanel { general { title } } computations(first: 2) { nodes { id name dataAssets { dataAsset { name } } } } }
    }
  }`

  test("equal reads at the same time are sent once, however many requests make them", async () => {
    const { ask, sandbox, gateway } = await startGateway()
    const alone = await ask(nested)
    const calls = sandbox.requests.length
    const hold = sandbox.hold()
    const answers = Promise.all(Array.from({ length: 32 }, () => ask(nested)))
    await vi.waitFor(() => expect(gateway.stats.requests).toBe(32))
    await hold.waitFor(1)
    hold.end()
    for (const answer of await answers) expect(answer).toEqual(alone)
    expect(sandbox.requests.length).toBeLessThan(calls * 3)
  })

  test("shared reads are counted apart from the calls that a request has sent itself", async () => {
    const { ask, sandbox, lines } = await startGateway()
    const hold = sandbox.hold()
    const answers = Promise.all([ask(name), ask(name), ask(name)])
    await hold.waitFor(1)
    await ask("{ __typename }")
    hold.end()
    expect(await answers).toEqual([named, named, named])
    const counts = lines
      .filter(({ msg }) => msg === "request")
      .map(({ upstreamCalls, sharedCalls }) => [upstreamCalls, sharedCalls])
    expect(counts.sort()).toEqual([
      [0, undefined],
      [0, 1],
      [0, 1],
      [1, undefined],
    ])
    expect(sandbox.requests).toHaveLength(1)
  })

  test("the response to a shared read is parsed once", async () => {
    const parse = vi.spyOn(JSON, "parse")
    onTestFinished(() => parse.mockRestore())
    const { ask, sandbox } = await startGateway()
    const hold = sandbox.hold()
    const answers = Promise.all([ask(name), ask(name), ask(name)])
    await hold.waitFor(1)
    await ask("{ __typename }")
    hold.end()
    expect(await answers).toEqual([named, named, named])
    // Only Code Ocean's own response contains the slug, which no operation selects.
    expect(parse.mock.calls.filter(([text]) => text.includes('"slug"'))).toHaveLength(1)
  })

  test("a shared read carries the id of the first request", async () => {
    const { ask, sandbox } = await startGateway()
    const hold = sandbox.hold()
    const first = ask(name, {}, as(tokens.ada, { "x-request-id": "first" }))
    await hold.waitFor(1)
    const second = ask(name, {}, as(tokens.ada, { "x-request-id": "second" }))
    await ask("{ __typename }")
    hold.end()
    expect(await Promise.all([first, second])).toEqual([named, named])
    expect(sandbox.requests.map(({ headers }) => headers["x-request-id"])).toEqual(["first"])
  })

  test("requests that share a failed read have their own errors and log lines", async () => {
    const { next, ask, lines } = await startHeldApart()
    const ids = ["first", "second"]
    const answers = Promise.all(ids.map((id) => ask(name, {}, as(tokens.ada, { "x-request-id": id }))))
    const call = await next(1)
    await ask("{ __typename }")
    call.answer(500)
    for (const [index, { errors }] of (await answers).entries()) {
      expect(errors).toMatchObject([{ extensions: { code: "UPSTREAM_UNAVAILABLE", requestId: ids[index] } }])
    }
    const failures = lines.filter(({ msg }) => msg === "upstream call failed")
    expect(failures.map(({ requestId, attempts }) => [requestId, attempts])).toEqual([
      ["first", 1],
      ["second", 1],
    ])
  })

  test("a shared read is retried once for all its requests", async () => {
    const { ask, sandbox } = await startGateway()
    sandbox.failNext(capsuleRoute, { status: 503 }, 2)
    expect(await Promise.all([ask(name), ask(name), ask(name)])).toEqual([named, named, named])
    expect(sandbox.requests).toHaveLength(3)
  })

  test("a read is shared between a query and a subscription", async () => {
    const { ask, sandbox, url } = await overSocket()
    const hold = sandbox.hold()
    const following = follow(url, `subscription { computation(id: "${seed.runningAlignment}") { id state } }`)
    await hold.waitFor(1)
    const asked = ask(`{ computation(id: "${seed.runningAlignment}") { id state } }`)
    await ask("{ __typename }")
    hold.end()
    const { data } = (await (await following).next())!
    expect(await asked).toEqual({ data })
    expect(sandbox.requests).toHaveLength(1)
  })

  test("equal reads are each sent if sharing is disabled", async () => {
    const { ask, sandbox } = await startGateway({ sharedReads: false })
    const hold = sandbox.hold()
    const answers = Promise.all([ask(name), ask(name)])
    await hold.waitFor(2)
    hold.end()
    expect(await answers).toEqual([named, named])
  })
})

describe("reads are not shared", () => {
  const different: [string, string, string, Record<string, string>?, Record<string, string>?][] = [
    ["by two callers", name, name, as(tokens.ada), as(tokens.readOnly)],
    [
      "by a caller and an agent that acts for it",
      name,
      name,
      as(tokens.ada),
      as(tokens.ada, { "agent-id": "night shift" }),
    ],
    ["of two objects", name, `{ capsule(id: "${seed.spikeSorting}") { name } }`],
    ["of two routes", name, `{ pipeline(id: "${seed.cellCounter}") { name } }`],
    [
      "with different bodies",
      "{ searchCapsules(first: 2) { nodes { id } } }",
      "{ searchCapsules(first: 3) { nodes { id } } }",
    ],
  ]
  test.each(different)(
    "reads %s are not shared",
    async (_what, first, second, firstHeaders = as(tokens.ada), secondHeaders = firstHeaders) => {
      const { ask, sandbox } = await startGateway()
      const hold = sandbox.hold()
      const answers = Promise.all([ask(first, {}, firstHeaders), ask(second, {}, secondHeaders)])
      await hold.waitFor(2)
      hold.end()
      await answers
    },
  )

  test("reads with different queries are not shared", async () => {
    const { ask, sandbox } = await startGateway()
    await ask(`{ capsule(id: "${seed.cellCounter}") {
      first: appPanel(version: 1) { general { title } } second: appPanel(version: 2) { general { title } }
    } }`)
    expect(sandbox.requestsTo(`${capsuleRoute}/app_panel`).map(({ query }) => query.version)).toEqual(["1", "2"])
  })

  test("a read that has been in flight for a second is not shared, because it may hang", async () => {
    const { ask, sandbox } = await startGateway()
    const hold = sandbox.hold()
    const first = ask(name)
    await hold.waitFor(1)
    const clock = performance.now.bind(performance)
    const later = vi.spyOn(performance, "now").mockImplementation(() => clock() + 1_000)
    onTestFinished(() => later.mockRestore())
    const second = ask(name)
    await hold.waitFor(2)
    hold.end()
    expect(await Promise.all([first, second])).toEqual([named, named])
  })

  test("a read that starts after another's response is not shared with it", async () => {
    const { ask, sandbox } = await startGateway()
    await ask(name)
    await ask(name)
    expect(sandbox.requests).toHaveLength(2)
  })

  test("writes are never shared", async () => {
    const { ask, sandbox } = await startGateway()
    const archive = `mutation { archiveCapsule(input: { id: "${seed.cellCounter}", archived: true }) { __typename } }`
    const hold = sandbox.hold()
    const answers = Promise.all([ask(archive), ask(archive)])
    await hold.waitFor(2)
    hold.end()
    await answers
    expect(sandbox.requestsTo("PATCH /capsules/*/archive")).toHaveLength(2)
  })
})

describe("reads beside writes", () => {
  const archive = `mutation { archiveCapsule(input: { id: "c1", archived: true }) { ... on ArchiveCapsulePayload { capsule { name } } } }`
  const read = `{ capsule(id: "c1") { name } }`

  test("a read after a write sees it even if an equal read from before the write is in flight", async () => {
    const { ask, next } = await startHeldApart()
    const before = ask(read)
    const early = await next(1)
    const change = ask(archive)
    ;(await next(2)).answer(204)
    const reread = await next(3)
    expect(reread.call).toBe("GET /capsules/c1")
    reread.answer(200, { id: "c1", name: "After" })
    expect((await change).data.archiveCapsule.capsule.name).toBe("After")
    early.answer(200, { id: "c1", name: "Before" })
    expect((await before).data.capsule.name).toBe("Before")
  })

  test("a read after a write sees it even if an equal read from during the write is in flight", async () => {
    const { ask, next } = await startHeldApart()
    const change = ask(archive)
    const write = await next(1)
    const meanwhile = ask(read)
    const early = await next(2)
    write.answer(204)
    ;(await next(3)).answer(200, { id: "c1", name: "After" })
    expect((await change).data.archiveCapsule.capsule.name).toBe("After")
    early.answer(200, { id: "c1", name: "Before" })
    expect((await meanwhile).data.capsule.name).toBe("Before")
  })

  test("a read during a write does not share the response to a read from before it", async () => {
    const { ask, next } = await startHeldApart()
    const before = ask(read)
    const early = await next(1)
    const change = ask(archive)
    const write = await next(2)
    const meanwhile = ask(read)
    ;(await next(3)).answer(200, { id: "c1", name: "Later" })
    expect((await meanwhile).data.capsule.name).toBe("Later")
    early.answer(200, { id: "c1", name: "Before" })
    expect((await before).data.capsule.name).toBe("Before")
    write.answer(403, { message: "no" })
    await change
  })

  test("a write does not keep another caller's reads from being shared", async () => {
    const { ask, next, held } = await startHeldApart()
    const first = ask(read, {}, as(tokens.grace))
    const call = await next(1)
    const change = ask(archive)
    ;(await next(2)).answer(403, { message: "no" })
    await change
    const second = ask(read, {}, as(tokens.grace))
    await ask("{ __typename }")
    call.answer(200, { id: "c1", name: "One" })
    expect([await first, await second]).toEqual([{ data: { capsule: { name: "One" } } }, await first])
    expect(held).toHaveLength(2)
  })
})

describe("cancelling requests that share a read", () => {
  test("the first of the requests that share a read can be cancelled without harm to the others", async () => {
    const { ask, asked, sandbox } = await overSocket()
    const hold = sandbox.hold()
    const leave = new AbortController()
    const first = asked(name, leave.signal)
    const [call] = await hold.waitFor(1)
    const others = Promise.all([ask(name), ask(name)])
    await ask("{ __typename }")
    leave.abort()
    expect(await first).toBe("left")
    await ask("{ __typename }")
    expect(call!.aborted).toBe(false)
    hold.end()
    expect(await others).toEqual([named, named])
    expect(sandbox.requests).toHaveLength(1)
  })

  test("a shared read is cancelled with the last of its requests", async () => {
    const { asked, sandbox, ask } = await overSocket()
    const hold = sandbox.hold()
    await expectCancelledWithLast(ask, hold, (signal) => asked(name, signal))
    expect(sandbox.requests).toHaveLength(1)
    hold.end()
    expect(await ask(name)).toEqual(named)
  })

  test("each request that shares a read has its own deadline", async () => {
    const { ask, sandbox } = await startGateway({ config: { requestDeadlineMs: 600 } })
    const time = stopTime()
    const hold = sandbox.hold()
    const first = ask(name)
    await hold.waitFor(1)
    time.pass(300)
    const second = ask(name)
    await ask("{ __typename }")
    time.pass(300)
    expect((await first).errors).toMatchObject([{ message: "The request exceeded its deadline of 600 ms." }])
    expect(sandbox.requests).toHaveLength(1)
    hold.end()
    expect(await second).toEqual(named)
    expect(sandbox.requests).toHaveLength(1)
  })
})
