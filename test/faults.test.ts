import { setImmediate } from "node:timers/promises"
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest"
import type { Config } from "../src/config.ts"
import type { GatewayOptions } from "../src/server.ts"
import { type FaultName, faults, startWithFault, unusedAddress } from "./support/faultyUpstream.ts"
import { startGatewayOn } from "./support/gateway.ts"
import { follow, pushedTime } from "./support/live.ts"

/*
 * Every fault in every place where a call can fail, over real sockets. The faults that hang never end by themselves: that an
 * answer comes at all shows that they are bounded.
 */

/** Each way in which a gateway answers; all of them must bear every fault alike. */
const gateways: [string, Pick<GatewayOptions, "compiledExecutor">][] = [
  ["with its own executor", { compiledExecutor: true }],
  ["with the server's executor", { compiledExecutor: false }],
]

/** What becomes of a call. `calls` is how often it is sent; a write always once. */
interface Expected {
  /** Of a read, and of a change where `write` says nothing else; null: no error. */
  code: string | null
  calls?: number
  /** Of a change: `refused` with that code as data, or another code in `errors`; null: it is done. */
  write?: "refused" | "unknown outcome" | { code: string | null }
  retryAfterSeconds?: unknown
}

const unavailable = "UPSTREAM_UNAVAILABLE"
const invalid = "UPSTREAM_INVALID_RESPONSE"
const timeout = "UPSTREAM_TIMEOUT"

/** The one table of what is expected. */
const expected: Record<FaultName, Expected> = {
  reset: { code: unavailable, calls: 4, write: "unknown outcome" },
  "hang before headers": { code: timeout, write: "unknown outcome" },
  "hang mid-body": { code: timeout, write: "unknown outcome" },
  drip: { code: timeout, write: "unknown outcome" },
  truncated: { code: invalid, calls: 4, write: "unknown outcome" },
  malformed: { code: invalid },
  HTML: { code: invalid },
  // Of a change that is done, nobody reads the body.
  "wrong shape": { code: invalid, write: { code: null } },
  401: { code: "UNAUTHENTICATED" },
  403: { code: "FORBIDDEN", write: "refused" },
  404: { code: "NOT_FOUND", write: "refused" },
  409: { code: "CONFLICT", write: "refused" },
  423: { code: "CONFLICT", write: "refused" },
  429: { code: "RATE_LIMITED", calls: 4 },
  "429, Retry-After: 0": { code: "RATE_LIMITED", calls: 4, retryAfterSeconds: 0 },
  "429, Retry-After: an hour": { code: "RATE_LIMITED", retryAfterSeconds: 3600 },
  "429, Retry-After: a date past": { code: "RATE_LIMITED", calls: 4, retryAfterSeconds: 0 },
  "429, Retry-After: a date in an hour": { code: "RATE_LIMITED", retryAfterSeconds: expect.toSatisfy((s) => s > 3500) },
  "429, Retry-After: absurd": { code: "RATE_LIMITED", retryAfterSeconds: 86_400 },
  500: { code: unavailable, write: "unknown outcome" },
  502: { code: unavailable, calls: 4, write: "unknown outcome" },
  503: { code: unavailable, calls: 4, write: "unknown outcome" },
  504: { code: timeout, calls: 4, write: "unknown outcome" },
  "redirect to the same host": { code: invalid },
  "redirect to another host": { code: invalid },
  "50 MB": { code: invalid, write: "unknown outcome" },
}
const names = Object.keys(faults) as FaultName[]

/** Where a call can fail: what is left of the answer, and whether an object that is missing there is no error. */
const reads = {
  "a single read": {
    route: "GET /capsules/c1",
    query: `{ broken: capsule(id: "c1") { name } neighbour: capsule(id: "c2") { name } }`,
    path: ["broken"],
    left: { broken: null, neighbour: { name: "Second" } },
    missingIsNull: true,
    otherCalls: 1,
  },
  "a nested read in a list": {
    route: "GET /capsules/c2/app_panel",
    query: "{ searchCapsules { nodes { name appPanel { general { title } } } } }",
    path: ["searchCapsules", "nodes", 1, "appPanel"],
    left: {
      searchCapsules: {
        nodes: [
          { name: "c1", appPanel: { general: { title: "Panel" } } },
          { name: "c2", appPanel: null },
          { name: "c3", appPanel: { general: { title: "Panel" } } },
        ],
      },
    },
    missingIsNull: true,
    otherCalls: 3,
  },
  "a search page": {
    route: "POST /capsules/search",
    query: `{ searchCapsules { nodes { name } } neighbour: capsule(id: "c2") { name } }`,
    path: ["searchCapsules"],
    left: { searchCapsules: null, neighbour: { name: "Second" } },
    missingIsNull: false,
    otherCalls: 1,
  },
}

const mutation = {
  route: "PATCH /capsules/c1/archive",
  query: `mutation {
    broken: archiveCapsule(input: { id: "c1", archived: true }) { __typename ... on MutationRefused { code } }
    neighbour: archiveCapsule(input: { id: "c2", archived: true }) { __typename }
  }`,
}

const subscription = {
  route: "GET /computations/r1",
  query: `subscription { computation(id: "r1") { name } }`,
}

const unhandled: unknown[] = []
const note = (reason: unknown) => unhandled.push(reason)
beforeAll(() => void process.on("unhandledRejection", note))
afterAll(() => {
  process.off("unhandledRejection", note)
  expect(unhandled).toEqual([])
})

describe.each(gateways)("a gateway %s", (_how, executor) => {
  async function start(route: string, fault: FaultName, config: Partial<Config> = {}) {
    const { upstream, elsewhere, spoiled } = await startWithFault(route, fault)
    const isSlow = expected[fault].code === timeout && fault !== "504"
    const time = pushedTime()
    const world = startGatewayOn(upstream.url, {
      ...executor,
      config: { upstreamTimeoutMs: isSlow ? 150 : 15_000, ...config },
      clock: time,
    })
    const url = await world.gateway.listen()
    const ask = async (query: string, signal: AbortSignal | null = null) => {
      const response = await fetch(`${url}/graphql`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: "Bearer cop_somebody", connection: "close" },
        body: JSON.stringify({ query }),
        signal,
      })
      expect(response.status).toBe(200)
      // biome-ignore lint/suspicious/noExplicitAny: answers have any shape.
      return (await response.json()) as { data: any; errors?: any[] }
    }
    /** How many calls the gateway says that it made for its only request. */
    const counted = async () => {
      const line = await vi.waitUntil(() => world.lines.find(({ msg }) => msg === "request"))
      return line.upstreamCalls
    }
    /** No call goes elsewhere, and nothing stays open once the gateway is closed. */
    const nothingLeft = async () => {
      expect(elsewhere.requests).toEqual([])
      await world.gateway.close()
      await vi.waitFor(() => expect(upstream.connections()).toBe(0))
    }
    return { ...world, upstream, spoiled, url, ask, time, counted, nothingLeft }
  }

  describe.each(Object.entries(reads))("%s", (_where, place) => {
    test.each(names)("%s", async (fault) => {
      const { ask, spoiled, counted, nothingLeft } = await start(place.route, fault)
      const { calls = 1, retryAfterSeconds, ...row } = expected[fault]
      const code = place.missingIsNull && fault === "404" ? null : row.code
      const { data, errors } = await ask(place.query)
      expect(data).toEqual(place.left)
      expect(errors?.map(({ path, extensions }) => [path, extensions.code])).toEqual(
        code === null ? undefined : [[place.path, code]],
      )
      expect(errors?.[0].extensions.retryAfterSeconds).toEqual(retryAfterSeconds)
      expect(spoiled()).toHaveLength(calls)
      expect(await counted()).toBe(calls + place.otherCalls)
      await nothingLeft()
    })
  })

  describe("a mutation", () => {
    test.each(names)("%s", async (fault) => {
      const { ask, spoiled, counted, nothingLeft } = await start(mutation.route, fault)
      const { write, code: readCode } = expected[fault]
      const { data, errors } = await ask(mutation.query)
      const code = typeof write === "object" ? write.code : readCode
      const done = { __typename: "ArchiveCapsulePayload" }
      const refused = { __typename: "MutationRefused", code }
      expect(data).toEqual({ broken: write === "refused" ? refused : code === null ? done : null, neighbour: done })
      const inErrors = write !== "refused" && code !== null
      expect(errors?.map(({ extensions }) => [extensions.code, extensions.outcomeUnknown])).toEqual(
        inErrors ? [[code, write === "unknown outcome" ? true : undefined]] : undefined,
      )
      expect(spoiled()).toHaveLength(1)
      expect(await counted()).toBe(2)
      await nothingLeft()
    })
  })

  describe("a subscription", () => {
    test.each(names)("%s", async (fault) => {
      const { url, time, spoiled, nothingLeft } = await start(subscription.route, fault)
      const following = await follow(url, subscription.query)
      let ended = false
      const events = following.rest().finally(() => {
        ended = true
      })
      // What passes is borne for five minutes of the pushed time; between two pushes everyone has a turn.
      while (!ended) {
        time.push(30)
        await setImmediate()
      }
      const [event, ...more] = await events
      expect(event!.data).toEqual({ computation: null })
      expect(event!.errors?.map(({ extensions }) => extensions.code)).toEqual(
        fault === "404" ? undefined : [expected[fault].code],
      )
      expect(more).toEqual([])
      expect(spoiled().length).toBeGreaterThan(0)
      await nothingLeft()
    })
  })

  const places = { ...reads, "a mutation": mutation, "a subscription": subscription }
  const slow = ["hang before headers", "hang mid-body", "drip"] as const
  const hangUps = Object.entries(places).flatMap(([where, place]) =>
    slow.map((fault) => [where, fault, place] as const),
  )

  test.each(hangUps)("a client that hangs up on %s (%s) cancels it", async (_where, fault, { route, query }) => {
    const { url, ask, spoiled, nothingLeft } = await start(route, fault, { upstreamTimeoutMs: 15_000 })
    const leave = new AbortController()
    if (query.startsWith("subscription")) {
      // The stream's headers come at once, its first event never.
      const following = await follow(url, query)
      await vi.waitFor(() => expect(spoiled()).toHaveLength(1))
      following.leave()
    } else {
      const left = ask(query, leave.signal).catch(() => "left")
      await vi.waitFor(() => expect(spoiled()).toHaveLength(1))
      leave.abort()
      expect(await left).toBe("left")
    }
    await vi.waitFor(() => expect(spoiled()).toEqual([{ aborted: true }]))
    await nothingLeft()
  })

  test.each(Object.entries(places))("%s while nobody listens", async (_where, { query }) => {
    const { ask, gateway } = startGatewayOn(await unusedAddress(), { ...executor, clock: pushedTime() })
    if (query.startsWith("subscription")) {
      const following = await follow(await gateway.listen(), query)
      // It is borne: the stream stays open, and ends with the gateway.
      await gateway.close()
      expect(await following.rest()).toEqual([])
      return
    }
    const { errors } = await ask(query)
    expect(new Set(errors!.map(({ extensions }) => extensions.code))).toEqual(new Set([unavailable]))
    expect(errors!.every(({ extensions }) => extensions.outcomeUnknown === undefined)).toBe(true)
  })
})
