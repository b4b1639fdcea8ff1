import { setImmediate } from "node:timers/promises"
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest"
import type { Config } from "../src/config/config.ts"
import { callTool, withoutNulls } from "./support/agents.ts"
import { errorBody, type FaultName, faults, startWithFault, unusedAddress } from "./support/faultyUpstream.ts"
import { type Result, startGatewayOn } from "./support/gateway.ts"
import { follow, pushedTime } from "./support/live.ts"
import { stopTime } from "./support/time.ts"

/*
 * The one table of faults: every fault in every place where a call can fail, over real sockets, on each path. What is
 * specific to one fault or one place is tested in `upstream.test.ts` and `errors.test.ts`; other executors in
 * `executor.test.ts`. Faults that hang never end by themselves: any response shows that the gateway bounds them.
 */

interface Expected {
  /** The error code of a read, and of a change unless `write` is given. */
  code: string
  /** How often a read is sent. A change is always sent once. */
  attempts?: number
  /** Of a change: `refused` with that code as data, or an error with `outcomeUnknown`, or no failure at all. */
  write?: "refused" | "unknown outcome" | "done"
  retryAfterSeconds?: unknown
}

const unavailable = "UPSTREAM_UNAVAILABLE"
const invalid = "UPSTREAM_INVALID_RESPONSE"
const timeout = "UPSTREAM_TIMEOUT"
const unknownOutcome = "unknown outcome" as const

const expected: Record<FaultName, Expected> = {
  reset: { code: unavailable, attempts: 4, write: unknownOutcome },
  "hang before headers": { code: timeout, write: unknownOutcome },
  "hang mid-body": { code: timeout, write: unknownOutcome },
  drip: { code: timeout, write: unknownOutcome },
  truncated: { code: invalid, attempts: 4, write: unknownOutcome },
  malformed: { code: invalid },
  HTML: { code: invalid },
  // The body of the response to a change is not decoded.
  "wrong shape": { code: invalid, write: "done" },
  "50 MB": { code: invalid, write: unknownOutcome },
  301: { code: invalid },
  304: { code: invalid },
  400: { code: "BAD_USER_INPUT", write: "refused" },
  401: { code: "UNAUTHENTICATED" },
  403: { code: "FORBIDDEN", write: "refused" },
  404: { code: "NOT_FOUND", write: "refused" },
  405: { code: invalid },
  408: { code: timeout },
  409: { code: "CONFLICT", write: "refused" },
  410: { code: "NOT_FOUND" },
  412: { code: invalid },
  413: { code: "BAD_USER_INPUT" },
  414: { code: "BAD_USER_INPUT" },
  418: { code: invalid },
  422: { code: "BAD_USER_INPUT" },
  423: { code: "CONFLICT", write: "refused" },
  429: { code: "RATE_LIMITED", attempts: 4 },
  "429, Retry-After: 0": { code: "RATE_LIMITED", attempts: 4, retryAfterSeconds: 0 },
  "429, Retry-After: an hour": { code: "RATE_LIMITED", retryAfterSeconds: 3600 },
  "429, Retry-After: a date past": { code: "RATE_LIMITED", attempts: 4, retryAfterSeconds: 0 },
  "429, Retry-After: a date in an hour": {
    code: "RATE_LIMITED",
    retryAfterSeconds: expect.toSatisfy((seconds) => seconds > 3500 && seconds <= 3600),
  },
  "429, Retry-After: absurd": { code: "RATE_LIMITED", retryAfterSeconds: 86_400 },
  "429, Retry-After: soon": { code: "RATE_LIMITED", attempts: 4 },
  500: { code: unavailable, write: unknownOutcome },
  501: { code: unavailable, write: unknownOutcome },
  502: { code: unavailable, attempts: 4, write: unknownOutcome },
  503: { code: unavailable, attempts: 4, write: unknownOutcome },
  "503, Retry-After: 0": { code: unavailable, attempts: 4, write: unknownOutcome, retryAfterSeconds: 0 },
  "503, Retry-After: an hour": { code: unavailable, write: unknownOutcome, retryAfterSeconds: 3600 },
  504: { code: timeout, attempts: 4, write: unknownOutcome },
  505: { code: unavailable, write: unknownOutcome },
  599: { code: unavailable, write: unknownOutcome },
  "302 to the same host": { code: invalid },
  "301 to another host": { code: invalid },
  "302 to another host": { code: invalid },
  "303 to another host": { code: invalid },
  "307 to another host": { code: invalid },
  "308 to another host": { code: invalid },
}
const names = Object.keys(faults) as FaultName[]
const statusOf = (fault: FaultName) => (/^\d{3}/.test(fault) && Number(fault.slice(0, 3))) || undefined
const hangs: readonly FaultName[] = ["hang before headers", "hang mid-body", "drip"]
/** Whether the result comes only after timeouts, or after the delays between attempts. */
const takesTime = (fault: FaultName) => hangs.includes(fault) || expected[fault].attempts !== undefined
const isMissing = (fault: FaultName) => expected[fault].code === "NOT_FOUND"

/** How the error of a call that failed by its status begins. */
function messageOf(status: number): string {
  if (status < 400) return "Code Ocean sent an invalid response."
  return status < 500 ? errorBody.message : `Code Ocean is failing (${status}).`
}

/** Where a read can fail: what remains of the response, and whether a missing object is no error there. */
const reads = {
  lookup: {
    route: "GET /capsules/c1",
    endpoint: "GET /capsules/{id}",
    query: `{ broken: capsule(id: "c1") { name } neighbour: capsule(id: "c2") { name } }`,
    path: ["broken"],
    left: { broken: null, neighbour: { name: "Second" } },
    missingIsNull: true,
    otherCalls: 1,
  },
  edge: {
    route: "GET /capsules/c2/app_panel",
    endpoint: "GET /capsules/{id}/app_panel",
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
  search: {
    route: "POST /pipelines/search",
    endpoint: "POST /pipelines/search",
    query: `{ searchPipelines { nodes { name } } neighbour: capsule(id: "c2") { name } }`,
    path: ["searchPipelines"],
    left: { searchPipelines: null, neighbour: { name: "Second" } },
    missingIsNull: false,
    otherCalls: 1,
  },
}

const change = {
  route: "PATCH /capsules/c1/archive",
  endpoint: "PATCH /capsules/{id}/archive",
  query: `mutation {
    broken: archiveCapsule(input: { id: "c1", archived: true }) {
      __typename ... on MutationRefused { code message details }
    }
    neighbour: archiveCapsule(input: { id: "c2", archived: true }) { __typename }
  }`,
}

const subscription = {
  route: "GET /computations/r1",
  query: `subscription { computation(id: "r1") { name } }`,
}

const requests = { ...reads, change }
const routes = Object.values(requests).map(({ route }) => route)

const unhandled: unknown[] = []
const note = (reason: unknown) => unhandled.push(reason)
beforeAll(() => void process.on("unhandledRejection", note))
afterAll(() => {
  process.off("unhandledRejection", note)
  expect(unhandled).toEqual([])
})

interface Options {
  fastPath?: boolean
  config?: Partial<Config>
}

async function start(broken: readonly string[], fault: FaultName, { config, ...options }: Options = {}) {
  const { upstream, elsewhere, spoiled } = await startWithFault(broken, fault)
  const clock = pushedTime()
  // The circuit breaker has its own tests.
  const settings = { upstreamBreakerCalls: 0, ...config }
  const world = startGatewayOn(upstream.url, { ...options, config: settings, clock })
  const url = await world.gateway.listen()
  /** No call is sent to another host, and nothing stays open once the gateway is closed. */
  const nothingLeft = async () => {
    expect(elsewhere.requests).toEqual([])
    await world.gateway.close()
    await vi.waitFor(() => expect(upstream.connections()).toBe(0))
  }
  return { ...world, ask: asker(url), upstream, spoiled, url, clock, nothingLeft }
}

/** Sends requests with their own ids, each from a caller of its own, so that none shares another's calls. */
const asker = (url: string) => async (id: string, query: string, signal?: AbortSignal) => {
  const response = await fetch(`${url}/graphql`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      authorization: `Bearer cop_${id}`,
      "x-request-id": id,
      connection: "close",
    },
    body: JSON.stringify({ query }),
    signal: signal ?? null,
  })
  expect(response.status).toBe(200)
  return (await response.json()) as Result
}

describe.each([
  ["the fast path", true],
  ["Yoga's path", false],
])("on %s", (_way, fastPath) => {
  test.each(names)(
    "a call that meets %s fails no field but its own, and a change that does is never sent twice",
    async (fault) => {
      const time = takesTime(fault) ? stopTime() : undefined
      const { ask, lines, spoiled, nothingLeft } = await start(routes, fault, { fastPath })
      const { code, attempts = 1, write, retryAfterSeconds } = expected[fault]
      const status = statusOf(fault)
      const extensions = (id: keyof typeof requests) => ({
        code,
        requestId: id,
        upstream: status
          ? { endpoint: requests[id].endpoint, status }
          : expect.objectContaining({ endpoint: requests[id].endpoint }),
        retryAfterSeconds,
        // A 401 may mean that the token lacks the scope that the call needs.
        requiredScope: fault === "401" ? (id === "change" ? "Capsule write" : "Capsule read") : undefined,
      })
      const message = status ? expect.stringContaining(messageOf(status)) : expect.any(String)

      const ids = Object.keys(requests) as (keyof typeof requests)[]
      const asked = Promise.all(ids.map((id) => ask(id, requests[id].query)))
      const answers = await (time ? time.passDuring(asked) : asked)
      const lineOf = (id: string) =>
        vi.waitUntil(() => lines.find(({ msg, requestId }) => msg === "request" && requestId === id))

      for (const [at, id] of ids.entries()) {
        if (id === "change") continue
        const { data, errors } = answers[at]!
        const { left, path, missingIsNull, otherCalls, route } = reads[id]
        expect(data, id).toEqual(left)
        expect(errors, id).toEqual(
          missingIsNull && isMissing(fault)
            ? undefined
            : [{ message, path, locations: expect.any(Array), extensions: extensions(id) }],
        )
        // To these two messages the gateway adds which scope or version may be missing.
        if (status && errors && fault !== "401" && fault !== "412")
          expect(errors[0]!.message, id).toBe(messageOf(status))
        expect(spoiled(route), id).toHaveLength(attempts)
        expect((await lineOf(id)).upstreamCalls, id).toBe(attempts + otherCalls)
      }

      const { data, errors } = answers[ids.indexOf("change")]!
      const done = { __typename: "ArchiveCapsulePayload" }
      const details = { datasets: errorBody.datasets }
      const refused = { __typename: "MutationRefused", code, message: errorBody.message, details }
      const broken = write === "refused" ? refused : write === "done" ? done : null
      expect(data).toEqual({ broken, neighbour: done })
      expect(errors).toEqual(
        broken === null
          ? [
              {
                message,
                path: ["broken"],
                locations: expect.any(Array),
                extensions: { ...extensions("change"), outcomeUnknown: write === unknownOutcome ? true : undefined },
              },
            ]
          : undefined,
      )
      if (errors) expect(errors[0]!.message.includes("unknown whether")).toBe(write === unknownOutcome)
      expect(spoiled(change.route)).toHaveLength(1)
      expect((await lineOf("change")).upstreamCalls).toBe(2)
      if (hangs.includes(fault)) {
        await vi.waitFor(() => expect(routes.map(spoiled)).toEqual(routes.map(() => [{ aborted: true }])))
      }
      await nothingLeft()
    },
  )

  const hangUps = Object.entries(requests).flatMap(([where, request]) =>
    hangs.map((fault) => [where, fault, request] as const),
  )
  test.each(hangUps)("a client that hangs up during a %s (%s) cancels it", async (id, fault, { route, query }) => {
    const { ask, spoiled, nothingLeft } = await start([route], fault, { fastPath })
    const leave = new AbortController()
    const left = ask(id, query, leave.signal).catch(() => "left")
    await vi.waitFor(() => expect(spoiled(route)).toHaveLength(1))
    leave.abort()
    expect(await left).toBe("left")
    await vi.waitFor(() => expect(spoiled(route)).toEqual([{ aborted: true }]))
    await nothingLeft()
  })

  test("an upstream that cannot be reached fails every read, and changes as ones that had no effect", async () => {
    const time = stopTime()
    const { gateway } = startGatewayOn(await unusedAddress(), { fastPath })
    const ask = asker(await gateway.listen())
    const asked = Object.entries(requests).map(([id, { query }]) => ask(id, query))
    const answers = await time.passDuring(Promise.all(asked))
    for (const { errors } of answers) {
      expect(new Set(errors!.map(({ extensions }) => extensions.code))).toEqual(new Set([unavailable]))
      expect(errors!.every(({ extensions }) => extensions.outcomeUnknown === undefined)).toBe(true)
      expect(errors!.some(({ message }) => message.includes("unknown whether"))).toBe(false)
    }
  })
})

describe("through a tool for agents", () => {
  const config = { mcp: true, mcpMutations: true }
  const route = "PATCH /data_assets/d1/archive"

  test.each(names)(
    "a tool whose calls meet %s says so with what to do, and a change is never sent twice",
    async (fault) => {
      const time = takesTime(fault) ? stopTime() : undefined
      const { url, spoiled, nothingLeft } = await start([...routes, route], fault, { config })
      const { code, attempts = 1, write } = expected[fault]
      const ids = Object.keys(reads) as (keyof typeof reads)[]
      const asked = Promise.all([
        callTool(url, "change", "archive_data", { id: "d1" }),
        ...ids.map((id) => callTool(url, id, "run_query", { query: reads[id].query })),
      ])
      const [changed, ...answers] = await (time ? time.passDuring(asked) : asked)
      for (const [at, id] of ids.entries()) {
        const { errors, left } = answers[at]!
        const { path, missingIsNull } = reads[id]
        const isLeft = missingIsNull && isMissing(fault)
        const error = { code, path: path.join("."), do: expect.any(String), message: expect.any(String) }
        expect(errors, id).toEqual(isLeft ? undefined : [expect.objectContaining(error)])
        expect(left, id).toEqual(withoutNulls(reads[id].left))
        expect(spoiled(reads[id].route), id).toHaveLength(attempts)
      }
      expect(changed!.errors).toEqual(write === "done" ? undefined : [expect.objectContaining({ code })])
      expect(changed!.errors?.[0]?.do.includes("may have happened") ?? false).toBe(write === unknownOutcome)
      expect(spoiled(route)).toHaveLength(1)
      await nothingLeft()
    },
  )
})

describe("a subscription", () => {
  test.each(names)(
    "a subscription whose calls all meet %s ends with its error within the five minutes for retries",
    async (fault) => {
      const { url, clock, spoiled, nothingLeft } = await start([subscription.route], fault, {
        ...(hangs.includes(fault) && { config: { upstreamTimeoutMs: 100 } }),
      })
      const following = await follow(url, subscription.query)
      let ended = false
      const events = following.rest().finally(() => {
        ended = true
      })
      // Temporary failures are retried for five minutes of the pushed time. Pending work runs between two pushes.
      while (!ended) {
        clock.push(30)
        await setImmediate()
      }
      const [event, ...more] = await events
      expect(event!.data).toEqual({ computation: null })
      expect(event!.errors?.map(({ extensions }) => extensions.code)).toEqual(
        isMissing(fault) ? undefined : [expected[fault].code],
      )
      expect(more).toEqual([])
      expect(spoiled(subscription.route).length).toBeGreaterThan(0)
      await nothingLeft()
    },
  )

  test.each(hangs)("a subscription whose client hangs up cancels a call that meets %s", async (fault) => {
    const { url, spoiled, nothingLeft } = await start([subscription.route], fault)
    // The stream's headers are sent at once, and no event is.
    const following = await follow(url, subscription.query)
    await vi.waitFor(() => expect(spoiled(subscription.route)).toHaveLength(1))
    following.leave()
    await vi.waitFor(() => expect(spoiled(subscription.route)).toEqual([{ aborted: true }]))
    await nothingLeft()
  })

  test("a subscription stays open while upstream cannot be reached, and ends with the gateway", async () => {
    const { gateway } = startGatewayOn(await unusedAddress(), { clock: pushedTime() })
    const following = await follow(await gateway.listen(), subscription.query)
    await gateway.close()
    expect(await following.rest()).toEqual([])
  })
})
