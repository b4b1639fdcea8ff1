import { describe, expect, onTestFinished, test } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { captureOnce } from "../src/graph/captureResult/capture.ts"
import type { Context } from "../src/graph/context.ts"
import { createContextBuilder } from "../src/http/buildContext.ts"
import { RequestState } from "../src/http/requestState.ts"
import { createLog } from "../src/log/log.ts"
import { createPollers } from "../src/polling/pollers.ts"
import { createTasks } from "../src/polling/tasks.ts"
import { createMemoryStore } from "../src/store/memory.ts"
import { createUpstreamPool } from "../src/upstream/pool.ts"
import { startFaultyUpstream } from "./support/faultyUpstream.ts"
import { collectGarbage } from "./support/garbage.ts"
import { startGateway, startGatewayOn } from "./support/gateway.ts"
import { type Following, follow, pushedTime, untilLive } from "./support/live.ts"

const input = { computationId: seed.runningAlignment, name: "Aligned", tags: ["aligned"], mount: "aligned" }
const forGrace = { users: [{ email: "grace@example.org", role: "VIEWER" }] }
const progress = `
  computation { state outcome }
  dataAsset { name state tags provenance { computation { id } } }
  steps { step status failure { code message outcomeUnknown } }
  complete
  refusal { code message details }
`

/** A GraphQL literal of the value; texts in capitals are enum values. */
function literal(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`
  if (typeof value === "object" && value !== null)
    return `{${Object.entries(value).map(([key, inner]) => `${key}: ${literal(inner)}`)}}`
  return typeof value === "string" && /^[A-Z_]+$/.test(value) ? value : JSON.stringify(value)
}

async function start(options: Parameters<typeof startGateway>[0] = {}) {
  const time = pushedTime()
  const world = await startGateway({ ...options, clock: time })
  const url = await world.gateway.listen()
  return {
    ...world,
    time,
    /** Subscribes to a capture, of `runningAlignment` unless `more` has another run. */
    capture: (more: object = {}, selection = progress, accept = "", headers: Record<string, string> = {}) =>
      follow(
        url,
        `subscription { captureResult(input: ${literal({ ...input, ...more })}${accept}) { ${selection} } }`,
        headers,
      ),
    /**
     * Lets so much time pass, once so many pollers wait. After a data asset was read there are two, because the run's poller
     * cools down for five seconds.
     */
    async pass(seconds: number, waiting = 1) {
      await time.waits(waiting)
      world.sandbox.clock.advance(seconds)
      time.push(seconds)
    },
    created: () => world.sandbox.requestsTo("POST /data_assets"),
    shared: () => world.sandbox.requestsTo("POST /data_assets/*/permissions"),
  }
}

const eventOf = async (capture: Following) => (await capture.next())?.data.captureResult

/** The first event that matches; undefined if the stream completes before. */
// biome-ignore lint/suspicious/noExplicitAny: events are as loosely typed as answers.
async function until(capture: Following, fits: (event: Record<string, any>) => unknown) {
  for (;;) {
    const event = await eventOf(capture)
    if (event === undefined || fits(event)) return event
  }
}

describe("a result is captured when its run has ended", () => {
  test("a result is captured when its run has ended, is shared, and is followed until it is ready", async () => {
    const { capture, pass, created, shared, ask } = await start()
    const following = await capture({ permissions: forGrace })
    expect(await eventOf(following)).toEqual({
      computation: { state: "RUNNING", outcome: "IN_PROGRESS" },
      dataAsset: null,
      steps: [],
      complete: false,
      refusal: null,
    })
    expect(created()).toEqual([])
    await pass(700)
    expect(await eventOf(following)).toMatchObject({
      computation: { outcome: "SUCCEEDED" },
      dataAsset: null,
      steps: [],
    })
    const create = { step: "CREATE", status: "DONE", failure: null }
    expect(await eventOf(following)).toMatchObject({
      dataAsset: {
        name: "Aligned",
        state: "DRAFT",
        tags: ["aligned"],
        provenance: { computation: { id: input.computationId } },
      },
      steps: [create, { step: "SET_PERMISSIONS", status: "PENDING", failure: null }],
      complete: false,
    })
    await pass(11, 2)
    const steps = [create, { step: "SET_PERMISSIONS", status: "DONE", failure: null }]
    expect(await following.rest()).toMatchObject([
      { data: { captureResult: { dataAsset: { state: "READY" }, steps, complete: true, refusal: null } } },
    ])
    expect(created()).toHaveLength(1)
    expect(shared()).toHaveLength(1)
    const grace = { authorization: `Bearer ${tokens.grace}` }
    const { data } = await ask('{ searchDataAssets(query: "name:Aligned") { nodes { name } } }', {}, grace)
    expect(data.searchDataAssets.nodes).toEqual([{ name: "Aligned" }])
  })

  test("a capture of a run that has ended costs one read of it, a search, the creation, and a read of the draft 5 seconds later", async () => {
    const { capture, pass, sandbox, time } = await start()
    const wanted = { computationId: seed.countedCells, permissions: forGrace }
    const following = await capture(wanted, "complete dataAsset { id state }")
    await until(following, ({ dataAsset }) => dataAsset)
    const calls = () =>
      sandbox.requests
        .filter(({ path }) => !path.endsWith("/permissions"))
        .map(({ method, path }) => `${method} ${path.split("/")[1]}`)
    const before = ["GET computations", "POST data_assets", "POST data_assets"]
    // The run's poller cools down. The draft was just created, so it is not read at once.
    expect(await time.waits(2)).toEqual([5, 5])
    expect(calls()).toEqual(before)
    sandbox.clock.advance(11)
    await pass(5, 2)
    expect((await following.rest()).at(-1)?.data.captureResult.dataAsset.state).toBe("READY")
    expect(calls()).toEqual([...before, "GET data_assets"])
  })

  test("a capture that was made before and is READY is read once, to see that it is still there", async () => {
    const { capture, pass, sandbox } = await start()
    const wanted = { computationId: seed.countedCells }
    const first = await capture(wanted, "complete dataAsset { id }")
    const { id } = (await until(first, ({ dataAsset }) => dataAsset)).dataAsset
    await pass(11, 2)
    expect((await first.rest()).at(-1)?.data.captureResult.complete).toBe(true)
    sandbox.requests.length = 0
    const again = await (await capture({ ...wanted, permissions: forGrace }, "complete steps { status }")).rest()
    expect(again.at(-1)?.data.captureResult).toEqual({
      complete: true,
      steps: [{ status: "ALREADY_DONE" }, { status: "DONE" }],
    })
    expect(sandbox.requestsTo(`GET /data_assets/${id}`)).toHaveLength(1)
  })

  test("a client that follows the draft of a capture gets its first event at once", async () => {
    const { capture, time, sandbox, gateway } = await start()
    const wanted = { computationId: seed.countedCells, permissions: forGrace }
    const following = await capture(wanted, "dataAsset { id state }")
    const { id } = (await until(following, ({ dataAsset }) => dataAsset)).dataAsset
    await time.waits(2)
    expect(sandbox.requestsTo(`GET /data_assets/${id}`)).toEqual([])
    const other = await follow(await gateway.listen(), `subscription { dataAsset(id: "${id}") { state } }`)
    expect((await other.next())?.data.dataAsset.state).toBe("DRAFT")
    expect(sandbox.requestsTo(`GET /data_assets/${id}`)).toHaveLength(1)
    following.leave()
    other.leave()
  })

  test("each step of a capture has a deadline of its own", async () => {
    const { capture, pass, created } = await start({
      sandbox: { latencyMs: 200 },
      config: { requestDeadlineMs: 1_000 },
    })
    const following = await capture({ computationId: seed.countedCells, permissions: forGrace })
    const event = await until(following, ({ steps }) => steps.length > 0)
    expect(event.steps.map(({ status }: { status: string }) => status)).toEqual(["DONE", "PENDING"])
    await pass(11, 2)
    expect((await until(following, ({ complete }) => complete)).complete).toBe(true)
    expect(created()).toHaveLength(1)
  })

  test("a result is captured although Code Ocean fails for a while", async () => {
    const { capture, pass, sandbox, created } = await start()
    const following = await capture()
    await eventOf(following)
    for (const hiccup of [{ status: 503 }, "reset", { status: 500 }] as const) {
      sandbox.failNext("GET /computations/*", hiccup)
      await pass(12)
    }
    await pass(700)
    sandbox.failNext("GET /data_assets/*", { status: 503 }, 2)
    await until(following, ({ dataAsset }) => dataAsset)
    await pass(11, 2)
    await pass(11)
    await pass(11)
    expect((await until(following, ({ complete }) => complete)).dataAsset.state).toBe("READY")
    expect(created()).toHaveLength(1)
  })
})

describe("nothing is captured", () => {
  test.each([
    ["failed", seed.failedCount, "FAILED"],
    ["was stopped", seed.stoppedCount, "STOPPED"],
    ["says that it succeeded, but doesn't look like it", seed.hollowSuccess, "SUSPECT"],
  ])("nothing is captured of a run that %s", async (_name, computationId, outcome) => {
    const { capture, created, sandbox } = await start()
    const events = await (await capture({ computationId })).rest()
    expect(events.at(-1)?.data.captureResult).toMatchObject({
      computation: { outcome },
      dataAsset: null,
      steps: [],
      complete: false,
      refusal: { code: "CONFLICT", message: expect.stringContaining(outcome), details: { outcome } },
    })
    expect(created()).toEqual([])
    expect(sandbox.requests).toHaveLength(1)
  })

  test("nothing is captured of a run without results, and Code Ocean's message says why", async () => {
    const { capture } = await start()
    const events = await (await capture({ computationId: seed.stoppedCount }, progress, ", accept: [STOPPED]")).rest()
    expect(events.at(-1)).toMatchObject({
      data: {
        captureResult: { steps: [], refusal: { code: "BAD_USER_INPUT", message: "computation has no results" } },
      },
    })
  })

  test("nothing is captured of a run that does not exist, or that the caller may not see", async () => {
    const { capture } = await start()
    for (const computationId of ["00000000-0000-4000-8000-000000000000", seed.graceRun]) {
      expect(await (await capture({ computationId })).rest()).toMatchObject([
        { data: { captureResult: { computation: null, refusal: { code: "NOT_FOUND" } } } },
      ])
    }
  })

  test.each([
    [{ name: " " }, "", /`name`/],
    [{ permissions: { users: [forGrace.users[0], forGrace.users[0]] } }, "", /given twice/],
    [{}, ", accept: []", /`accept`/],
    [{}, ", accept: [SUCCEEDED, IN_PROGRESS]", /`accept`/],
  ])("nothing is captured of invalid input: %j%s", async (more, accept, message) => {
    const { capture, sandbox } = await start()
    const [{ errors } = {}] = await (await capture(more, progress, accept)).rest()
    expect(errors).toMatchObject([
      {
        message: expect.stringMatching(message),
        extensions: { code: "BAD_USER_INPUT", requestId: expect.any(String) },
      },
    ])
    expect(sandbox.requests).toEqual([])
  })

  test.each([
    ["sends no token for them", [{ has_more: true, results: [] }]],
    ["sends an empty token for them", [{ has_more: true, results: [], next_token: "" }]],
    [
      "sends a token that came before",
      ["A", "B", "A"].map((next_token) => ({ has_more: true, results: [], next_token })),
    ],
  ])("nothing is captured if the search for an earlier capture has more results and %s", async (_how, pages) => {
    const { ask, sandbox, created } = await start()
    for (const body of pages) sandbox.failNext("POST /data_assets/search", { status: 200, body })
    const { data, errors } = await ask(`mutation { captureResult(input: {
      computationId: "${seed.countedCells}", name: "Counts", mount: "counts", tags: []
    }) { __typename } }`)
    expect(data).toEqual({ captureResult: null })
    expect(errors).toMatchObject([{ extensions: { code: "UPSTREAM_INVALID_RESPONSE" } }])
    expect(sandbox.requestsTo("POST /data_assets/search")).toHaveLength(pages.length)
    expect(created()).toEqual([])
  })

  test("nothing is captured with a token that may not create data assets", async () => {
    const { capture } = await start()
    const readOnly = { authorization: `Bearer ${tokens.readOnly}` }
    const events = await (await capture({ computationId: seed.countedCells }, progress, "", readOnly)).rest()
    expect(events.at(-1)?.data.captureResult.refusal.code).toBe("FORBIDDEN")
  })
})

test("a run with an accepted outcome is captured", async () => {
  const { capture, pass, created } = await start()
  const following = await capture({ computationId: seed.hollowSuccess }, progress, ", accept: [SUCCEEDED, SUSPECT]")
  const event = await until(following, ({ steps, refusal }) => steps.length > 0 || refusal)
  expect(event).toMatchObject({ computation: { outcome: "SUSPECT" }, refusal: null, steps: [{ status: "DONE" }] })
  await pass(11, 2)
  await following.rest()
  expect(created()).toHaveLength(1)
})

test("refused permissions fail their step of a capture, and the data asset is still followed", async () => {
  const { capture, pass, sandbox } = await start()
  sandbox.failNext("POST /data_assets/*/permissions", { status: 403, body: { message: "no sharing today" } })
  const following = await capture({ computationId: seed.countedCells, permissions: forGrace })
  await until(following, ({ dataAsset }) => dataAsset)
  await pass(11, 2)
  expect((await following.rest()).at(-1)?.data.captureResult).toMatchObject({
    dataAsset: { state: "READY" },
    steps: [
      { step: "CREATE", status: "DONE" },
      { step: "SET_PERMISSIONS", status: "FAILED", failure: { code: "FORBIDDEN", message: "no sharing today" } },
    ],
    complete: false,
  })

  // Subscribing again does the remaining steps.
  const again = await (await capture({ computationId: seed.countedCells, permissions: forGrace })).rest()
  expect(again.at(-1)?.data.captureResult).toMatchObject({
    steps: [
      { step: "CREATE", status: "ALREADY_DONE" },
      { step: "SET_PERMISSIONS", status: "DONE" },
    ],
    complete: true,
  })
})

test("a group that Code Ocean drops fails the step of a capture, which names it", async () => {
  const { capture, pass } = await start()
  const groups = [
    { group: "neuro", role: "VIEWER" as const },
    { group: "nuero", role: "OWNER" as const },
  ]
  const following = await capture({ computationId: seed.countedCells, permissions: { groups } })
  await until(following, ({ dataAsset }) => dataAsset)
  await pass(11, 2)
  const last = (await following.rest()).at(-1)?.data.captureResult
  expect(last).toMatchObject({ dataAsset: { state: "READY" }, complete: false })
  expect(last.steps[1]).toMatchObject({ status: "FAILED", failure: { code: "CONFLICT", outcomeUnknown: false } })
  expect(last.steps[1].failure.message).toContain("the group nuero as owner")
  expect(last.steps[1].failure.message).not.toContain("neuro")
})

test.each([
  ["meets a 403", { status: 403, body: { message: "not yours" } }, "FORBIDDEN"],
  ["has a text for a list", { status: 200, body: { users: "all" } }, "UPSTREAM_INVALID_RESPONSE"],
])(
  "a capture whose permissions' read back %s keeps its data asset, and the outcome of the step is unknown",
  async (_what, answer, code) => {
    const { ask, sandbox } = await startGateway()
    const mutate = (more: object) =>
      ask(
        `mutation { captureResult(input: ${literal({ ...input, computationId: seed.countedCells, ...more })}) { ... on CaptureResultPayload { complete dataAsset { id } steps { status failure { code outcomeUnknown } } } } }`,
      )
    await mutate({})
    sandbox.clock.advance(11)
    sandbox.failNext("GET /data_assets/*/permissions", { status: 200, body: {} })
    sandbox.failNext("GET /data_assets/*/permissions", answer)
    const { data, errors } = await mutate({ permissions: forGrace })
    expect(errors).toBeUndefined()
    expect(data.captureResult).toMatchObject({
      complete: false,
      dataAsset: { id: expect.any(String) },
      steps: [{ status: "ALREADY_DONE" }, { status: "FAILED", failure: { code, outcomeUnknown: true } }],
    })
  },
)

describe("a client that leaves", () => {
  test("a client that leaves before the run has ended leaves nothing behind, and captures once when it is back", async () => {
    const { capture, gateway, sandbox, time, created } = await start()
    const gone = await capture()
    await eventOf(gone)
    await time.waits()
    gone.leave()
    await untilLive(gateway, { pollers: 0, listeners: 0, tasks: 0 })
    sandbox.clock.advance(700)
    time.push(700)
    await untilLive(gateway, { coolingDown: 0 })
    expect(created()).toEqual([])
    const back = await capture()
    expect((await until(back, ({ dataAsset }) => dataAsset)).steps).toMatchObject([{ step: "CREATE", status: "DONE" }])
    expect(created()).toHaveLength(1)
  })

  test.each([
    ["as the process remembers it", false],
    ["as another process finds it", true],
  ])(
    "a client that leaves during the creation does not cancel it, and continues with the same data asset, %s",
    async (_name, other) => {
      const world = await start()
      const hold = world.sandbox.hold()
      const gone = await world.capture({ computationId: seed.countedCells, permissions: forGrace })
      for (const path of [`/computations/${seed.countedCells}`, "/data_assets/search"]) {
        expect((await hold.waitFor(1))[0]?.path).toBe(path)
        hold.release()
      }
      expect((await hold.waitFor(1))[0]).toMatchObject({ method: "POST", path: "/data_assets" })
      gone.leave()
      await untilLive(world.gateway, { listeners: 0, tasks: 1 })
      hold.end()
      await world.pass(11, 2)
      await untilLive(world.gateway, { pollers: 0, listeners: 0, tasks: 0 })
      expect(world.created()).toMatchObject([{ aborted: false }])
      expect(world.shared()).toHaveLength(1)

      const again = { computationId: seed.countedCells, permissions: forGrace }
      const back = other ? await another(world.sandbox.url, again) : await world.capture(again)
      expect((await back.rest()).at(-1)?.data.captureResult).toMatchObject({
        dataAsset: { name: "Aligned" },
        steps: [
          { step: "CREATE", status: "ALREADY_DONE" },
          { step: "SET_PERMISSIONS", status: "DONE" },
        ],
        complete: true,
      })
      expect(world.created()).toHaveLength(1)
      expect(world.sandbox.requestsTo("POST /data_assets/search")).toHaveLength(other ? 2 : 1)
    },
  )

  test("a client that leaves the mutation during the creation loses neither the data asset nor its permissions", async () => {
    const { sandbox, gateway, created, shared, pass } = await start()
    const hold = sandbox.hold()
    const leaving = new AbortController()
    const given = literal({ ...input, computationId: seed.countedCells, permissions: forGrace })
    const answer = fetch(`${await gateway.listen()}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${tokens.ada}` },
      body: JSON.stringify({ query: `mutation { captureResult(input: ${given}) { __typename } }` }),
      signal: leaving.signal,
    }).catch((error: Error) => error.name)
    expect((await hold.waitFor(1))[0]?.path).toBe("/data_assets/search")
    hold.release()
    expect((await hold.waitFor(1))[0]).toMatchObject({ method: "POST", path: "/data_assets" })
    leaving.abort()
    expect(await answer).toBe("AbortError")
    hold.end()
    await pass(11)
    await untilLive(gateway, { tasks: 0 })
    expect(created()).toMatchObject([{ aborted: false }])
    expect(shared()).toHaveLength(1)
  })

  test("a stopping gateway finishes a creation whose client has left", async () => {
    const { capture, sandbox, gateway, created } = await start()
    const hold = sandbox.hold()
    const gone = await capture({ computationId: seed.countedCells })
    for (const _call of ["run", "search"]) {
      await hold.waitFor(1)
      hold.release()
    }
    await hold.waitFor(1)
    gone.leave()
    await untilLive(gateway, { listeners: 0 })
    const closed = gateway.close()
    hold.end()
    expect(await closed).toBe(true)
    expect(created()).toMatchObject([{ aborted: false }])
  })
})

describe("two captures at once", () => {
  test("two equal captures at once make one data asset", async () => {
    const { capture, pass, sandbox, created, shared } = await start()
    const both = await Promise.all([1, 2].map(() => capture({ permissions: forGrace })))
    for (const one of both) await eventOf(one)
    await pass(700)
    for (const one of both) {
      const { steps } = await until(one, ({ dataAsset }) => dataAsset)
      expect(steps.map(({ status }: { status: string }) => status)).toEqual(["DONE", "PENDING"])
    }
    await pass(11, 2)
    for (const one of both) expect(await until(one, ({ complete }) => complete)).toBeDefined()
    expect(created()).toHaveLength(1)
    expect(shared()).toHaveLength(1)
    expect(sandbox.requestsTo("GET /computations/*")).toHaveLength(2)
  })

  test("two captures with different permissions make one data asset, and set both", async () => {
    const { capture, created, shared, pass } = await start()
    const everyone = { permissions: { everyone: "VIEWER" }, computationId: seed.countedCells }
    const both = [await capture({ permissions: forGrace, computationId: seed.countedCells }), await capture(everyone)]
    const steps = await Promise.all(both.map((one) => until(one, ({ dataAsset }) => dataAsset)))
    expect(steps.map((event) => event.steps[0].status)).toEqual(["DONE", "DONE"])
    expect(created()).toHaveLength(1)
    await pass(11, 2)
    for (const one of both) expect(await until(one, ({ complete }) => complete)).toBeDefined()
    expect(shared().map(({ body }) => body)).toMatchObject([
      { everyone: "none", users: [{ role: "viewer" }] },
      { everyone: "viewer", users: [{ role: "viewer" }] },
    ])
  })

  test("a mutation beside a subscription, and names that differ in spaces, capture one data asset", async () => {
    const { capture, ask, created } = await start()
    const computationId = seed.countedCells
    const selection = "{ ... on CaptureResultPayload { dataAsset { id } steps { status } } }"
    const mutate = (name: string) =>
      ask(`mutation { captureResult(input: ${literal({ ...input, computationId, name })}) ${selection} }`)
    const following = await capture({ computationId }, "dataAsset { id } steps { status }")
    const [event, ...answers] = await Promise.all([
      until(following, ({ dataAsset }) => dataAsset),
      ...["Aligned", "Aligned ", " Aligned"].map(mutate),
    ])
    expect(created()).toHaveLength(1)
    for (const { data, errors } of answers) {
      expect(errors).toBeUndefined()
      expect(data.captureResult.dataAsset).toEqual(event?.dataAsset)
    }
  })

  test("two captures of one operation make one data asset, and the second says that it was made before", async () => {
    const { ask, created } = await start()
    const given = literal({ ...input, computationId: seed.countedCells })
    const selection = "{ ... on CaptureResultPayload { dataAsset { id } steps { status } } }"
    const { data } = await ask(
      `mutation { a: captureResult(input: ${given}) ${selection} b: captureResult(input: ${given}) ${selection} }`,
    )
    expect(data.a.steps).toEqual([{ status: "DONE" }])
    expect(data.b).toEqual({ dataAsset: data.a.dataAsset, steps: [{ status: "ALREADY_DONE" }] })
    expect(created()).toHaveLength(1)
  })

  test.each([
    ["as the process remembers it", false],
    ["as another process finds it", true],
  ])("a run's id in another case captures no second data asset, %s", async (_name, elsewhere) => {
    const { ask, sandbox, created } = await start()
    const mutate = (computationId: string) =>
      `mutation { captureResult(input: ${literal({ ...input, computationId })}) { ... on CaptureResultPayload { steps { status } } } }`
    await ask(mutate(seed.countedCells))
    const send = elsewhere ? startGatewayOn(sandbox.url).ask : ask
    const { data } = await send(mutate(seed.countedCells.toUpperCase()))
    expect(data.captureResult).toEqual({ steps: [{ status: "ALREADY_DONE" }] })
    expect(created()).toHaveLength(1)
  })

  test("a data asset that has been renamed is not taken for a capture under its former name", async () => {
    const { ask, sandbox, created } = await start()
    const given = literal({ ...input, computationId: seed.countedCells })
    const capture = () =>
      ask(
        `mutation { captureResult(input: ${given}) { ... on CaptureResultPayload { dataAsset { id name } steps { status } } } }`,
      )
    const { id } = (await capture()).data.captureResult.dataAsset
    sandbox.clock.advance(11)
    await ask(`mutation { updateDataAsset(input: {id: "${id}", name: "Other"}) { __typename } }`)
    expect((await capture()).data.captureResult).toMatchObject({
      dataAsset: { name: "Aligned" },
      steps: [{ status: "DONE" }],
    })
    expect(created()).toHaveLength(2)
  })

  test("captures of different callers are independent", async () => {
    const { capture, created } = await start()
    const grace = { authorization: `Bearer ${tokens.grace}` }
    const hers = await capture({ computationId: seed.countedCells }, progress, "", grace)
    const his = await capture({ computationId: seed.countedCells })
    for (const one of [hers, his])
      expect((await until(one, ({ dataAsset }) => dataAsset)).steps).toMatchObject([{ status: "DONE" }])
    expect(created()).toHaveLength(2)
  })
})

describe("two tokens of one user", () => {
  // Both are Ada's.
  const other = { authorization: `Bearer ${tokens.noCapsules}` }
  const mutation = (name: string) =>
    `mutation { captureResult(input: ${literal({ ...input, computationId: seed.countedCells, name })}) { ... on CaptureResultPayload { dataAsset { id } steps { status } } } }`

  test("two tokens of one user make one data asset at the same moment, and the second finds the first's", async () => {
    const { ask, sandbox, created } = await start()
    const hold = sandbox.hold()
    const both = [ask(mutation("Aligned")), ask(mutation(" Aligned "), {}, other)]
    for (const path of ["/data_assets/search", "/data_assets", "/data_assets/search"]) {
      expect((await hold.waitFor(1)).map((request) => request.path)).toEqual([path])
      hold.release()
    }
    hold.end()
    const [first, second] = (await Promise.all(both)).map(({ data }) => data.captureResult)
    expect(first?.steps).toEqual([{ status: "DONE" }])
    expect(second).toEqual({ dataAsset: first?.dataAsset, steps: [{ status: "ALREADY_DONE" }] })
    expect(created()).toHaveLength(1)
  })

  test("a caller does not get the data asset of another user, whose capture of the same run and name came first", async () => {
    const { ask, created } = await start()
    const his = await ask(mutation("Aligned"))
    const hers = await ask(mutation("Aligned"), {}, { authorization: `Bearer ${tokens.admin}` })
    expect(hers.data.captureResult.steps).toEqual([{ status: "DONE" }])
    expect(hers.data.captureResult.dataAsset).not.toEqual(his.data.captureResult.dataAsset)
    expect(created()).toHaveLength(2)
  })
})

describe("permissions of a draft", () => {
  const selection =
    "{ ... on CaptureResultPayload { complete dataAsset { id } steps { step status failure { code message } } } }"
  const mutation = (more: object) =>
    `mutation { captureResult(input: ${literal({ ...input, computationId: seed.countedCells, permissions: forGrace, ...more })}) ${selection} }`

  test("the permissions of a draft are set after the mutation, once the data asset is READY", async () => {
    const { ask, pass, gateway, shared, lines } = await start()
    const { data } = await ask(mutation({}))
    expect(data.captureResult).toMatchObject({
      complete: false,
      steps: [
        { step: "CREATE", status: "DONE" },
        { step: "SET_PERMISSIONS", status: "PENDING", failure: null },
      ],
    })
    await pass(5)
    expect(shared()).toEqual([])
    await pass(8)
    await untilLive(gateway, { tasks: 0, pollers: 0 })
    expect(shared()).toHaveLength(1)
    expect(lines.filter(({ level }) => level === "warn" || level === "error")).toEqual([])
    const { data: after } = await ask(
      `{ dataAsset(id: "${data.captureResult.dataAsset.id}") { permissions { users { email role } } } }`,
    )
    expect(after.dataAsset.permissions.users).toEqual(forGrace.users)
  })

  test("the mutation sets permissions itself if the data asset is READY when it is first read", async () => {
    const { ask, sandbox, shared } = await start()
    const hold = sandbox.hold()
    const answer = ask(mutation({}))
    for (const _call of ["search", "creation"]) {
      await hold.waitFor(1)
      hold.release()
    }
    expect((await hold.waitFor(1))[0]).toMatchObject({ method: "GET" })
    sandbox.clock.advance(11)
    hold.end()
    expect((await answer).data.captureResult).toMatchObject({
      complete: true,
      steps: [{ status: "DONE" }, { status: "DONE" }],
    })
    expect(shared()).toHaveLength(1)
    expect(sandbox.requestsTo("GET /data_assets/*").filter(({ path }) => !path.endsWith("permissions"))).toHaveLength(1)
  })

  test("a log line names what is missing of the permissions that are set after the mutation", async () => {
    const { ask, pass, gateway, lines } = await start()
    const permissions = { groups: [{ group: "nuero", role: "VIEWER" }] }
    const { data } = await ask(mutation({ permissions }))
    await pass(11)
    await untilLive(gateway, { tasks: 0 })
    expect(lines.filter(({ level }) => level === "warn")).toMatchObject([
      {
        dataAssetId: data.captureResult.dataAsset.id,
        code: "CONFLICT",
        message: expect.stringContaining("the group nuero as viewer"),
        requestId: expect.any(String),
      },
    ])
    // Capturing again says it too.
    expect((await ask(mutation({ permissions }))).data.captureResult).toMatchObject({
      complete: false,
      steps: [{ status: "ALREADY_DONE" }, { status: "FAILED", failure: { code: "CONFLICT" } }],
    })
  })

  test.each([
    ["were set", { afterwards: "reset" }, [{ status: "DONE" }, { status: "DONE", failure: null }]],
    ["were not set", "reset", [{ status: "DONE" }, { status: "FAILED", failure: { code: "UPSTREAM_UNAVAILABLE" } }]],
  ] as const)("permissions whose response is lost are read back: they %s", async (_what, failure, steps) => {
    const { capture, pass, sandbox, shared } = await start()
    const following = await capture({ computationId: seed.countedCells, permissions: forGrace })
    await until(following, ({ dataAsset }) => dataAsset)
    sandbox.failNext("POST /data_assets/*/permissions", failure)
    await pass(11, 2)
    expect((await following.rest()).at(-1)?.data.captureResult.steps).toMatchObject(steps)
    expect(shared()).toHaveLength(1)
  })

  test("a data asset whose creation fails gets no permissions, and the step says so", async () => {
    const { capture, pass, shared } = await start()
    const target = { aws: { bucket: "missing-bucket" } }
    const following = await capture({ computationId: seed.countedCells, permissions: forGrace, target })
    await until(following, ({ dataAsset }) => dataAsset)
    await pass(11, 2)
    expect((await following.rest()).at(-1)?.data.captureResult).toMatchObject({
      dataAsset: { state: "FAILED" },
      complete: false,
      steps: [
        { status: "DONE" },
        { status: "FAILED", failure: { code: "CONFLICT", message: expect.stringContaining("creation failed") } },
      ],
    })
    expect(shared()).toEqual([])
  })

  test("a data asset whose creation failed does not count as captured", async () => {
    const { ask, sandbox, created } = await start()
    const broken = await ask(mutation({ permissions: {}, target: { aws: { bucket: "missing-bucket" } } }))
    sandbox.clock.advance(11)
    // The first time as this process remembers it, then as a search finds it.
    for (const name of ["Aligned", "Aligned "]) {
      const { data } = await ask(mutation({ name, permissions: {} }))
      expect(data.captureResult.dataAsset).not.toEqual(broken.data.captureResult.dataAsset)
    }
    expect(created()).toHaveLength(2)
  })

  test("a gateway that stops does not wait for drafts, and logs whose permissions are not set", async () => {
    const { ask, gateway, shared, lines, time } = await start()
    const { data } = await ask(mutation({}))
    await time.waits(1)
    expect(gateway.stats).toMatchObject({ tasks: 1 })
    expect(await gateway.close()).toBe(true)
    expect(lines.filter(({ level }) => level === "warn")).toMatchObject([
      { dataAssetId: data.captureResult.dataAsset.id, message: expect.stringContaining("The gateway stopped") },
    ])
    expect(shared()).toEqual([])
  })

  test("a draft that never becomes READY ends the wait at the time limit", async () => {
    const { ask, gateway, pass, shared, lines, sandbox } = await start()
    const { data } = await ask(mutation({ timeLimitSeconds: 8 }))
    const draft = { id: data.captureResult.dataAsset.id, state: "draft" }
    sandbox.failNext("GET /data_assets/*", { status: 200, body: draft }, 3)
    await pass(5)
    await pass(3)
    await untilLive(gateway, { tasks: 0 })
    expect(lines.filter(({ level }) => level === "warn")).toMatchObject([{ code: "TIME_LIMIT_REACHED" }])
    expect(shared()).toEqual([])
  })

  test("the time limit of one capture does not end the wait of another for the same data asset", async () => {
    const { ask, gateway, pass, time, shared, lines, sandbox } = await start()
    const { data } = await ask(mutation({ timeLimitSeconds: 6 }))
    await ask(mutation({}))
    const draft = { id: data.captureResult.dataAsset.id, state: "draft" }
    sandbox.failNext("GET /data_assets/*", { status: 200, body: draft })
    await pass(5)
    expect(await time.waits()).toEqual([1])
    await pass(1)
    await untilLive(gateway, { tasks: 1 })
    expect(shared()).toEqual([])
    await pass(60)
    await untilLive(gateway, { tasks: 0 })
    expect(shared()).toHaveLength(1)
    expect(lines.filter(({ level }) => level === "warn")).toMatchObject([{ code: "TIME_LIMIT_REACHED" }])
  })

  test("the polling interval of one capture does not delay another one's permissions, also not for another agent", async () => {
    const { ask, gateway, time, sandbox, shared } = await start()
    const agent = { authorization: `Bearer ${tokens.ada}`, "agent-id": "slow" }
    await ask(mutation({ pollingIntervalSeconds: 3_600 }), {}, agent)
    await ask(mutation({ permissions: { everyone: "VIEWER" } }))
    expect(await time.waits(2)).toEqual([5, 3_600])
    sandbox.clock.advance(11)
    time.push(5)
    await untilLive(gateway, { tasks: 1 })
    expect(shared().map(({ body }) => body)).toMatchObject([{ everyone: "viewer" }])
  })

  test("permissions that two tokens of one user set at the same moment are all set", async () => {
    const { ask, gateway, pass, sandbox, shared } = await start()
    // Both are Ada's.
    const other = { authorization: `Bearer ${tokens.noCapsules}` }
    const first = await ask(mutation({}))
    await ask(mutation({ permissions: { everyone: "VIEWER" } }), {}, other)
    const { id } = first.data.captureResult.dataAsset
    // The tasks have waited for longer than they wait for one another.
    for (const _read of [1, 2, 3, 4, 5, 6]) {
      sandbox.failNext("GET /data_assets/*", { status: 200, body: { id, state: "draft" } }, 2)
      await pass(60, 2)
    }
    await pass(60, 2)
    await untilLive(gateway, { tasks: 0 })
    expect(shared()).toHaveLength(2)
    const { data } = await ask(`{ dataAsset(id: "${id}") { permissions { everyone users { email role } } } }`)
    expect(data.dataAsset.permissions).toEqual({ everyone: "VIEWER", users: forGrace.users })
  })

  test("a draft that refuses a change says that it is a draft, and what to do", async () => {
    const { ask } = await start()
    const { data } = await ask(
      `mutation { updateDataAssetPermissions(input: {dataAssetId: "${seed.draftRecording}", everyone: VIEWER}) { __typename ... on MutationRefused { code message } } }`,
    )
    expect(data.updateDataAssetPermissions).toMatchObject({ code: "BAD_USER_INPUT" })
    expect(data.updateDataAssetPermissions.message).toMatch(/^data asset is not ready\. .*still a draft.*READY/)
  })

  test.each([
    ["updateDataAsset", "PUT /data_assets/*", 'id: "ID", name: "New"'],
    ["archiveDataAsset", "PATCH /data_assets/*/archive", 'id: "ID", archived: true'],
    ["transferDataAsset", "POST /data_assets/*/transfer", 'id: "ID", target: {aws: {bucket: "b"}}'],
  ])("%s that is refused for a draft says so, and says nothing of it for others", async (name, route, fields) => {
    const { ask, sandbox } = await start()
    const messages: string[] = []
    for (const id of [seed.draftRecording, seed.mouseRecording]) {
      sandbox.failNext(route, { status: 409, body: { message: "not now." } })
      const { data } = await ask(
        `mutation { ${name}(input: {${fields.replace("ID", id)}}) { ... on MutationRefused { code message } } }`,
      )
      expect(data[name].code).toBe("CONFLICT")
      messages.push(data[name].message)
    }
    expect(messages).toEqual([expect.stringMatching(/^not now\. The data asset is still a draft/), "not now."])
  })
})

/** What contexts are built from, on an upstream whose new data assets stay drafts, and a capture of a request that ends at once. */
async function startContexts() {
  const draft = { id: "d1", state: "draft", name: "Aligned" }
  const upstream = await startFaultyUpstream(({ path }) => ({
    body: path.endsWith("search") ? { has_more: false, results: [] } : draft,
  }))
  const lines: Record<string, unknown>[] = []
  const log = createLog("warn", { write: (line) => void lines.push(JSON.parse(line)) })
  const pool = createUpstreamPool({
    url: new URL(`${upstream.url}/`),
    minServerVersion: "4.6.0",
    timeoutMs: 5_000,
    deadlineMs: 20_000,
    connections: 1,
    maxCalls: 100,
    maxQueued: 10,
    retryPercent: 0,
    breakerCalls: 0,
    sharedReads: true,
    log,
  })
  const pollers = createPollers(pushedTime())
  onTestFinished(() => {
    pollers.close()
    pool.close()
  })
  const store = createMemoryStore()
  const tasks = createTasks(store)
  const build = createContextBuilder({ log, pool, pollers, tasks, store })

  /** Captures, and ends the request. Returns the steps, and what must not be kept. */
  async function capture(permissions: object) {
    const state = new RequestState(log, {}, { token: { value: "ada" }, tokenDigest: "ada", key: "ada" })
    const context = build(state)
    const request = {
      computationId: "c1",
      params: { name: "Aligned", tags: [], mount: "m" },
      permissions,
      polling: { fastestMs: undefined, timeLimitMs: undefined },
    }
    const { finished } = await captureOnce(context as Context, request)
    state.endCalls()
    return { finished, refs: [state, context, request, request.params].map((value) => new WeakRef<object>(value)) }
  }

  return { pollers, tasks, capture, lines }
}

test("a capture that waits for a draft keeps nothing of its request", async () => {
  const { pollers, tasks, capture } = await startContexts()
  const { refs } = await capture({ everyone: "viewer" })
  await expect.poll(() => pollers.counts.pollers).toBe(1)
  expect(tasks.count).toBe(1)
  await expect
    .poll(() => {
      collectGarbage()
      return refs.map((value) => value.deref() !== undefined)
    })
    .toEqual([false, false, false, false])
  expect(tasks.count).toBe(1)
})

test("permissions that a caller with too many tasks cannot set are a failed step and a log line", async () => {
  const { tasks, capture, lines } = await startContexts()
  for (let index = 0; index < 999; index++) void tasks.run("ada", `${index}`, "", () => new Promise(() => {}))
  const both = await Promise.all(["viewer", "discoverable"].map((everyone) => capture({ everyone })))
  expect((await both[1]?.finished)?.[1]).toMatchObject({ status: "failed", failure: { code: "RATE_LIMITED" } })
  expect(lines).toMatchObject([{ level: "warn", dataAssetId: "d1", code: "RATE_LIMITED" }])
})

describe("polling interval and time limit", () => {
  test("a capture whose run does not end within the time limit ends with an error, and captures nothing", async () => {
    const { capture, pass, created } = await start()
    const following = await capture({ timeLimitSeconds: 12 })
    await pass(5)
    await pass(7)
    const last = (await following.rest()).at(-1)
    expect(last?.errors).toMatchObject([
      { message: expect.stringContaining("12 seconds"), extensions: { code: "TIME_LIMIT_REACHED" } },
    ])
    expect(created()).toEqual([])
  })

  test("a capture reads no more often than it asked for", async () => {
    const { capture, time, sandbox } = await start()
    const following = await capture({ pollingIntervalSeconds: 60 })
    await eventOf(following)
    expect(await time.waits(1)).toEqual([60])
    time.push(59)
    expect(await time.waits(1)).toEqual([60])
    expect(sandbox.requestsTo("GET /computations/*")).toHaveLength(1)
  })

  test.each([
    "pollingIntervalSeconds: 4",
    "pollingIntervalSeconds: 3601",
    "timeLimitSeconds: 0",
    "timeLimitSeconds: 604801",
    "timeLimitSeconds: -1",
  ])("%s is out of bounds, in captures and in other subscriptions", async (option) => {
    const { ask, gateway, sandbox } = await start()
    const fields = literal({ ...input }).slice(1, -1)
    const { errors } = await ask(`mutation { captureResult(input: {${fields}, ${option}}) { __typename } }`)
    const stream = await follow(
      await gateway.listen(),
      `subscription { computation(id: "${seed.runningAlignment}", ${option}) { id } }`,
    )
    const [name] = option.split(":")
    for (const error of [errors?.[0], (await stream.rest())[0]?.errors?.[0]]) {
      expect(error).toMatchObject({
        message: expect.stringContaining(`\`${name}\``),
        extensions: { code: "BAD_USER_INPUT" },
      })
    }
    expect(sandbox.requests).toEqual([])
  })
})

describe("a creation whose response is lost", () => {
  test.each([
    ["lost", "reset"],
    ["a 502", { status: 502 }],
    ["unreadable", { status: 200, body: "<html>" }],
  ] as const)("a search finds a data asset whose creation's response was %s", async (_name, afterwards) => {
    const { capture, sandbox, created } = await start()
    sandbox.failNext("POST /data_assets", { afterwards })
    const following = await capture({ computationId: seed.countedCells })
    const event = await until(following, ({ dataAsset }) => dataAsset)
    expect(event.steps).toMatchObject([{ step: "CREATE", status: "DONE" }])
    expect(created()).toHaveLength(1)
  })

  test("a creation whose response is lost, and which no search finds, has an unknown outcome and is never sent again", async () => {
    const { capture, sandbox, created, gateway } = await start()
    sandbox.failNext("POST /data_assets", "reset")
    const events = await (await capture({ computationId: seed.countedCells })).rest()
    expect(events.at(-1)).toMatchObject({
      data: { captureResult: null },
      errors: [
        {
          message: expect.stringContaining("unknown whether the change happened"),
          path: ["captureResult"],
          extensions: { code: "UPSTREAM_UNAVAILABLE", outcomeUnknown: true },
        },
      ],
    })
    expect(created()).toHaveLength(1)
    await untilLive(gateway, { tasks: 0 })
  })

  test("a creation that certainly had no effect is a failure of known outcome", async () => {
    const { capture, sandbox, created } = await start()
    sandbox.failNext("POST /data_assets/search", { status: 500 })
    const events = await (await capture({ computationId: seed.countedCells })).rest()
    expect(events.at(-1)?.errors?.[0]?.extensions).toMatchObject({ code: "UPSTREAM_UNAVAILABLE" })
    expect(events.at(-1)?.errors?.[0]?.extensions.outcomeUnknown).toBeUndefined()
    expect(created()).toEqual([])
  })
})

test("a data asset that was deleted is made again, and one that is deleted meanwhile is null", async () => {
  const { capture, ask, pass, time, created } = await start()
  const wanted = { computationId: seed.countedCells }
  const first = await capture(wanted, "dataAsset { id }")
  const { id } = (await until(first, ({ dataAsset }) => dataAsset)).dataAsset
  await time.waits(2)
  await ask(`mutation { deleteDataAsset(input: {id: "${id}"}) { __typename } }`)
  await pass(5, 2)
  expect((await first.rest()).at(-1)?.data.captureResult).toEqual({ dataAsset: null })
  const second = await capture(wanted, "dataAsset { id }")
  expect((await until(second, ({ dataAsset }) => dataAsset)).dataAsset.id).not.toBe(id)
  expect(created()).toHaveLength(2)
})

test("60 captures whose clients leave, before or after the end of their run, leave nothing behind", async () => {
  const { capture, gateway, time, sandbox, created } = await start()
  const waiting = await Promise.all(Array.from({ length: 30 }, (_, index) => capture({ name: `Waiting ${index}` })))
  for (const one of waiting) await eventOf(one)
  const captured = await Promise.all(
    Array.from({ length: 30 }, (_, index) => capture({ name: `Captured ${index}`, computationId: seed.countedCells })),
  )
  for (const one of captured) await until(one, ({ dataAsset }) => dataAsset)
  expect(gateway.stats).toMatchObject({ listeners: 60, tasks: 0 })
  for (const one of [...waiting, ...captured]) one.leave()
  await untilLive(gateway, { pollers: 0, listeners: 0, tasks: 0 })
  time.push(5)
  expect(await time.waits(0)).toEqual([])
  await untilLive(gateway, { coolingDown: 0 })
  expect(created()).toHaveLength(30)
  expect(sandbox.requestsTo("GET /computations/*")).toHaveLength(2)
})

/** The same capture through another gateway. */
async function another(url: string, more: object): Promise<Following> {
  const { gateway } = startGatewayOn(url)
  return follow(
    await gateway.listen(),
    `subscription { captureResult(input: ${literal({ ...input, ...more })}) { ${progress} } }`,
  )
}
