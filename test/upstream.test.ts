import { describe, expect, onTestFinished, test, vi } from "vitest"
import type { Failure } from "../sandbox/failures.ts"
import { seed, tokens } from "../sandbox/seed.ts"
import { readConfig } from "../src/config/config.ts"
import { maxAttempts, parseRetryAfterMs, retryDelayMs } from "../src/upstream/retry.ts"
import { startFaultyUpstream, unusedAddress } from "./support/faultyUpstream.ts"
import { type Result, startGateway, startGatewayOn } from "./support/gateway.ts"
import { stopTime } from "./support/time.ts"

const capsuleRoute = `GET /capsules/${seed.cellCounter}`
const archiveRoute = `PATCH /capsules/${seed.cellCounter}/archive`
const nameOf = (id: string = seed.cellCounter) => `{ capsule(id: "${id}") { name } }`
const archive = `mutation {
  archiveCapsule(input: { id: "${seed.cellCounter}", archived: true }) {
    ... on ArchiveCapsulePayload { capsule { id } } ... on MutationRefused { code message }
  }
}`
const remove = `mutation {
  deleteCapsule(input: { id: "${seed.archivedNotebook}" }) {
    ... on DeleteCapsulePayload { deletedCapsuleId } ... on MutationRefused { code message }
  }
}`
const unknownOutcome = "It is unknown whether the change happened"
const passing: [string, Failure][] = [
  ["a 429", { status: 429, body: { message: "too many requests" } }],
  ["a 502", { status: 502, body: "<html>Bad Gateway</html>" }],
  ["a 503", { status: 503, body: "<html>Service Unavailable</html>" }],
  ["a 504", { status: 504 }],
  ["a reset connection", "reset"],
  ["an answer that breaks off", "truncate"],
]
const codes = ({ errors }: Result) => errors?.map(({ extensions }) => extensions.code)

/** A gateway on the sandbox. Time passes only while a request waits. */
async function startInStoppedTime(options?: Parameters<typeof startGateway>[0]) {
  const time = stopTime()
  const world = await startGateway(options)
  const ask: typeof world.ask = (...all) => time.passDuring(world.ask(...all))
  return { ...world, ask }
}

describe("retries of reads", () => {
  test.each(passing)("a lookup that meets %s is retried, and succeeds", async (_what, failure) => {
    const { ask, sandbox } = await startInStoppedTime()
    sandbox.failNext(capsuleRoute, failure)
    expect(await ask(nameOf())).toEqual({ data: { capsule: { name: "Cell Counter" } } })
    expect(sandbox.requestsTo(capsuleRoute)).toHaveLength(2)
  })

  test.each(passing)("a search that meets %s is retried with the same body", async (_what, failure) => {
    const { ask, sandbox } = await startInStoppedTime()
    sandbox.failNext("POST /capsules/search", failure)
    const { errors } = await ask(`{ searchCapsules(query: "tag:ecephys", first: 3) { nodes { id } } }`)
    const [first, second, ...more] = sandbox.requestsTo("POST /capsules/search")
    expect(errors).toBeUndefined()
    expect(second!.body).toEqual(first!.body)
    expect(more).toHaveLength(0)
  })

  test("a list of runs that meets a 503 twice is sent a third time", async () => {
    const { ask, sandbox } = await startInStoppedTime()
    sandbox.failNext(`${capsuleRoute}/computations`, { status: 503 }, 2)
    const { data } = await ask(`{ capsule(id: "${seed.cellCounter}") { computations { nodes { id } } } }`)
    expect(data.capsule.computations.nodes.length).toBeGreaterThan(0)
    expect(sandbox.requestsTo(`${capsuleRoute}/computations`)).toHaveLength(3)
  })

  test("the failures of one call cause no retries of others", async () => {
    const { ask, sandbox } = await startInStoppedTime()
    sandbox.failNext(`GET /data_assets/${seed.cellImages}`, { status: 503 }, 100)
    await ask(`{ dataAssets(ids: ["${seed.cellImages}", "${seed.sortedSpikes}"]) { name } }`)
    expect(sandbox.requestsTo(`GET /data_assets/${seed.sortedSpikes}`)).toHaveLength(1)
  })

  test("fifty reads that wait for a retry cause no process warning", async () => {
    const warnings: unknown[] = []
    const listen = (warning: Error) => warnings.push(warning)
    process.on("warning", listen)
    onTestFinished(() => void process.off("warning", listen))
    const { ask, sandbox } = await startInStoppedTime()
    sandbox.failNext("GET /capsules/*", { status: 503 }, 50)
    const ids = Array.from({ length: 50 }, (_, index) => `id-${index}`)
    await ask("query ($ids: [ID!]!) { capsules(ids: $ids) { name } }", { ids })
    expect(sandbox.requestsTo("GET /capsules/*")).toHaveLength(100)
    expect(warnings).toEqual([])
  })
})

describe("Retry-After", () => {
  async function startBusy(retryAfter: () => string, status = 429) {
    const upstream = await startFaultyUpstream(() =>
      upstream.requests.length === 1
        ? { status, headers: { "retry-after": retryAfter() }, body: { message: "slow down" } }
        : { body: { id: "c1", name: "Quiet again" } },
    )
    return upstream
  }

  test("Retry-After is waited for when it is a number of seconds", async () => {
    const upstream = await startBusy(() => "10")
    const { ask } = startGatewayOn(upstream.url)
    const time = stopTime()
    const answer = ask(nameOf("c1"))
    await time.passUntil(() => upstream.requests.length > 1)
    const [first, second] = upstream.requests
    expect(second!.at - first!.at).toBeGreaterThanOrEqual(10_000)
    expect((await answer).data.capsule.name).toBe("Quiet again")
  })

  test("Retry-After is waited for when it is an HTTP date", async () => {
    const upstream = await startBusy(() => new Date(Date.now() + 10_000).toUTCString(), 503)
    const { ask } = startGatewayOn(upstream.url)
    const time = stopTime(new Date("2026-01-01T00:00:00Z"))
    const answer = ask(nameOf("c1"))
    await time.passUntil(() => upstream.requests.length > 1)
    const [first, second] = upstream.requests
    // An HTTP date has whole seconds.
    expect(second!.at - first!.at).toBeGreaterThan(9_000)
    expect((await answer).data.capsule.name).toBe("Quiet again")
  })

  test("a Retry-After in the past means no wait", () => {
    expect(parseRetryAfterMs("Wed, 21 Oct 2015 07:28:00 GMT")).toBe(0)
    expect(parseRetryAfterMs("0")).toBe(0)
  })

  test("a retry waits at least for Retry-After, and the waits double up to two seconds", () => {
    const waits = [1, 2, 3].map((attempt) => retryDelayMs(attempt, 60_000, undefined, 1))
    expect(waits).toEqual([100, 200, 400])
    expect(retryDelayMs(1, 60_000, 5_000, 1)).toBe(5_000)
    expect(retryDelayMs(1, 4_999, 5_000, 1)).toBeUndefined()
    expect(retryDelayMs(4, 60_000, undefined)).toBeUndefined()
  })
})

describe("writes", () => {
  test("a deletion whose response is lost has taken effect, as the error says it may have", async () => {
    const { ask, sandbox } = await startGateway()
    sandbox.failNext(`DELETE /capsules/${seed.archivedNotebook}`, { afterwards: "reset" })
    const { errors } = await ask(remove)
    expect(errors![0]!.message).toContain(unknownOutcome)
    expect(await ask(nameOf(seed.archivedNotebook))).toEqual({ data: { capsule: null } })
  })

  test.each([500, 502, 503, 504])(
    "a write that meets a %i has an unknown outcome, because a proxy may have lost the response",
    async (status) => {
      const { ask, sandbox } = await startGateway()
      const route = `DELETE /capsules/${seed.archivedNotebook}`
      sandbox.failNext(route, { afterwards: { status, body: "<html>the proxy's page</html>" } })
      const { errors } = await ask(remove)
      expect(errors![0]!.message).toContain(unknownOutcome)
      expect(errors![0]!.extensions.outcomeUnknown).toBe(true)
      expect(sandbox.requestsTo(route)).toHaveLength(1)
    },
  )

  test("a write that is queued when the deadline passes is never sent, and the error says nothing else", async () => {
    const { ask, sandbox } = await startGateway({ config: { upstreamConnections: 1, requestDeadlineMs: 400 } })
    const time = stopTime()
    const hold = sandbox.hold()
    const changes = ask(`mutation {
      first: archiveCapsule(input: { id: "${seed.spikeSorting}", archived: false }) { __typename }
      second: archiveCapsule(input: { id: "${seed.cellCounter}", archived: true }) { __typename }
    }`)
    await hold.waitFor(1)
    time.pass(200)
    const inBetween = ask(nameOf(seed.oldForms))
    await ask("{ __typename }")
    hold.release()
    await hold.waitFor(1)
    await ask("{ __typename }")
    time.pass(200)
    const { errors } = await changes
    expect(errors![0]!.path).toEqual(["second"])
    expect(errors![0]!.extensions.code).toBe("UPSTREAM_TIMEOUT")
    expect(errors![0]!.message).not.toContain(unknownOutcome)
    hold.end()
    await inBetween
    expect((await ask(nameOf())).data.capsule.name).toBe("Cell Counter")
    expect(sandbox.requestsTo(archiveRoute)).toHaveLength(0)
  })

  test("the error of a read does not mention changes", async () => {
    const { ask, sandbox } = await startGateway({ config: { upstreamTimeoutMs: 60 } })
    sandbox.failNext(capsuleRoute, "hang")
    const { errors } = await ask(nameOf())
    expect(errors![0]!.message).toBe("Code Ocean did not answer in time.")
    expect(errors![0]!.extensions).not.toHaveProperty("outcomeUnknown")
  })

  test("a write with an unreadable 2xx response is reported as having succeeded", async () => {
    const { ask, sandbox } = await startGateway()
    sandbox.failNext(`POST /capsules/${seed.cellCounter}/data_assets`, { status: 200, body: "<html></html>" })
    const { errors } = await ask(`mutation {
      attachDataAssets(input: { capsuleId: "${seed.cellCounter}", dataAssets: [{ id: "${seed.probeGeometry}" }] }) { __typename }
    }`)
    expect(errors![0]).toMatchObject({
      message: "The change succeeded, but Code Ocean's response could not be read.",
      extensions: { code: "UPSTREAM_INVALID_RESPONSE", upstream: { status: 200 } },
    })
  })

  test("a write whose object cannot be read afterwards has a payload without the object", async () => {
    const { ask, sandbox } = await startGateway()
    sandbox.failNext(capsuleRoute, { status: 500 })
    const { data, errors } = await ask(archive.replace("{ id }", "{ name }"))
    expect(data).toEqual({ archiveCapsule: { capsule: null } })
    expect(errors![0]!.path).toEqual(["archiveCapsule", "capsule"])
    expect(errors![0]!.extensions).not.toHaveProperty("outcomeUnknown")
  })

  test("of two writes in one request, the second is sent even if the first fails", async () => {
    const { ask, sandbox } = await startGateway()
    sandbox.failNext(archiveRoute, { status: 423, body: { message: "locked" } })
    const input = `input: { id: "${seed.cellCounter}", archived: true }`
    const { data } = await ask(`mutation {
      first: archiveCapsule(${input}) { __typename } second: archiveCapsule(${input}) { __typename }
    }`)
    expect(data).toEqual({
      first: { __typename: "MutationRefused" },
      second: { __typename: "ArchiveCapsulePayload" },
    })
  })
})

describe("timeouts", () => {
  test.each(["hang", "stall", "drip"] as const)("the request's deadline ends a call that %ss", async (failure) => {
    const { ask, sandbox } = await startInStoppedTime({ config: { requestDeadlineMs: 120 } })
    sandbox.failNext(capsuleRoute, failure)
    const { errors } = await ask(nameOf())
    expect(errors![0]).toMatchObject({
      message: "The request exceeded its deadline of 120 ms.",
      extensions: { code: "UPSTREAM_TIMEOUT" },
    })
  })

  test("the request's deadline limits the retries as well", async () => {
    const { ask, sandbox } = await startGateway({ config: { requestDeadlineMs: 150 } })
    sandbox.failNext(capsuleRoute, { status: 503 }, 100)
    expect((await ask(nameOf())).errors).toHaveLength(1)
    expect(sandbox.requestsTo(capsuleRoute).length).toBeLessThan(maxAttempts)
  })

  test("the request's deadline limits calls that follow one another, and earlier results are returned", async () => {
    const { ask, sandbox } = await startGateway({ config: { requestDeadlineMs: 200 } })
    const time = stopTime()
    const hold = sandbox.hold()
    const answer = ask(
      `{ capsule(id: "${seed.cellCounter}") { name computations { nodes { id } } appPanel { general { title } } } }`,
    )
    await hold.waitFor(1)
    sandbox.failNext(`${capsuleRoute}/computations`, "hang")
    hold.release()
    await hold.waitFor(2)
    hold.end()
    await ask("{ __typename }")
    time.pass(200)
    const { data, errors } = await answer
    expect(data.capsule).toEqual({
      name: "Cell Counter",
      computations: null,
      appPanel: { general: { title: "Count cells" } },
    })
    expect(codes({ errors: errors! })).toEqual(["UPSTREAM_TIMEOUT"])
  })

  test("no call is sent after the request's deadline", async () => {
    const { ask, sandbox } = await startInStoppedTime({ config: { requestDeadlineMs: 500 } })
    sandbox.failNext(archiveRoute, "hang")
    const { errors } = await ask(`mutation {
      archiveCapsule(input: { id: "${seed.cellCounter}", archived: true }) { __typename }
      later: archiveCapsule(input: { id: "${seed.spikeSorting}", archived: true }) { __typename }
    }`)
    expect(errors![0]!.extensions.code).toBe("UPSTREAM_TIMEOUT")
    expect(sandbox.requestsTo("PATCH /capsules/*/archive")).toHaveLength(1)
  })

  test("time in the queue does not count towards the call's timeout", async () => {
    const { ask, sandbox } = await startInStoppedTime({
      sandbox: { latencyMs: 2_000 },
      config: { upstreamConnections: 1, upstreamTimeoutMs: 7_000 },
    })
    const ids = [seed.cellImages, seed.sortedSpikes, seed.mouseRecording, seed.probeGeometry, seed.combinedRecordings]
    const { errors } = await ask("query ($ids: [ID!]!) { dataAssets(ids: $ids) { id name } }", { ids })
    expect(errors).toBeUndefined()
    expect(sandbox.requests).toHaveLength(5)
  })

  test("a slow request does not shorten the next one's deadline", async () => {
    const { ask, sandbox } = await startInStoppedTime({ config: { requestDeadlineMs: 1_000 } })
    sandbox.failNext(capsuleRoute, "hang")
    await ask(nameOf())
    expect((await ask(nameOf())).data.capsule.name).toBe("Cell Counter")
  })
})

describe.each([
  ["the fast path", true],
  ["Yoga's path", false],
])("a client that hangs up, on %s", (_path, fastPath) => {
  async function overSocket(options: Parameters<typeof startGateway>[0] = {}) {
    const world = await startGateway({ ...options, fastPath })
    const url = `${await world.gateway.listen()}/graphql`
    const leave = new AbortController()
    const asked = (query: string, variables?: object) =>
      fetch(url, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${tokens.ada}` },
        body: JSON.stringify({ query, variables }),
        signal: leave.signal,
      }).then(
        () => "answered",
        () => "left",
      )
    const cancelled = () => vi.waitFor(() => expect(world.lines.map(({ outcome }) => outcome)).toContain("cancelled"))
    return { ...world, asked, leave, cancelled }
  }
  const many = Array.from({ length: 10 }, (_, index) => `id-${index}`)
  const manyNames = "query ($ids: [ID!]!) { capsules(ids: $ids) { name } }"

  test("a client that hangs up cancels its calls in flight", async () => {
    const { sandbox, asked, leave, cancelled } = await overSocket()
    const hold = sandbox.hold()
    const left = asked(
      `{ a: capsule(id: "${seed.cellCounter}") { name } b: dataAsset(id: "${seed.cellImages}") { name } }`,
    )
    const held = await hold.waitFor(2)
    leave.abort()
    expect(await left).toBe("left")
    await vi.waitFor(() => expect(held.map(({ aborted }) => aborted)).toEqual([true, true]))
    await cancelled()
  })

  test("a client that hangs up cancels its queued calls, which are never sent", async () => {
    const { sandbox, ask, asked, leave } = await overSocket({ config: { upstreamConnections: 2 } })
    const hold = sandbox.hold()
    const left = asked(manyNames, { ids: many })
    const held = await hold.waitFor(2)
    leave.abort()
    expect(await left).toBe("left")
    await vi.waitFor(() => expect(held.map(({ aborted }) => aborted)).toEqual([true, true]))
    hold.end()
    expect((await ask(nameOf())).data.capsule.name).toBe("Cell Counter")
    expect(sandbox.requests).toHaveLength(3)
  })

  test("a client that hangs up does not affect another client's calls in the same queue", async () => {
    const { sandbox, ask, asked, leave } = await overSocket({ config: { upstreamConnections: 1 } })
    const hold = sandbox.hold()
    const left = asked(manyNames, { ids: many })
    await hold.waitFor(1)
    const stays = ask(nameOf())
    leave.abort()
    expect(await left).toBe("left")
    hold.end()
    expect((await stays).data.capsule.name).toBe("Cell Counter")
    expect(sandbox.requests).toHaveLength(2)
  })

  test("a client that hangs up cancels the wait for a retry", async () => {
    const { sandbox, ask, asked, leave, cancelled } = await overSocket()
    sandbox.failNext(capsuleRoute, { status: 503, headers: { "retry-after": "1" } })
    const left = asked(nameOf())
    await vi.waitFor(() => expect(sandbox.requests).toHaveLength(1))
    // The gateway reads the 503 before it answers another request.
    await ask(nameOf(seed.spikeSorting))
    leave.abort()
    expect(await left).toBe("left")
    await cancelled()
    expect(sandbox.requestsTo(capsuleRoute)).toHaveLength(1)
  })

  test("a client that hangs up prevents the calls that would have followed", async () => {
    const { sandbox, asked, leave, cancelled } = await overSocket()
    const hold = sandbox.hold()
    const left = asked(
      `{ capsule(id: "${seed.cellCounter}") { name appPanel { general { title } } computations { nodes { id } } } }`,
    )
    await hold.waitFor(1)
    leave.abort()
    hold.end()
    expect(await left).toBe("left")
    await cancelled()
    expect(sandbox.requests).toHaveLength(1)
  })

  test("a client that hangs up is one line in the log, and no error", async () => {
    const { sandbox, asked, leave, cancelled, lines } = await overSocket()
    const hold = sandbox.hold()
    const left = asked(nameOf())
    await hold.waitFor(1)
    leave.abort()
    await left
    await cancelled()
    expect(lines.filter(({ level }) => level === "error" || level === "warn")).toEqual([])
    expect(lines.filter(({ msg }) => msg === "request")).toHaveLength(1)
  })
})

describe("the pool", () => {
  test("the pool opens no connection for calls that were waiting when their request reached its deadline", async () => {
    const time = stopTime()
    const upstream = await startFaultyUpstream(({ path }) =>
      path.startsWith("/capsules/hanging") ? undefined : { body: { id: "c1", name: "Present" } },
    )
    const { ask, lines } = startGatewayOn(upstream.url, {
      config: { upstreamConnections: 2, requestDeadlineMs: 1_000 },
    })
    const ids = Array.from({ length: 40 }, (_, index) => `hanging-${index}`)
    const late = await time.passDuring(ask("query ($ids: [ID!]!) { capsules(ids: $ids) { name } }", { ids }))
    expect(codes(late)).toEqual(ids.map(() => "UPSTREAM_TIMEOUT"))
    expect(lines.find(({ msg }) => msg === "request")).toMatchObject({ upstreamCalls: 2 })
    expect((await ask(nameOf("c1"))).data.capsule.name).toBe("Present")
    expect(upstream.requests).toHaveLength(3)
    // Two that were in use are closed with their calls, and may be replaced.
    expect(upstream.opened()).toBeLessThanOrEqual(4)
  })

  test("the pool never has more calls in flight than UPSTREAM_CONNECTIONS, whoever makes them", async () => {
    const { ask, sandbox } = await startGateway({ config: { upstreamConnections: 2 } })
    const hold = sandbox.hold()
    const ids = (from: number) => [0, 1, 2].map((index) => `id-${from + index}`)
    const query = "query ($ids: [ID!]!) { capsules(ids: $ids) { name } }"
    const answers = Promise.all([
      ask(query, { ids: ids(0) }),
      ask(query, { ids: ids(3) }, { authorization: `Bearer ${tokens.grace}` }),
    ])
    for (const round of [1, 2, 3]) {
      await hold.waitFor(2)
      await ask("{ __typename }")
      expect(sandbox.requests).toHaveLength(2 * round)
      hold.release()
    }
    await answers
    expect(sandbox.requests).toHaveLength(6)
  })

  test("the pool recovers when Code Ocean goes away and comes back", async () => {
    const { ask, sandbox } = await startInStoppedTime()
    sandbox.failNext(capsuleRoute, "reset", 4)
    expect(codes(await ask(nameOf()))).toEqual(["UPSTREAM_UNAVAILABLE"])
    expect((await ask(nameOf())).data.capsule.name).toBe("Cell Counter")
  })

  test("the pool reports that Code Ocean can't be reached", async () => {
    const time = stopTime()
    const { ask, lines } = startGatewayOn(await unusedAddress())
    const { data, errors } = await time.passDuring(ask(nameOf()))
    expect(data).toEqual({ capsule: null })
    expect(errors![0]).toMatchObject({
      message: "Code Ocean can't be reached.",
      extensions: { code: "UPSTREAM_UNAVAILABLE", upstream: { endpoint: "GET /capsules/{id}" } },
    })
    expect(lines.find(({ msg }) => msg === "upstream call failed")).toMatchObject({
      failure: "unreachable",
      cause: expect.stringContaining("ECONNREFUSED"),
    })
  })
})

describe("the headers of a call", () => {
  test("a read carries the token as Basic user name, the minimum version, the user agent, and no content type", async () => {
    const { ask, sandbox } = await startGateway()
    await ask(nameOf())
    const { headers } = sandbox.requests[0]!
    expect(headers).toMatchObject({
      authorization: `Basic ${btoa(`${tokens.ada}:`)}`,
      "min-server-version": "4.6.0",
      "user-agent": expect.stringMatching(/^codeocean-graphql-gateway\/\d/),
      accept: "application/json",
      "x-request-id": expect.stringMatching(/^[\da-f]{32}$/),
    })
    for (const name of ["agent-id", "content-type", "cookie", "accept-encoding"])
      expect(headers).not.toHaveProperty(name)
  })

  test("MIN_SERVER_VERSION is sent with every call", async () => {
    const { ask, sandbox } = await startGateway({ config: { minServerVersion: "4.5.12" } })
    const { errors } = await ask(`mutation { renameComputation(input: {id: "${seed.countedCells}", name: "x"}) {
      ... on RenameComputationPayload { computation { name results { entries { name } } } }
    } }`)
    expect(errors).toBeUndefined()
    const sent = sandbox.requests.map(({ method, headers }) => `${method} ${headers["min-server-version"]}`)
    expect(sent).toEqual(["PATCH 4.5.12", "GET 4.5.12", "POST 4.5.12"])
  })

  test("a deployment that is older than MIN_SERVER_VERSION is an error that names the setting", async () => {
    const sandbox = { version: "4.5.12" }
    const { ask } = await startGateway({ sandbox })
    expect((await ask(nameOf())).errors![0]).toMatchObject({
      message: expect.stringMatching(
        /4\.5\.12.* MIN_SERVER_VERSION is the oldest version that the gateway accepts\.\)$/,
      ),
      extensions: { code: "UPSTREAM_INVALID_RESPONSE", upstream: { status: 412 } },
    })
    const older = await startGateway({ sandbox, config: { minServerVersion: "4.5.0" } })
    expect((await older.ask(nameOf())).errors).toBeUndefined()
  })

  test("a body has the content type JSON", async () => {
    const { ask, sandbox } = await startGateway()
    await ask("{ searchPipelines { nodes { id } } }")
    expect(sandbox.requests[0]!.headers["content-type"]).toBe("application/json")
  })

  test("all calls of a request carry its id, the caller's own where it brought one", async () => {
    const { ask, sandbox } = await startGateway()
    await ask(
      `{ capsule(id: "${seed.cellCounter}") { name appPanel { general { title } } } }`,
      {},
      { authorization: `Bearer ${tokens.ada}`, "x-request-id": "trace-42" },
    )
    expect(sandbox.requests.map(({ headers }) => headers["x-request-id"])).toEqual(["trace-42", "trace-42"])
  })

  test("an invalid request id is replaced, in the response and upstream alike", async () => {
    const { gateway, sandbox } = await startGateway()
    const response = await gateway.fetch("http://gateway/graphql", {
      method: "POST",
      headers: {
        "content-type": "application/json",
        authorization: `Bearer ${tokens.ada}`,
        "x-request-id": 'no "id" at all',
      },
      body: JSON.stringify({ query: nameOf() }),
    })
    const id = response.headers.get("x-request-id")
    expect(id).toMatch(/^[\da-f]{32}$/)
    expect(sandbox.requests[0]!.headers["x-request-id"]).toBe(id)
  })

  test("Agent-Id is forwarded unchanged", async () => {
    const { ask, sandbox } = await startGateway()
    await ask(nameOf(), {}, { authorization: `Bearer ${tokens.ada}`, "agent-id": "night shift (v2)" })
    expect(sandbox.requests[0]!.headers["agent-id"]).toBe("night shift (v2)")
  })

  test.each(["", "x".repeat(257), "a\tb", "Zo\u00eb"])(
    "an invalid Agent-Id (%j) is rejected, and nothing is sent",
    async (agent) => {
      const { ask, sandbox } = await startGateway()
      const headers = { authorization: `Bearer ${tokens.ada}`, "agent-id": agent }
      expect(codes(await ask(nameOf(), {}, headers))).toEqual(["BAD_USER_INPUT"])
      expect(sandbox.requests).toHaveLength(0)
    },
  )

  test("no other header of the caller is forwarded", async () => {
    const { ask, sandbox } = await startGateway()
    const secrets = { cookie: "id=1", "x-forwarded-for": "10.0.0.1", "x-api-key": "k", origin: "http://gateway" }
    await ask(nameOf(), {}, { authorization: `Bearer ${tokens.ada}`, ...secrets })
    for (const name of Object.keys(secrets)) expect(sandbox.requests[0]!.headers).not.toHaveProperty(name)
  })
})

describe("credentials", () => {
  test.each([
    ["Bearer", `Bearer ${tokens.ada}`],
    ["bearer in lower case", `bearer   ${tokens.ada}`],
    ["Basic with an empty password", `Basic ${btoa(`${tokens.ada}:`)}`],
    ["Basic without the colon", `BASIC ${btoa(tokens.ada)}`],
  ])("a token is accepted as %s", async (_how, authorization) => {
    const { ask, sandbox } = await startGateway()
    expect((await ask(nameOf(), {}, { authorization })).data.capsule.name).toBe("Cell Counter")
    expect(sandbox.requests[0]!.headers.authorization).toBe(`Basic ${btoa(`${tokens.ada}:`)}`)
  })

  test("a token of any printable characters is sent unchanged", async () => {
    const token = [...Array(94).keys()]
      .map((code) => String.fromCharCode(code + 33))
      .join("")
      .replace(":", "")
    const { ask, sandbox } = await startGateway()
    await ask(nameOf(), {}, { authorization: `Bearer ${token}` })
    expect(sandbox.requests[0]!.headers.authorization).toBe(`Basic ${btoa(`${token}:`)}`)
  })

  test("a read without a token is not sent, and the message says how to authenticate", async () => {
    const { ask, sandbox } = await startGateway()
    const { data, errors } = await ask(nameOf(), {}, {})
    expect(data).toEqual({ capsule: null })
    expect(errors![0]!.extensions).toEqual({ code: "UNAUTHENTICATED", requestId: expect.any(String) })
    expect(errors![0]!.message).toContain("Authorization: Bearer")
    expect(sandbox.requests).toHaveLength(0)
  })

  test("a write without a token is not sent", async () => {
    const { ask, sandbox } = await startGateway()
    const { errors } = await ask(archive, {}, {})
    expect(errors![0]!.extensions.code).toBe("UNAUTHENTICATED")
    expect(errors![0]!.message).not.toContain(unknownOutcome)
    expect(sandbox.requests).toHaveLength(0)
  })

  test("introspection needs no token", async () => {
    const { ask, sandbox } = await startGateway()
    const { data } = await ask("{ __typename __schema { queryType { fields { name } } } }", {}, {})
    expect(data.__typename).toBe("Query")
    expect(data.__schema.queryType.fields).toContainEqual({ name: "capsule" })
    expect(sandbox.requests).toHaveLength(0)
  })

  const secret = "cop_secret"
  const unusable: [string, string][] = [
    ["an empty header", ""],
    ["a scheme alone", "Bearer"],
    ["a scheme and a space", "Bearer "],
    ["a token without scheme", secret],
    ["an unknown scheme", `Digest ${secret}`],
    ["a space in it", `Bearer ${secret} x`],
    ["a colon in it", `Bearer ${secret}:x`],
    ["a tab in it", `Bearer ${secret}\tx`],
    ["a letter beyond ASCII", `Bearer ${secret}\u00e9`],
    ["ten kilobytes", `Bearer ${secret.repeat(1000)}`],
    ["two credentials", `Bearer ${secret}, Bearer ${secret}`],
    ["Basic, empty", `Basic ${btoa(":")}`],
    ["Basic with a password", `Basic ${btoa(`${secret}:password`)}`],
    ["Basic with a line break in it", `Basic ${btoa(`${secret}\r\nx-evil: 1:`)}`],
    ["Basic with a NUL in it", `Basic ${btoa(`${secret}\0:`)}`],
    ["Basic with a space in it", `Basic ${btoa(`${secret} x:`)}`],
    ["Basic with a byte beyond ASCII", `Basic ${btoa(`${secret}\u00ff:`)}`],
    ["Basic that is no base64", "Basic %%%"],
  ]
  test.each(unusable)(
    "an Authorization header with %s is rejected, never forwarded, and not quoted",
    async (_what, authorization) => {
      const { ask, sandbox, lines } = await startGateway({ config: { codeoceanToken: tokens.ada } })
      const answer = await ask(nameOf(), {}, { authorization })
      expect(codes(answer)).toEqual(["UNAUTHENTICATED"])
      expect(sandbox.requests).toHaveLength(0)
      expect(JSON.stringify([answer, lines])).not.toContain(secret)
    },
  )

  test("the gateway's own token is used for callers without a token, and only for those", async () => {
    const { ask } = await startGateway({ config: { codeoceanToken: tokens.grace } })
    expect((await ask(nameOf(seed.graceNotebook), {}, {})).data.capsule).not.toBeNull()
    expect((await ask(nameOf(seed.graceNotebook))).data.capsule).toBeNull()
  })

  test("a token that Code Ocean does not know is UNAUTHENTICATED", async () => {
    const { ask } = await startGateway()
    const { errors } = await ask(nameOf(), {}, { authorization: "Bearer cop_nobody" })
    expect(errors![0]).toMatchObject({
      message: expect.stringMatching(/^a valid access token is required \(Code Ocean did not accept the token\./),
      extensions: { code: "UNAUTHENTICATED", upstream: { endpoint: "GET /capsules/{id}", status: 401 } },
    })
  })

  test("two callers at once, on one connection, never see each other's objects", async () => {
    const { ask, sandbox } = await startGateway({ config: { upstreamConnections: 1 } })
    const query = `{ ada: capsule(id: "${seed.privateNotebook}") { name } grace: capsule(id: "${seed.graceNotebook}") { name } }`
    const [first, second, third] = await Promise.all([
      ask(query),
      ask(query, {}, { authorization: `Bearer ${tokens.grace}` }),
      ask(query),
    ])
    expect(first.data).toEqual({ ada: { name: expect.any(String) }, grace: null })
    expect(second.data).toEqual({ ada: null, grace: { name: expect.any(String) } })
    expect(third).toEqual(first)
    expect(sandbox.requests).toHaveLength(4)
  })

  test("a response is not cached for the next request", async () => {
    const { ask, sandbox } = await startGateway()
    await ask(nameOf())
    await ask(nameOf())
    expect(sandbox.requestsTo(capsuleRoute)).toHaveLength(2)
  })
})

describe("an upstream that echoes the token", () => {
  // Each of these characters is escaped by some JSON writer.
  const token = `cop_"quoted"\\back/slash<&>'`
  const basic = btoa(`${token}:`)

  /** All texts in a JSON value, keys too. */
  function textsIn(value: unknown): string[] {
    if (typeof value === "string") return [value]
    if (typeof value !== "object" || value === null) return []
    return Object.entries(value).flatMap(([key, inner]) => [key, ...textsIn(inner)])
  }

  const escapedSlash = (value: unknown) => JSON.stringify(value).replaceAll("/", "\\/")
  const escapedLetters = (value: unknown) =>
    JSON.stringify(value).replace(/[a-z<>&']/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`)
  const echoes: [string, (said: string, raw: string) => unknown][] = [
    ["its message", (said) => ({ message: `no such token: ${said}` })],
    ["another key", (said) => ({ message: "no", token: said, nested: [{ deep: said }] })],
    ["a key's name", (said) => ({ message: "no", [said]: 1, nested: { [said]: 2 } })],
    ["a list", (said) => [{ token: said }, said]],
    ["a page", (said) => `<html>${said}</html>`],
    ["a message with escaped slashes", (said) => escapedSlash({ message: said, more: said })],
    ["a message with escaped letters", (said) => escapedLetters({ message: said, more: said })],
    ["the whole header", (_said, raw) => ({ message: `Authorization: ${raw}`, headers: { authorization: raw } })],
    ["a message of two thousand letters", (said) => ({ message: "x".repeat(1990) + said })],
  ]
  const statuses = [200, 302, 400, 401, 403, 409, 429, 500]

  test.each(echoes)("a token that upstream echoes in %s is not revealed by the gateway", async (_where, echo) => {
    const upstream = await startFaultyUpstream(({ path, headers, method }) => {
      const raw = headers.authorization ?? ""
      const said = Buffer.from(raw.replace("Basic ", ""), "base64").toString().slice(0, -1)
      const status = Number(/\d{3}/.exec(path)?.[0] ?? 500)
      const inHeaders = {
        "x-echo": said,
        "set-cookie": `t=${said}`,
        "www-authenticate": `Basic realm="${said}"`,
        location: `/${said}`,
      }
      const headersSent = { ...inHeaders, "content-type": `text/html; token=${said}`, "retry-after": "7200" }
      return { status, headers: headersSent, body: method === "DELETE" && status === 200 ? undefined : echo(said, raw) }
    })
    const { gateway, lines } = startGatewayOn(upstream.url)
    const ids = statuses.map((status) => `c${status}`)
    const read = ids.map((id) => `r${id}: capsule(id: "${id}") { name appPanel { general { title } } }`)
    const change = ids.flatMap((id) => [
      `d${id}: deleteCapsule(input: { id: "${id}" }) { ... on MutationRefused { code message details } }`,
      `a${id}: attachDataAssets(input: { capsuleId: "${id}", dataAssets: [{ id: "a" }] }) { ... on MutationRefused { code message details } }`,
    ])
    // Mutations run one after the other and end with the first error, so each is sent by itself.
    const queries = [
      `{ ${read} }`,
      ...change.map((one) => `mutation { ${one} }`),
      "{ searchCapsules { nodes { id } } }",
    ]
    const told: unknown[] = []
    for (const query of queries) {
      const response = await gateway.fetch("http://gateway/graphql", {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
        body: JSON.stringify({ query }),
      })
      told.push([...response.headers], await response.json())
    }
    expect(upstream.requests.length).toBeGreaterThan(queries.length)
    const texts = textsIn([told, lines])
    expect(texts.filter((text) => text.includes(token) || text.includes(basic) || text.includes("quoted"))).toEqual([])
  })

  test("a token that is part of ordinary words leaves the rest of an error readable", async () => {
    const { ask, sandbox } = await startGateway({ config: { codeoceanToken: "e" } })
    sandbox.failNext(capsuleRoute, { status: 400, body: { message: "nothing to see", status: true } })
    const { errors } = await ask(nameOf(), {}, {})
    expect(errors![0]!.extensions.code).toBe("BAD_USER_INPUT")
    expect(errors![0]!.message).toContain("nothing to s")
  })
})

describe("ids", () => {
  const refused: [string, string][] = [
    ["nothing", ""],
    ["a dot", "."],
    ["two dots", ".."],
    ["a slash", "a/b"],
    ["a way up", "../pipelines/x"],
    ["a backslash", "a\\b"],
    ["a NUL", "a\0b"],
    ["a line break", "a\r\nb"],
    ["ten kilobytes", "x".repeat(10_240)],
    ["half a surrogate pair", "a\ud800b"],
  ]
  const lookups = ["capsule", "pipeline", "computation", "dataAsset"]

  test.each(refused)("%s as an id is BAD_USER_INPUT, and nothing is sent", async (_what, id) => {
    const { ask, sandbox } = await startGateway()
    const answer = await ask(
      `query ($id: ID!) { ${lookups.map((lookup) => `${lookup}(id: $id) { name }`).join(" ")} }`,
      { id },
    )
    expect([...new Set(codes(answer))]).toEqual(["BAD_USER_INPUT"])
    expect(answer.errors!.every(({ message }) => message.length < 300)).toBe(true)
    expect(sandbox.requests).toHaveLength(0)
  })

  test.each(refused)("a write with %s as an id is BAD_USER_INPUT, and nothing is sent", async (_what, id) => {
    const { ask, sandbox } = await startGateway()
    const changes = [
      "deleteCapsule(input: { id: $id })",
      "archivePipeline(input: { id: $id, archived: true })",
      'detachDataAssets(input: { capsuleId: $id, dataAssetIds: ["x"] })',
      'attachDataAssets(input: { capsuleId: $id, dataAssets: [{ id: "x" }] })',
    ]
    for (const change of changes) {
      const answer = await ask(`mutation ($id: ID!) { ${change} { __typename } }`, { id })
      expect(codes(answer)).toEqual(["BAD_USER_INPUT"])
    }
    expect(sandbox.requests).toHaveLength(0)
  })

  test.each([
    "%2e%2e",
    "..%2f",
    "a?b#c",
    "a b",
    "a+b",
    "a;b=c&d",
    "\u00fc\u00f1\u00ee \u{1f52c}",
    "...",
    "a:b@c",
    "{id}",
    "$&",
  ])("%s as an id stays one path segment", async (id) => {
    const { ask, sandbox } = await startGateway()
    expect(await ask("query ($id: ID!) { capsule(id: $id) { name } }", { id })).toEqual({ data: { capsule: null } })
    const [request, ...more] = sandbox.requests
    expect(request).toMatchObject({ rawPath: `/api/v1/capsules/${encodeURIComponent(id)}`, query: {} })
    expect(more).toHaveLength(0)
  })

  test("a number as an id is sent as its digits", async () => {
    const { ask, sandbox } = await startGateway()
    await ask("{ capsule(id: 1048576) { name } }")
    expect(sandbox.requests[0]!.rawPath).toBe("/api/v1/capsules/1048576")
  })

  test("one invalid id does not affect the other ids", async () => {
    const { ask } = await startGateway()
    const { data, errors } = await ask(`{ capsules(ids: ["..", "${seed.cellCounter}"]) { name } }`)
    expect(data).toEqual({ capsules: [null, { name: "Cell Counter" }] })
    expect(errors![0]!.path).toEqual(["capsules", 0])
  })

  test("a deployment below a path gets its calls below that path", async () => {
    const upstream = await startFaultyUpstream(() => ({ body: { id: "c1", name: "Below" } }))
    const { codeoceanUrl } = readConfig({ CODEOCEAN_URL: `${upstream.url}/tenant/one/` })
    const { ask } = startGatewayOn(upstream.url, { config: { codeoceanUrl } })
    expect((await ask(nameOf("c1"))).data.capsule.name).toBe("Below")
    expect(upstream.requests[0]!.path).toBe("/tenant/one/capsules/c1")
  })
})
