import { describe, expect, test } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { startFaultyUpstream } from "./support/faultyUpstream.ts"
import { startGateway, startGatewayOn } from "./support/gateway.ts"
import { type Following, follow, pushedTime, untilLive } from "./support/live.ts"

/** A sandbox and a listening gateway whose pollers use a clock that the test advances. */
async function startLive(options: Parameters<typeof startGateway>[0] = {}) {
  const time = pushedTime()
  const world = await startGateway({ ...options, clock: time })
  const url = await world.gateway.listen()
  return {
    ...world,
    time,
    /** Advances the pollers' clock and the sandbox's. */
    pass(seconds: number) {
      world.sandbox.clock.advance(seconds)
      time.push(seconds)
    },
    follow: (query: string, headers?: Record<string, string>) => follow(url, query, headers),
    url,
  }
}

const stateOf = (id: string, more = "") => `subscription { computation(id: "${id}") { state ${more} } }`
const assetState = (id: string) => `subscription { dataAsset(id: "${id}") { state size } }`
const subscriptionLines = (lines: Record<string, unknown>[]) => lines.filter(({ msg }) => msg === "subscription")

describe("following an object", () => {
  test("a run is followed from state to state, and the stream completes after the final one", async () => {
    const { follow, pass, time, gateway } = await startLive()
    const run = await follow(stateOf(seed.queuedSorting, "endStatus exitCode"))
    expect(await run.next()).toEqual({
      data: { computation: { state: "INITIALIZING", endStatus: null, exitCode: null } },
    })
    await time.waits()
    pass(61)
    expect((await run.next())?.data.computation.state).toBe("RUNNING")
    await time.waits()
    pass(300)
    expect((await run.next())?.data.computation.state).toBe("FINALIZING")
    await time.waits()
    pass(11)
    expect(await run.rest()).toEqual([{ data: { computation: { state: "FAILED", endStatus: "FAILED", exitCode: 1 } } }])
    expect(gateway.stats).toMatchObject({ pollers: 0, listeners: 0, coolingDown: 1, tasks: 0 })
  })

  test("a run that completes ends the stream too, and so does a data asset that is ready", async () => {
    const { follow, pass, time } = await startLive()
    const run = await follow(stateOf(seed.runningAlignment))
    expect((await run.next())?.data.computation.state).toBe("RUNNING")
    await time.waits()
    pass(700)
    expect(await run.rest()).toEqual([{ data: { computation: { state: "COMPLETED" } } }])
  })

  test("a data asset is followed until it is ready", async () => {
    const { follow, pass, time } = await startLive()
    const asset = await follow(assetState(seed.draftRecording))
    expect(await asset.next()).toEqual({ data: { dataAsset: { state: "DRAFT", size: 0 } } })
    await time.waits()
    pass(121)
    expect(await asset.rest()).toEqual([{ data: { dataAsset: { state: "READY", size: 4_404_019_200 } } }])
  })

  test("a subscription to an object that is final already gives one event, for one call", async () => {
    const { follow, sandbox } = await startLive()
    const run = await follow(stateOf(seed.sortedRun))
    expect(await run.rest()).toEqual([{ data: { computation: { state: "COMPLETED" } } }])
    const asset = await follow(`subscription { dataAsset(id: "${seed.cellImages}") { state } }`)
    expect(await asset.rest()).toEqual([{ data: { dataAsset: { state: "READY" } } }])
    expect(sandbox.requests).toHaveLength(2)
  })

  test("a poll without a change gives no event", async () => {
    const { follow, pass, time, sandbox } = await startLive()
    const quiet = await follow(stateOf(seed.runningAlignment))
    const ticking = await follow(stateOf(seed.runningAlignment, "runTime"))
    await quiet.next()
    const first = (await ticking.next())?.data.computation.runTime
    for (const wait of [5, 7.5, 11.25]) {
      expect(await time.waits()).toEqual([wait])
      pass(wait)
      const { state, runTime } = (await ticking.next())?.data.computation ?? {}
      expect(state).toBe("RUNNING")
      expect(runTime).toBeGreaterThan(first)
    }
    await time.waits()
    pass(700)
    expect(await quiet.rest()).toEqual([{ data: { computation: { state: "COMPLETED" } } }])
    expect(sandbox.requests).toHaveLength(5)
  })

  test("each event of a subscription reads its linked objects again, with its own deadline", async () => {
    const { follow, pass, time, sandbox } = await startLive({ config: { requestDeadlineMs: 400 } })
    const query = stateOf(seed.queuedSorting, "dataAssets { dataAsset { name } }")
    const nested = `GET /data_assets/${seed.mouseRecording}`
    const run = await follow(query)
    const name = (await run.next())?.data.computation.dataAssets[0].dataAsset.name
    expect(name).toEqual(expect.any(String))
    expect(sandbox.requestsTo(nested)).toHaveLength(1)

    // The stream outlives the deadline of one request.
    await run.ping()
    await run.ping()
    await time.waits()
    sandbox.failNext(nested, { status: 403, body: { message: "not any more" } })
    pass(61)
    const refused = await run.next()
    expect(refused?.data.computation).toEqual({ state: "RUNNING", dataAssets: [{ dataAsset: null }] })
    expect(refused?.errors?.[0]).toMatchObject({
      message: "not any more",
      path: ["computation", "dataAssets", 0, "dataAsset"],
      extensions: { code: "FORBIDDEN", requestId: run.response.headers["x-request-id"] },
    })

    await time.waits()
    pass(300)
    const again = await run.next()
    expect(again).toEqual({ data: { computation: { state: "FINALIZING", dataAssets: [{ dataAsset: { name } }] } } })
    expect(sandbox.requestsTo(nested)).toHaveLength(3)
  })
})

describe("the calls of polls", () => {
  test("polls are 5 seconds apart at first, back off while the state stays, and start over when it changes", async () => {
    const { follow, pass, time, sandbox } = await startLive()
    const run = await follow(stateOf(seed.runningAlignment))
    await run.next()
    const waits: number[] = []
    for (let polls = 0; polls < 8; polls++) {
      const [wait = 0] = await time.waits()
      waits.push(wait)
      time.push(wait)
    }
    expect(waits.slice(0, 4)).toEqual([5, 7.5, 11.25, 16.875])
    expect(waits.slice(-2)).toEqual([30, 30])
    await time.waits()
    pass(610)
    expect((await run.next())?.data.computation.state).toBe("FINALIZING")
    expect(await time.waits()).toEqual([5])
    expect(sandbox.requests).toHaveLength(10)
  })

  test("polls of a data asset back off to one a minute", async () => {
    const { follow, time } = await startLive()
    const asset = await follow(assetState(seed.draftRecording))
    await asset.next()
    let wait = 0
    for (let polls = 0; polls < 10; polls++) {
      ;[wait = 0] = await time.waits()
      time.push(wait)
    }
    expect(wait).toBe(60)
  })

  test("a caller's subscriptions to one object share their polls, and a later one gets the present state at once", async () => {
    const { follow, pass, time, sandbox, gateway } = await startLive()
    const first = await follow(stateOf(seed.queuedSorting))
    await first.next()
    await time.waits()
    const others = await Promise.all([1, 2, 3].map(() => follow(stateOf(seed.queuedSorting))))
    for (const other of others) expect((await other.next())?.data.computation.state).toBe("INITIALIZING")
    expect(gateway.stats).toMatchObject({ pollers: 1, listeners: 4, coolingDown: 0, tasks: 0 })
    expect(sandbox.requests).toHaveLength(1)

    // The poller outlives the subscription that started it.
    first.leave()
    await untilLive(gateway, { listeners: 3 })
    pass(61)
    for (const other of others) expect((await other.next())?.data.computation.state).toBe("RUNNING")
    expect(sandbox.requests).toHaveLength(2)
  })

  test("the shortest polling interval of several listeners counts, as long as that listener stays", async () => {
    const { follow, time, sandbox, gateway } = await startLive()
    const every = (seconds: number) =>
      follow(
        `subscription { computation(id: "${seed.runningAlignment}", pollingIntervalSeconds: ${seconds}) { state } }`,
      )
    const slow = await every(600)
    await slow.next()
    expect(await time.waits()).toEqual([600])
    time.push(5)
    const fast = await every(120)
    await fast.next()
    expect(await time.waits()).toEqual([115])
    time.push(115)
    expect(await time.waits()).toEqual([120])
    expect(sandbox.requests).toHaveLength(2)
    fast.leave()
    await untilLive(gateway, { listeners: 1 })
    time.push(120)
    expect(await time.waits()).toEqual([480])
    expect(sandbox.requests).toHaveLength(2)
    time.push(480)
    expect(await time.waits()).toEqual([600])
    expect(sandbox.requests).toHaveLength(3)
  })

  test("a subscription that joins long after the last read gets the state as it is, for one read, however many join", async () => {
    const { follow, pass, time, sandbox, gateway } = await startLive()
    const run = (more = "") => follow(stateOf(seed.queuedSorting).replace(")", `${more})`))
    const first = await run(", pollingIntervalSeconds: 3600")
    expect((await first.next())?.data.computation.state).toBe("INITIALIZING")
    expect(await time.waits()).toEqual([3600])
    pass(61)
    const others = await Promise.all([run(), run(", pollingIntervalSeconds: 3600"), run(), run()])
    for (const other of [...others, first]) expect((await other.next())?.data.computation.state).toBe("RUNNING")
    expect(gateway.stats).toMatchObject({ pollers: 1, listeners: 5 })
    expect(sandbox.requests).toHaveLength(2)
    // What was read a moment ago is fresh.
    pass(4)
    expect((await (await run()).next())?.data.computation.state).toBe("RUNNING")
    expect(sandbox.requests).toHaveLength(2)
  })

  test("a subscription that joins while the object is being read gets what is read", async () => {
    const { follow, pass, time, sandbox, gateway } = await startLive()
    const first = await follow(stateOf(seed.queuedSorting))
    await first.next()
    await time.waits()
    const hold = sandbox.hold()
    pass(61)
    await hold.waitFor(1)
    const second = await follow(stateOf(seed.queuedSorting))
    await untilLive(gateway, { listeners: 2 })
    hold.end()
    for (const run of [first, second]) expect((await run.next())?.data.computation.state).toBe("RUNNING")
    expect(sandbox.requests).toHaveLength(2)
  })

  test("a subscription that joins while the object can't be read gets the last state, and the next one when it can", async () => {
    const { follow, pass, time, sandbox } = await startLive()
    const run = () => follow(stateOf(seed.queuedSorting))
    const first = await run()
    await first.next()
    await time.waits()
    const route = `GET /computations/${seed.queuedSorting}`
    sandbox.failNext(route, { status: 503 })
    pass(6)
    await time.waits()
    const second = await run()
    expect((await second.next())?.data.computation.state).toBe("INITIALIZING")
    expect(sandbox.requests).toHaveLength(2)
    const [wait = 0] = await time.waits()
    pass(wait + 61)
    for (const one of [first, second]) expect((await one.next())?.data.computation.state).toBe("RUNNING")

    // The read that the new subscription causes may fail, too.
    const [longer = 0] = await time.waits()
    expect(longer).toBe(5)
    time.push(5)
    const [longest = 0] = await time.waits()
    expect(longest).toBeGreaterThan(6)
    sandbox.failNext(route, { status: 503 })
    time.push(6)
    const third = await run()
    expect((await third.next())?.data.computation.state).toBe("RUNNING")
    expect(sandbox.requestsTo(route)).toHaveLength(5)
  })

  test("a time limit ends its own subscription, and not others to the same object", async () => {
    const { follow, time, sandbox, gateway } = await startLive()
    const stays = await follow(stateOf(seed.runningAlignment))
    await stays.next()
    const limited = await follow(
      `subscription { computation(id: "${seed.runningAlignment}", timeLimitSeconds: 3) { state } }`,
    )
    expect((await limited.next())?.data.computation.state).toBe("RUNNING")
    expect(await time.waits()).toEqual([3])
    time.push(3)
    expect(await limited.rest()).toMatchObject([
      {
        errors: [
          { message: expect.stringContaining("time limit of 3 seconds"), extensions: { code: "TIME_LIMIT_REACHED" } },
        ],
      },
    ])
    await untilLive(gateway, { listeners: 1, pollers: 1 })
    expect(await time.waits()).toEqual([2])
    expect(sandbox.requests).toHaveLength(1)
  })

  test("polls are never shared between callers, kinds or objects", async () => {
    const { follow, sandbox, gateway } = await startLive()
    const followed: Following[] = [
      await follow(stateOf(seed.runningAlignment)),
      await follow(stateOf(seed.runningAlignment), { authorization: `Bearer ${tokens.readOnly}` }),
      await follow(stateOf(seed.queuedSorting)),
      await follow(assetState(seed.draftRecording)),
    ]
    for (const { next } of followed) expect((await next())?.errors).toBeUndefined()
    expect(gateway.stats).toMatchObject({ pollers: 4, listeners: 4 })
    const ofTokens = sandbox
      .requestsTo(`GET /computations/${seed.runningAlignment}`)
      .map(({ headers }) => atob(String(headers.authorization?.split(" ")[1])))
    expect(ofTokens).toEqual([`${tokens.ada}:`, `${tokens.readOnly}:`])
  })

  test("polls are never less than 5 seconds apart, however often a client leaves and comes back", async () => {
    const { follow, time, sandbox, gateway } = await startLive()
    for (let times = 0; times < 5; times++) {
      const run = await follow(stateOf(seed.runningAlignment))
      expect((await run.next())?.data.computation.state).toBe("RUNNING")
      run.leave()
      await untilLive(gateway, { listeners: 0 })
    }
    expect(sandbox.requests).toHaveLength(1)
    time.push(4)
    const back = await follow(stateOf(seed.runningAlignment))
    await back.next()
    expect(await time.waits()).toEqual([1])
    time.push(1)
    expect(await time.waits()).toEqual([7.5])
    expect(sandbox.requests).toHaveLength(2)
  })

  test("a poll is not repeated at once for a client that subscribes again after an error", async () => {
    const { follow, time, sandbox, gateway } = await startLive()
    for (let times = 0; times < 3; times++) {
      const [event] = await (await follow(assetState(seed.graceLocked))).rest()
      expect(event?.errors?.[0]?.extensions.code).toBe("FORBIDDEN")
    }
    expect(sandbox.requests).toHaveLength(1)
    time.push(5)
    await untilLive(gateway, { coolingDown: 0 })
    await (await follow(assetState(seed.graceLocked))).rest()
    expect(sandbox.requests).toHaveLength(2)
  })

  test("polls carry the request id and Agent-Id of a subscription that is still there", async () => {
    const { follow, time, sandbox, gateway } = await startLive()
    const first = await follow(stateOf(seed.runningAlignment), { "x-request-id": "first", "agent-id": "helper" })
    await first.next()
    const second = await follow(stateOf(seed.runningAlignment), { "x-request-id": "second", "agent-id": "helper" })
    await second.next()
    first.leave()
    await untilLive(gateway, { listeners: 1 })
    time.push(5)
    await time.waits()
    expect(sandbox.requests.map(({ headers }) => [headers["x-request-id"], headers["agent-id"]])).toEqual([
      ["first", "helper"],
      ["second", "helper"],
    ])
  })
})

describe("polls that fail", () => {
  test("polling goes on after temporary failures, with one call for each poll", async () => {
    const { follow, pass, time, sandbox } = await startLive({ config: { upstreamTimeoutMs: 1_000 } })
    const run = await follow(stateOf(seed.queuedSorting))
    await run.next()
    const route = `GET /computations/${seed.queuedSorting}`
    const hiccups = [{ status: 503 }, { status: 500 }, "reset", "hang", "truncate", { status: 429 }] as const
    for (const hiccup of hiccups) {
      sandbox.failNext(route, hiccup)
      const [wait = 0] = await time.waits()
      time.push(wait)
    }
    expect(await time.waits()).toEqual([30])
    expect(sandbox.requests).toHaveLength(7)
    pass(61)
    expect(await run.next()).toEqual({ data: { computation: { state: "RUNNING" } } })
  })

  test("a subscription that starts during an outage gets its first event afterwards", async () => {
    const { follow, time, sandbox } = await startLive()
    sandbox.failNext("GET /computations/*", { status: 503 }, 2)
    const run = await follow(stateOf(seed.runningAlignment))
    time.push((await time.waits())[0] as number)
    time.push((await time.waits())[0] as number)
    expect(await run.next()).toEqual({ data: { computation: { state: "RUNNING" } } })
  })

  test("the next poll waits at least for the time of Retry-After", async () => {
    const { follow, time, sandbox } = await startLive()
    const run = await follow(stateOf(seed.runningAlignment))
    await run.next()
    sandbox.failNext("GET /computations/*", { status: 429, headers: { "retry-after": "100" } })
    await time.waits()
    time.push(5)
    expect(await time.waits()).toEqual([100])
  })

  test("a subscription with a long polling interval goes on after two failing reads in a row, and ends after a third", async () => {
    const { follow, time, sandbox } = await startLive()
    const run = await follow(
      `subscription { computation(id: "${seed.runningAlignment}", pollingIntervalSeconds: 600) { state } }`,
    )
    expect((await run.next())?.data.computation.state).toBe("RUNNING")
    for (const failures of [2, 3]) {
      await time.waits()
      sandbox.failNext("GET /computations/*", { status: 503 }, failures)
      for (let read = 0; read < 3; read++) {
        expect(await time.waits()).toEqual([600])
        time.push(600)
      }
    }
    expect(await run.rest()).toMatchObject([{ errors: [{ extensions: { code: "UPSTREAM_UNAVAILABLE" } }] }])
    expect(sandbox.requestsTo("GET /computations/*")).toHaveLength(7)
  })

  test("five minutes of failures end a subscription with the last error", async () => {
    const { follow, time, sandbox, gateway } = await startLive()
    const run = await follow(stateOf(seed.runningAlignment))
    await run.next()
    sandbox.failNext("GET /computations/*", { status: 503 }, 100)
    const rest = run.rest()
    let passed = 0
    while (gateway.stats.listeners > 0) {
      const [wait = 0] = await time.waits()
      if (gateway.stats.pollers === 0) break
      time.push(wait)
      passed += wait
    }
    expect(passed).toBeGreaterThan(240)
    expect(passed).toBeLessThanOrEqual(305)
    expect(await rest).toEqual([
      {
        data: { computation: null },
        errors: [
          expect.objectContaining({
            path: ["computation"],
            extensions: expect.objectContaining({ code: "UPSTREAM_UNAVAILABLE" }),
          }),
        ],
      },
    ])
  })

  test.each([
    ["revoked", 401, "UNAUTHENTICATED"],
    ["forbidden", 403, "FORBIDDEN"],
  ])("access that is %s ends a subscription at once with the error", async (_name, status, code) => {
    const { follow, time, sandbox } = await startLive()
    const run = await follow(stateOf(seed.runningAlignment))
    await run.next()
    sandbox.failNext("GET /computations/*", { status, body: { message: "no" } })
    await time.waits()
    time.push(5)
    const [event, ...more] = await run.rest()
    expect(more).toEqual([])
    expect(event?.data).toEqual({ computation: null })
    expect(event?.errors?.[0]).toMatchObject({
      message: expect.stringMatching(/^no\b/),
      extensions: { code, requestId: expect.any(String), upstream: { endpoint: "GET /computations/{id}", status } },
    })
  })

  test("an object that does not exist, or is deleted meanwhile, is null, and the stream completes", async () => {
    const { follow, ask, time, sandbox } = await startLive()
    const nothing = await follow(stateOf("00000000-0000-4000-8000-000000000000"))
    expect(await nothing.rest()).toEqual([{ data: { computation: null } }])
    time.push(5)

    const run = await follow(stateOf(seed.runningAlignment))
    await run.next()
    const { data } = await ask(`mutation { deleteComputation(input: {id: "${seed.runningAlignment}"}) { __typename } }`)
    expect(data.deleteComputation.__typename).toBe("DeleteComputationPayload")
    await time.waits()
    time.push(5)
    expect(await run.rest()).toEqual([{ data: { computation: null } }])
    expect(sandbox.requestsTo("GET /computations/*")).toHaveLength(3)
  })

  test("a subscription with a missing token or an invalid id is an error without a call", async () => {
    const { follow, sandbox } = await startLive()
    const nobody = await follow(stateOf(seed.runningAlignment), { authorization: "Bearer " })
    const [refused] = await nobody.rest()
    expect(refused?.data).toEqual({ computation: null })
    expect(refused?.errors?.[0]?.extensions.code).toBe("UNAUTHENTICATED")
    const [malformed] = await (await follow(stateOf("../capsules"))).rest()
    expect(malformed?.errors?.[0]?.extensions.code).toBe("BAD_USER_INPUT")
    expect(sandbox.requests).toHaveLength(0)
  })

  test("polling goes on after an unknown state", async () => {
    const states = ["suspended", "completed"]
    const odd = await startFaultyUpstream(() => ({ body: { id: "c1", name: "run", state: states.shift() } }))
    const time = pushedTime()
    const { gateway } = startGatewayOn(odd.url, { clock: time })
    const run = await follow(await gateway.listen(), stateOf("c1"))
    expect((await run.next())?.data.computation.state).toBe("UNRECOGNIZED")
    await time.waits()
    time.push(5)
    expect(await run.rest()).toEqual([{ data: { computation: { state: "COMPLETED" } } }])
  })
})

describe("the event stream", () => {
  test("an event stream has headers against caching and buffering, and is pinged", async () => {
    const { follow } = await startLive()
    const run = await follow(stateOf(seed.runningAlignment))
    expect(run.response.statusCode).toBe(200)
    expect(run.response.headers["content-type"]).toMatch(/^text\/event-stream/)
    expect(run.response.headers["x-accel-buffering"]).toBe("no")
    expect(run.response.headers["cache-control"]).toContain("no-store")
    expect(run.response.headers["x-request-id"]).toEqual(expect.any(String))
    await run.next()
    await run.ping()
    await run.ping()
  })

  test("an event stream is rejected with a message for a client that cannot read it, and for a page of another site", async () => {
    const { ask, gateway, sandbox } = await startLive()
    const { errors } = await ask(stateOf(seed.runningAlignment), undefined, {
      authorization: `Bearer ${tokens.ada}`,
      accept: "application/json",
    })
    expect(errors?.[0]).toMatchObject({
      message: expect.stringContaining("Accept: text/event-stream"),
      extensions: { code: "BAD_USER_INPUT", requestId: expect.any(String) },
    })
    const query = encodeURIComponent(stateOf(seed.runningAlignment))
    const accept = { accept: "text/event-stream" }
    const forged = await gateway.fetch(`http://gateway/graphql?query=${query}`, { headers: accept })
    expect(forged.status).toBe(403)
    expect(sandbox.requests).toHaveLength(0)
  })

  test("a subscription ends its poller when its client leaves, whether a call is in flight or not", async () => {
    const { follow, time, sandbox, gateway } = await startLive()
    const run = await follow(stateOf(seed.runningAlignment))
    await run.next()
    await time.waits()
    run.leave()
    await untilLive(gateway, { pollers: 0, listeners: 0 })

    const hold = sandbox.hold()
    const other = await follow(stateOf(seed.queuedSorting))
    const [call] = await hold.waitFor(1)
    other.leave()
    await untilLive(gateway, { pollers: 0, listeners: 0 })
    while (!call?.aborted) await new Promise((resolve) => setImmediate(resolve))
    time.push(5)
    await untilLive(gateway, { coolingDown: 0 })
  })

  test("a subscription whose client leaves cancels the calls of its current event", async () => {
    const { follow, sandbox, gateway } = await startLive()
    const hold = sandbox.hold()
    const run = await follow(stateOf(seed.runningAlignment, "dataAssets { dataAsset { name } }"))
    await hold.waitFor(1)
    hold.release()
    const [call] = await hold.waitFor(1)
    expect(call?.path).toBe(`/data_assets/${seed.looseFiles}`)
    run.leave()
    while (!call?.aborted) await new Promise((resolve) => setImmediate(resolve))
    expect(gateway.stats).toMatchObject({ pollers: 0, listeners: 0 })
  })

  test("a subscription leaves one line in the log when it ends", async () => {
    const { follow, time, gateway, lines } = await startLive()
    const done = await follow(`subscription Done { computation(id: "${seed.sortedRun}") { state } }`)
    await done.rest()
    const missing = await follow(assetState(seed.graceLocked))
    await missing.rest()
    const left = await follow(stateOf(seed.runningAlignment))
    await left.next()
    await time.waits(3)
    left.leave()
    await untilLive(gateway, { listeners: 0 })
    const common = { level: "info", durationMs: expect.any(Number), upstreamCalls: 1, events: 1 }
    expect(subscriptionLines(lines)).toEqual([
      expect.objectContaining({ ...common, operation: "Done", outcome: "ok" }),
      expect.objectContaining({ ...common, outcome: "errors", errorCodes: { FORBIDDEN: 1 } }),
      expect.objectContaining({ ...common, outcome: "cancelled" }),
    ])
    expect(lines.filter(({ msg }) => msg === "request")).toEqual([])
  })

  test("a subscription completes at once when the gateway stops", async () => {
    // A subscription that did not complete would hold up the gateway for an hour.
    const { follow, gateway, lines } = await startLive({ config: { requestDeadlineMs: 3_600_000 } })
    const run = await follow(stateOf(seed.runningAlignment))
    await run.next()
    const closed = gateway.close()
    expect(await run.rest()).toEqual([])
    expect(await closed).toBe(true)
    expect(gateway.stats).toMatchObject({ pollers: 0, listeners: 0, coolingDown: 0, tasks: 0 })
    expect(subscriptionLines(lines)).toEqual([expect.objectContaining({ outcome: "stopped", events: 1 })])
  })
})

test("200 subscriptions opened and closed leave no poller, listener or timer behind", async () => {
  const odd = await startFaultyUpstream(({ path }) => {
    const id = path.split("/").pop() as string
    return { body: { id, name: id, state: id.startsWith("running") ? "running" : "completed" } }
  })
  const time = pushedTime()
  const { gateway } = startGatewayOn(odd.url, { clock: time })
  const url = await gateway.listen()
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length
  await (await follow(url, stateOf("completed-first"))).rest()
  const before = timers()

  const running = await Promise.all(
    Array.from({ length: 100 }, (_, index) => follow(url, stateOf(`running-${index % 80}`))),
  )
  for (const run of running) expect((await run.next())?.data.computation.state).toBe("RUNNING")
  const completed = await Promise.all(
    Array.from({ length: 100 }, (_, index) => follow(url, stateOf(`completed-${index}`))),
  )
  for (const run of completed) expect(await run.rest()).toHaveLength(1)
  expect(gateway.stats).toMatchObject({ pollers: 80, listeners: 100 })
  expect(timers()).toBeGreaterThan(before)

  for (const run of running) run.leave()
  await untilLive(gateway, { pollers: 0, listeners: 0 })
  time.push(5)
  expect(await time.waits(0)).toEqual([])
  await untilLive(gateway, { pollers: 0, listeners: 0, coolingDown: 0 })
  while (timers() > before) await new Promise((resolve) => setImmediate(resolve))
  expect(odd.requests).toHaveLength(1 + 80 + 100)
})
