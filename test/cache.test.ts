import { describe, expect, test, vi } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { createExamples } from "../src/http/graphiql/examples.ts"
import { maxKeptBytes } from "../src/upstream/responseCache.ts"
import { type ChangingUpstream, cacheFor, startChanging } from "./support/cache.ts"
import { startAnswering } from "./support/faultyUpstream.ts"
import { callsOf, type Result, startGateway, startGatewayOn } from "./support/gateway.ts"
import { follow } from "./support/live.ts"
import { startMeasuredGatewayOn } from "./support/metrics.ts"
import { type StoppedTime, stopTime } from "./support/time.ts"

const ada = { authorization: `Bearer ${tokens.ada}` }
const withCost = { ...ada, "x-upstream-cost": "1" }
const asset = `{ dataAsset(id: "d1") { name } }`
const capsule = `{ capsule(id: "c1") { name } }`
const search = `{ searchDataAssets(first: 5) { nodes { name } } }`
const update = (name: string) => `mutation { updateDataAsset(input: {id: "d1", name: "${name}"}) { __typename } }`
const nameIn = ({ data }: Result): string => Object.values<{ name: string }>(data)[0]?.name as string

/** A gateway with a cache on an upstream whose objects change, and a clock that stands still. */
async function startCached(seconds = "100", config: Parameters<typeof startGatewayOn>[1] = {}) {
  const upstream = await startChanging()
  const world = startGatewayOn(upstream.url, { ...config, config: { ...cacheFor(seconds), ...config.config } })
  await world.gateway.listen()
  return { upstream, time: stopTime(), ...world }
}

/** What upstream answers when the test says so. */
function held() {
  const { promise, resolve } = Promise.withResolvers<void>()
  const hold = <T>(usual: T): Promise<T> => promise.then(() => usual)
  return { hold, letGo: resolve }
}

/** Waits until upstream has so many calls to this path. */
const arrived = ({ calls }: Pick<ChangingUpstream, "calls">, call: string, count = 1) =>
  vi.waitFor(() => expect(calls().filter((other) => other === call)).toHaveLength(count))

describe("a cache that is off", () => {
  test("keeps nothing, and no cost speaks of it", async () => {
    const { ask, sandbox, lines } = await startGateway()
    const query = `{ capsule(id: "${seed.cellCounter}") { name } }`
    for (const times of [1, 2]) {
      const { extensions } = await ask(query, {}, withCost)
      expect(extensions.cost).toEqual({ estimatedUpstreamCalls: 1, upstreamCalls: 1, sharedCalls: 0 })
      expect(Object.keys(extensions.cost)).not.toContain("cachedCalls")
      expect(sandbox.requests).toHaveLength(times)
    }
    expect(JSON.stringify(lines)).not.toContain("cached")
  })
})

describe("a cached response", () => {
  test("answers the same query again, and the cost and the log say so", async () => {
    const { ask, sandbox, lines } = await startGateway({ config: cacheFor("60") })
    const query = `{ searchCapsules(first: 5, query: "tag:ecephys") { nodes { name appPanel { general { title } } } } customMetadata { categories } }`
    const first = await ask(query, {}, withCost)
    const calls = sandbox.requests.length
    expect(first.extensions.cost).toMatchObject({ upstreamCalls: calls, cachedCalls: 0 })
    const second = await ask(query, {}, withCost)
    expect(second.data).toEqual(first.data)
    // Code Ocean has no panel for some capsules, which it says by 404.
    const missing = sandbox.requests.length - calls
    expect(missing).toBeLessThan(calls / 2)
    expect(second.extensions.cost).toMatchObject({ upstreamCalls: missing, cachedCalls: calls - missing })
    expect(second.extensions.cost.estimatedUpstreamCalls).toBe(first.extensions.cost.estimatedUpstreamCalls)
    const line = lines.findLast(({ msg }) => msg === "request")
    expect(line).toMatchObject({ upstreamCalls: missing, cachedCalls: calls - missing })
    expect(lines.filter(({ msg, cached }) => msg === "upstream call" && cached)).toHaveLength(calls - missing)
  })

  test("equals what Code Ocean has sent, for each example in GraphiQL that only reads", async () => {
    const { ask, sandbox } = await startGateway({ config: cacheFor("60") })
    const { ask: askDirectly } = startGatewayOn(sandbox.url)
    for (const { query, variables } of createExamples().slice(0, 3)) {
      const direct = await askDirectly(query, variables)
      await ask(query, variables)
      expect(await ask(query, variables), query).toEqual(direct)
    }
  })

  test("keeps numbers that a double cannot hold", async () => {
    const body =
      '{"id":"d1","name":"Big","state":"ready","type":"dataset","custom_metadata":{"code":12345678901234567890}}'
    const upstream = await startAnswering({ "/data_assets/d1": body, "/custom_metadata": "{}" })
    const { ask } = startGatewayOn(upstream.url, { config: cacheFor("60") })
    const query = `{ dataAsset(id: "d1") { customMetadata { key value } } }`
    const first = await ask(query)
    expect(JSON.stringify(first)).toContain("12345678901234567890")
    expect(await ask(query)).toEqual(first)
    expect(callsOf(upstream.requests)).toMatchObject({ "GET /data_assets/d1": 1 })
  })

  test("is served until its time has passed, and not longer", async () => {
    const { ask, upstream, time } = await startCached()
    expect(nameIn(await ask(asset))).toBe("first")
    upstream.setName("second")
    time.pass(49_000)
    expect(nameIn(await ask(asset))).toBe("first")
    expect(upstream.requests).toHaveLength(1)
    time.pass(51_001)
    expect(nameIn(await ask(asset))).toBe("second")
  })

  test("counts towards the limit of calls like a call that was sent", async () => {
    const { ask } = await startGateway({ config: { ...cacheFor("60"), limits: { calls: 2 } } })
    const ids = [seed.countedCells, seed.failedCount, seed.stoppedCount]
    const query = `{ ${ids.map((id, at) => `c${at}: computation(id: "${id}") { name }`).join(" ")} }`
    const first = await ask(query)
    expect(first.errors).toHaveLength(1)
    expect(await ask(query)).toMatchObject({ data: first.data, errors: [{ message: first.errors?.[0]?.message }] })
  })
})

describe("somebody who wants to see what is not meant for them", () => {
  const everything = `{
    me: searchCapsules(first: 20) { nodes { id name } }
    mine: searchDataAssets(first: 20) { nodes { id name } }
    private: capsule(id: "${seed.privateNotebook}") { name }
    atlas: capsule(id: "${seed.discoverableAtlas}") { name }
    grace: capsule(id: "${seed.graceNotebook}") { name }
    run: computation(id: "${seed.graceRun}") { name }
    customMetadata { categories }
  }`

  test("gets the same as without a cache, whatever other callers and agents have asked before", async () => {
    const { ask, sandbox } = await startGateway({ config: cacheFor("60") })
    const { ask: askDirectly } = startGatewayOn(sandbox.url)
    const callers = Object.values(tokens).map((token) => ({ authorization: `Bearer ${token}` }))
    const withoutIds = ({ data, errors }: Result) => ({
      data,
      errors: errors?.map(({ message, path, extensions: { requestId: _, ...rest } }) => ({ message, path, rest })),
    })
    for (const _ of [1, 2]) {
      for (const headers of [...callers, ...callers.map((caller) => ({ ...caller, "agent-id": "a helper" })), {}]) {
        const direct = await askDirectly(everything, {}, headers)
        expect(withoutIds(await ask(everything, {}, headers))).toEqual(withoutIds(direct))
      }
    }
  })

  test("gets no response of an agent with the same token, nor one of another token", async () => {
    const { ask, upstream } = await startCached()
    const agents = [ada, ...["one", "two", "one two"].map((agent) => ({ ...ada, "agent-id": agent }))]
    for (const agent of agents) await ask(asset, {}, agent)
    await ask(asset, {}, { authorization: `Bearer ${tokens.grace}` })
    expect(upstream.requests).toHaveLength(agents.length + 1)
    for (const agent of agents) await ask(asset, {}, agent)
    expect(upstream.requests).toHaveLength(agents.length + 1)
  })

  test("who has no token, or a malformed one, gets nothing from the cache", async () => {
    const { ask } = await startCached()
    await ask(asset)
    for (const headers of [{}, { authorization: `Bearer ${tokens.ada}x:` }, { authorization: "Basic !" }]) {
      expect(await ask(asset, {}, headers as Record<string, string>)).toMatchObject({
        data: { dataAsset: null },
        errors: [{ extensions: { code: "UNAUTHENTICATED" } }],
      })
    }
  })

  test("whose token was revoked is served until the time of the response has passed, and not after Code Ocean has said so", async () => {
    const { ask, upstream, time } = await startCached()
    const revoke = () =>
      upstream.answerNext("GET /data_assets/d1", () => ({ status: 401, body: { message: "revoked" } }))
    await ask(asset)
    time.pass(40_000)
    expect(nameIn(await ask(asset))).toBe("first")
    // From now on, the response is renewed.
    time.pass(20_000)
    revoke()
    expect(nameIn(await ask(asset))).toBe("first")
    await arrived(upstream, "GET /data_assets/d1", 2)
    revoke()
    await vi.waitFor(async () => {
      expect(await ask(asset)).toMatchObject({ errors: [{ extensions: { code: "UNAUTHENTICATED" } }] })
    })
  })
})

describe("a caller's own change", () => {
  /** Asks until the cache would answer, and returns what was seen. */
  async function seenFor(time: StoppedTime, ask: () => Promise<Result>): Promise<string[]> {
    const names: string[] = []
    for (let seconds = 0; seconds < 200; seconds += 10) {
      names.push(nameIn(await ask()))
      time.pass(10_000)
    }
    return [...new Set(names)]
  }

  test("is seen by the next read of the caller, of each kind, and whichever agent acts", async () => {
    const { ask, time } = await startCached()
    const agent = { ...ada, "agent-id": "a helper" }
    const asks = [() => ask(asset), () => ask(capsule), () => ask(asset, {}, agent)]
    for (const query of asks) expect(nameIn(await query())).toBe("first")
    await ask(search)
    await ask(update("second"))
    for (const query of asks) expect(nameIn(await query())).toBe("second")
    expect((await ask(search)).data.searchDataAssets.nodes).toEqual([{ name: "second" }])
    await ask(update("third"), {}, agent)
    for (const query of asks) expect(await seenFor(time, query)).toEqual(["third"])
  })

  test("makes all reads of the caller pass the cache by for a minute, and those of others not at all", async () => {
    const { ask, upstream, time } = await startCached("1000")
    const grace = { authorization: `Bearer ${tokens.grace}` }
    await ask(asset, {}, grace)
    await ask(update("second"))
    const calls = () => upstream.requests.length
    for (const _ of [1, 2, 3]) {
      const before = calls()
      await ask(asset)
      expect(calls() - before).toBe(1)
      time.pass(19_000)
    }
    time.pass(4_000)
    const before = calls()
    for (const _ of [1, 2, 3]) await ask(asset)
    expect(calls() - before).toBe(1)
    expect(nameIn(await ask(asset, {}, grace))).toBe("first")
  })

  test("is not undone by a read that began before it and ends after it", async () => {
    const { ask, upstream, time } = await startCached("1000")
    const slow = held()
    upstream.answerNext("GET /data_assets/d1", slow.hold)
    const early = ask(asset)
    await arrived(upstream, "GET /data_assets/d1")
    await ask(update("second"))
    slow.letGo()
    expect(nameIn(await early)).toBe("first")
    expect(await seenFor(time, () => ask(asset))).toEqual(["second"])
  })

  test("is not undone by a read that began while it was under way", async () => {
    const { ask, upstream, time } = await startCached("1000")
    const [change, read] = [held(), held()]
    upstream.answerNext("PUT /data_assets/d1", change.hold)
    const changed = ask(update("second"))
    await arrived(upstream, "PUT /data_assets/d1")
    // The change has taken effect, but this read was faster.
    upstream.setName("first")
    upstream.answerNext("GET /data_assets/d1", read.hold)
    const early = ask(asset)
    await arrived(upstream, "GET /data_assets/d1", 2)
    upstream.setName("second")
    change.letGo()
    await changed
    read.letGo()
    expect(nameIn(await early)).toBe("first")
    expect(await seenFor(time, () => ask(asset))).toEqual(["second"])
  })

  test("is not undone by a renewal that began before it", async () => {
    const { ask, upstream, time } = await startCached("1000")
    await ask(asset)
    time.pass(600_000)
    const renewal = held()
    upstream.answerNext("GET /data_assets/d1", renewal.hold)
    await ask(asset)
    await arrived(upstream, "GET /data_assets/d1", 2)
    await ask(update("second"))
    renewal.letGo()
    expect(await seenFor(time, () => ask(asset))).toEqual(["second"])
  })

  test.each([
    ["answered 500, although it has taken effect", () => ({ status: 500, body: { message: "oops" } })],
    ["answered with what is no JSON", () => ({ body: "<html>" })],
    ["refused", () => ({ status: 400, body: { message: "no" } })],
  ])("drops what is kept if it is %s", async (_how, answer) => {
    const { ask, upstream } = await startCached()
    await ask(asset)
    upstream.answerNext("PUT /data_assets/d1", answer)
    await ask(update("second"))
    expect(nameIn(await ask(asset))).toBe("second")
  })

  test("drops what is kept if it is not answered before the deadline, and takes effect later", async () => {
    const { ask, upstream, time } = await startCached("1000")
    await ask(asset)
    const change = held()
    upstream.answerNext("PUT /data_assets/d1", change.hold)
    const changed = ask(update("second"))
    await arrived(upstream, "PUT /data_assets/d1")
    upstream.setName("first")
    expect(await time.passDuring(changed)).toMatchObject({ data: { updateDataAsset: null } })
    expect(nameIn(await ask(asset))).toBe("first")
    time.pass(10_000)
    upstream.setName("second")
    expect(await seenFor(time, () => ask(asset))).toEqual(["second"])
  })

  test("is made on what is there now: what a mutation reads never comes from the cache", async () => {
    const { ask, upstream } = await startCached()
    await ask(asset)
    upstream.setName("changed by somebody else")
    await ask(`mutation { updateDataAsset(input: {id: "d1", description: "new"}) { __typename } }`)
    const [put] = upstream.requests.filter(({ method }) => method === "PUT")
    expect(JSON.parse(put?.body as string)).toMatchObject({ name: "changed by somebody else", description: "new" })
  })

  test("is in the payload of its mutation", async () => {
    const { ask } = await startCached()
    await ask(asset)
    const { data } = await ask(
      `mutation { updateDataAsset(input: {id: "d1", name: "second"}) { ... on UpdateDataAssetPayload { dataAsset { name } } } }`,
    )
    expect(data.updateDataAsset).toEqual({ dataAsset: { name: "second" } })
  })
})

describe("what is never kept", () => {
  /** How many calls two equal queries make. */
  async function callsOfTwo(query: string, options?: Parameters<typeof startGateway>[0]) {
    const { ask, sandbox } = await startGateway({ ...options, config: { ...cacheFor("60"), ...options?.config } })
    await ask(query)
    const calls = sandbox.requests.length
    await ask(query)
    return { first: callsOf(sandbox.requests.slice(0, calls)), second: callsOf(sandbox.requests.slice(calls)) }
  }

  test.each([
    [
      "signed addresses",
      `{ computation(id: "${seed.countedCells}") { resultFile(path: "output") { downloadUrl viewUrl } } }`,
    ],
    ["the contents of files", `{ computation(id: "${seed.countedCells}") { resultFile(path: "output") { text } } }`],
    ["folders of results", `{ computation(id: "${seed.countedCells}") { results { entries { name } } } }`],
    ["permissions", `{ capsule(id: "${seed.cellCounter}") { permissions { everyone } } }`],
    ["a release job", `{ capsule(id: "${seed.cellCounter}") { release(jobId: "${seed.secondRelease}") { status } } }`],
    ["a run that goes on", `{ computation(id: "${seed.runningAlignment}") { state } }`],
    [
      "a list with a run that goes on",
      `{ capsule(id: "${seed.sequenceAligner}") { computations(first: 5) { nodes { state } } } }`,
    ],
    ["what does not exist", `{ dataAsset(id: "${seed.graceRun}") { name } }`],
    ["what the caller may not open", `{ capsule(id: "${seed.graceNotebook}") { name } }`],
  ])("%s", async (_what, query) => {
    const { first, second } = await callsOfTwo(query)
    expect(Object.keys(first)).not.toEqual([])
    expect(second).toEqual(first)
  })

  test.each([
    ["a draft", { id: "d1", name: "Draft", state: "draft" }],
    ["an object of an unknown state", { id: "d1", name: "Draft", state: "moving" }],
    ["an object without a state", { id: "d1", name: "Draft" }],
    ["another object than the one that was asked for", { id: "d2", name: "Other", state: "ready" }],
    ["a response that is no JSON", "<html>"],
    [
      "an address with a signature",
      { id: "d1", name: "S", state: "ready", description: "https://s3/x?X-Amz-Signature=1" },
    ],
    [
      "an address with an escaped signature",
      '{"id":"d1","name":"S","state":"ready","x":"https://s/x?a=1\\u0026sig=2"}',
    ],
    [
      "an address with a password",
      { id: "d1", name: "S", state: "ready", mount: "https://ada:secret@git.example.org" },
    ],
    ["the caller's token", { id: "d1", name: tokens.ada, state: "ready" }],
    ["the caller's token in Base64", { id: "d1", name: btoa(`${tokens.ada}:`), state: "ready" }],
    ["a response of more than 256 KiB", { id: "d1", name: "x".repeat(maxKeptBytes), state: "ready" }],
  ])("%s", async (_what, body) => {
    const upstream = await startAnswering({ "/data_assets/d1": body })
    const { ask } = startGatewayOn(upstream.url, { config: cacheFor("60") })
    for (const _ of [1, 2]) await ask(asset)
    expect(upstream.requests).toHaveLength(2)
  })

  test.each([201, 203, 206])("a response with the status %s", async (status) => {
    const { ask, upstream } = await startCached()
    for (const _ of [1, 2]) {
      upstream.answerNext("GET /data_assets/d1", (usual) => ({ ...usual, status }))
      await ask(asset)
    }
    expect(upstream.requests).toHaveLength(2)
  })

  test("a search page with a draft, or with a result that cannot be read", async () => {
    for (const odd of [{ id: "d2", state: "draft" }, { name: "no id" }]) {
      const upstream = await startAnswering({
        "/data_assets/search": { has_more: false, results: [{ id: "d1", name: "One", state: "ready" }, odd] },
      })
      const { ask } = startGatewayOn(upstream.url, { config: cacheFor("60") })
      for (const _ of [1, 2]) await ask(`{ searchDataAssets(first: 5) { nodes { id } } }`)
      expect(upstream.requests).toHaveLength(2)
    }
  })

  test("what a subscription reads for its events", async () => {
    const { ask, sandbox, gateway } = await startGateway({ config: cacheFor("60") })
    const assets = `dataAssets { dataAsset { name } }`
    await ask(`{ computation(id: "${seed.countedCells}") { ${assets} } }`)
    const calls = sandbox.requests.length
    const url = await gateway.listen()
    const stream = await follow(url, `subscription { computation(id: "${seed.countedCells}") { ${assets} } }`)
    await stream.rest()
    expect(sandbox.requests.length).toBe(2 * calls)
  })
})

describe("CACHE_TTL_SECONDS with kinds", () => {
  /** How often each route is called by three rounds of all reads, 30 s apart. */
  async function callsWith(seconds: string) {
    const panel = { general: { title: "Panel" } }
    const upstream = await startAnswering({
      "/custom_metadata": { categories: [] },
      "/capsules/released": { id: "released", name: "R", status: "release" },
      "/capsules/own": { id: "own", name: "O", status: "non_release" },
      "/capsules/own/app_panel": panel,
      "/capsules/own/app_panel?version=1": panel,
      "/computations/ended": { id: "ended", name: "E", state: "completed" },
    })
    const { ask, gateway } = startGatewayOn(upstream.url, { config: cacheFor(seconds) })
    await gateway.listen()
    const time = stopTime()
    for (const _ of [1, 2, 3]) {
      await ask(`{ customMetadata { categories } released: capsule(id: "released") { name }
        own: capsule(id: "own") { name appPanel { general { title } } first: appPanel(version: 1) { general { title } } }
        computation(id: "ended") { name } }`)
      time.pass(30_000)
    }
    return callsOf(upstream.requests)
  }

  test("keeps each kind for its own time", async () => {
    expect(await callsWith("custom_metadata=3600,release_app_panels=3600,releases=3600")).toEqual({
      "GET /custom_metadata": 1,
      "GET /capsules/released": 1,
      "GET /capsules/own": 3,
      "GET /capsules/own/app_panel": 3,
      "GET /capsules/own/app_panel?version=1": 1,
      "GET /computations/ended": 3,
    })
    expect(await callsWith("3600,computations=0,capsules=10")).toEqual({
      "GET /custom_metadata": 1,
      "GET /capsules/released": 1,
      "GET /capsules/own": 3,
      "GET /capsules/own/app_panel": 1,
      "GET /capsules/own/app_panel?version=1": 1,
      "GET /computations/ended": 3,
    })
  })
})

describe("Cache-Control of a request", () => {
  test("no-cache passes the cache by and renews what is kept, no-store only passes it by", async () => {
    const { ask, upstream } = await startCached()
    await ask(asset)
    upstream.setName("second")
    expect(nameIn(await ask(asset, {}, { ...ada, "cache-control": "no-store" }))).toBe("second")
    expect(nameIn(await ask(asset, {}, { ...ada, "cache-control": "max-age=5, private" }))).toBe("first")
    expect(nameIn(await ask(asset, {}, { ...ada, "cache-control": "max-age=0, No-Cache" }))).toBe("second")
    expect(nameIn(await ask(asset))).toBe("second")
  })

  test("no-cache drops what is kept if Code Ocean no longer gives it", async () => {
    const { ask, upstream } = await startCached()
    const gone = () => upstream.answerNext("GET /data_assets/d1", () => ({ status: 404, body: { message: "gone" } }))
    await ask(asset)
    gone()
    const refreshed = await ask(asset, {}, { ...ada, "cache-control": "no-cache" })
    expect(refreshed.data).toEqual({ dataAsset: null })
    gone()
    expect((await ask(asset)).data).toEqual({ dataAsset: null })
  })
})

describe("a response in the second half of its time", () => {
  test("is served at once and renewed once in the background, however many ask for it", async () => {
    const { ask, upstream, time } = await startCached()
    await ask(asset)
    time.pass(60_000)
    upstream.setName("second")
    const renewal = held()
    upstream.answerNext("GET /data_assets/d1", renewal.hold)
    const names = await Promise.all(Array.from({ length: 20 }, () => ask(asset)))
    expect(new Set(names.map(nameIn))).toEqual(new Set(["first"]))
    await arrived(upstream, "GET /data_assets/d1", 2)
    renewal.letGo()
    await vi.waitFor(async () => expect(nameIn(await ask(asset))).toBe("second"))
    expect(upstream.requests).toHaveLength(2)
    // It has a whole time again.
    time.pass(99_000)
    upstream.setName("third")
    expect(nameIn(await ask(asset))).toBe("second")
  })

  test("counts its renewal as a call of the request, which has ended before", async () => {
    const { ask, upstream, time, lines } = await startCached()
    await ask(asset)
    time.pass(60_000)
    const renewal = held()
    upstream.answerNext("GET /data_assets/d1", renewal.hold)
    const { extensions } = await ask(asset, {}, withCost)
    expect(extensions.cost).toMatchObject({ upstreamCalls: 1, cachedCalls: 1 })
    await arrived(upstream, "GET /data_assets/d1", 2)
    expect(lines.filter(({ msg }) => msg === "request")).toHaveLength(2)
    renewal.letGo()
  })

  test("is served while Code Ocean is down, until its time has passed, and its renewal is not retried", async () => {
    const { ask, upstream, time } = await startCached()
    const down = (times: number) => {
      for (let at = 0; at < times; at++) upstream.answerNext("GET /data_assets/d1", () => ({ status: 503 }))
    }
    await ask(asset)
    time.pass(60_000)
    down(20)
    expect(nameIn(await ask(asset))).toBe("first")
    await arrived(upstream, "GET /data_assets/d1", 2)
    time.pass(10_000)
    expect(nameIn(await ask(asset))).toBe("first")
    expect(upstream.requests).toHaveLength(2)
    time.pass(30_001)
    const { errors } = await time.passDuring(ask(asset))
    expect(errors).toMatchObject([{ extensions: { code: "UPSTREAM_UNAVAILABLE" } }])
  })

  test("has a renewal that ends at the deadline of a request, and the token with it", async () => {
    const { ask, upstream, time, lines } = await startCached("1000")
    await ask(asset)
    time.pass(600_000)
    upstream.answerNext("GET /data_assets/d1", () => new Promise(() => undefined))
    await ask(asset)
    await arrived(upstream, "GET /data_assets/d1", 2)
    await time.passUntil(() =>
      lines.some(({ msg, failure }) => msg === "upstream call failed" && failure === "timeout"),
    )
    expect(lines.filter(({ msg }) => msg === "upstream call failed")).toHaveLength(1)
  })
})

describe("equal reads at the same time", () => {
  test("that find nothing in the cache are sent once", async () => {
    const { ask, upstream } = await startCached()
    const first = held()
    upstream.answerNext("GET /data_assets/d1", first.hold)
    const answers = Promise.all(Array.from({ length: 32 }, () => ask(asset)))
    await arrived(upstream, "GET /data_assets/d1")
    await ask("{ __typename }")
    first.letGo()
    expect(new Set((await answers).map(nameIn))).toEqual(new Set(["first"]))
    await ask(asset)
    expect(upstream.requests).toHaveLength(1)
  })
})

test("each read that asks the cache is counted by its outcome, and the memory of the cache is shown", async () => {
  const upstream = await startChanging()
  const { ask, gateway, render, samples, total } = startMeasuredGatewayOn(upstream.url, { config: cacheFor("100") })
  await gateway.listen()
  const time = stopTime()
  // An alert compares the hits with all reads, also if there are none.
  for (const outcome of ["hit", "stale", "miss", "bypass", "error"])
    expect(await render()).toContain(`gateway_cache_reads_total{store="memory",outcome="${outcome}"} 0`)
  const counts = async () =>
    Object.fromEntries((await samples("gateway_cache_reads_total")).map(({ labels, value }) => [labels.outcome, value]))
  await ask(asset)
  await ask(asset)
  expect(await counts()).toEqual({ miss: 1, hit: 1 })
  await ask(asset, {}, { ...ada, "cache-control": "no-cache" })
  time.pass(60_000)
  await ask(asset)
  expect(await counts()).toEqual({ miss: 1, hit: 1, bypass: 1, stale: 1 })
  const bytes = await total("gateway_cache_bytes")
  expect(bytes).toBeGreaterThan(100)
  expect(bytes).toBeLessThan(10_000)
  expect((await samples("gateway_cache_reads_total")).map(({ labels }) => labels.store)).toEqual(
    Array(4).fill("memory"),
  )
})
