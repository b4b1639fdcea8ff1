import { describe, expect, test, vi } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import type { Gateway } from "../src/server.ts"
import { startGateway } from "./support/gateway.ts"
import { follow } from "./support/live.ts"

const config = { incrementalDelivery: true }
const panelLater = `query Later { capsule(id: "${seed.cellCounter}") { name ... @defer { appPanel { general { title } } } } }`

/** Posts as Ada, in process. */
const post = (gateway: Gateway, query: string, accept: string) =>
  gateway.fetch("http://gateway/graphql", {
    method: "POST",
    headers: { authorization: `Bearer ${tokens.ada}`, "content-type": "application/json", accept },
    body: JSON.stringify({ query }),
  })

/** The parts of a multipart response. */
async function partsOf(response: Response) {
  const text = await response.text()
  return [...text.matchAll(/^\{.*\}$/gm)].map(([json]) => JSON.parse(json))
}

test("@defer is unknown unless INCREMENTAL_DELIVERY is on", async () => {
  const { ask } = await startGateway()
  expect((await ask(panelLater)).errors).toMatchObject([
    { message: 'Unknown directive "@defer".', extensions: { code: "GRAPHQL_VALIDATION_FAILED" } },
  ])
})

describe("incremental delivery", () => {
  test("deferred fields are delivered when their calls are answered", async () => {
    const { gateway, sandbox } = await startGateway({ config })
    const hold = sandbox.hold()
    const following = follow(await gateway.listen(), panelLater)
    await hold.waitFor(1)
    hold.release()
    const { next, rest } = await following
    expect(await next()).toEqual({ data: { capsule: { name: "Cell Counter" } }, hasNext: true })
    await hold.waitFor(1)
    hold.end()
    expect(await rest()).toEqual([
      {
        incremental: [{ data: { appPanel: { general: { title: "Count cells" } } }, path: ["capsule"] }],
        hasNext: false,
      },
    ])
    expect(sandbox.requests).toHaveLength(2)
  })

  test("the first items of a streamed list are delivered before the others are known", async () => {
    const { gateway } = await startGateway({ config })
    const query = `{ capsules(ids: ["${seed.cellCounter}", "${seed.spikeSorting}"]) @stream(initialCount: 1) { name } }`
    const [first, ...later] = await partsOf(await post(gateway, query, "multipart/mixed"))
    expect(first).toEqual({ data: { capsules: [{ name: "Cell Counter" }] }, hasNext: true })
    expect(later.flatMap(({ incremental }) => incremental ?? [])).toEqual([
      { items: [{ name: "Spike Sorting" }], path: ["capsules", 1] },
    ])
  })

  test("an error in a later part has the same form as every other", async () => {
    const { gateway, sandbox } = await startGateway({ config })
    sandbox.failNext("GET /capsules/*/computations", { status: 500, body: { message: "internals" } }, 9)
    const query = `{ capsule(id: "${seed.cellCounter}") { name ... @defer { computations { nodes { name } } } } }`
    const parts = await partsOf(await post(gateway, query, "multipart/mixed"))
    expect(parts.flatMap(({ incremental }) => incremental ?? [])).toEqual([
      {
        data: { computations: null },
        path: ["capsule"],
        errors: [
          {
            message: "Code Ocean is failing (500).",
            locations: expect.any(Array),
            path: ["capsule", "computations"],
            extensions: {
              code: "UPSTREAM_UNAVAILABLE",
              requestId: expect.any(String),
              upstream: { endpoint: "GET /capsules/{id}/computations", status: 500 },
            },
          },
        ],
      },
    ])
  })

  test("the log has one line for a response in parts, written at the end, with all calls and errors", async () => {
    const { gateway, sandbox, lines } = await startGateway({ config })
    sandbox.failNext("GET /capsules/*/app_panel", { status: 403 })
    await partsOf(await post(gateway, panelLater, "multipart/mixed"))
    expect(lines.filter(({ msg }) => msg === "request" || msg === "subscription")).toMatchObject([
      {
        msg: "request",
        operation: "Later",
        parts: 2,
        upstreamCalls: 2,
        outcome: "errors",
        errorCodes: { FORBIDDEN: 1 },
      },
    ])
  })

  test("a client that hangs up between two parts cancels the calls in flight", async () => {
    const { gateway, sandbox, lines } = await startGateway({ config })
    const hold = sandbox.hold()
    const following = follow(await gateway.listen(), panelLater)
    await hold.waitFor(1)
    hold.release()
    const { next, leave } = await following
    await next()
    const [panel] = await hold.waitFor(1)
    leave()
    await vi.waitFor(() => expect(panel?.aborted).toBe(true))
    await vi.waitFor(() => expect(lines.map(({ outcome }) => outcome)).toContain("cancelled"))
  })

  test("a stopping gateway sends all parts of the responses that it has begun", async () => {
    const { gateway, sandbox } = await startGateway({ config })
    const hold = sandbox.hold()
    const following = follow(await gateway.listen(), panelLater)
    await hold.waitFor(1)
    hold.release()
    const { next, rest } = await following
    await next()
    await hold.waitFor(1)
    const closed = gateway.close()
    hold.end()
    expect(await rest()).toMatchObject([{ incremental: [{ path: ["capsule"] }], hasNext: false }])
    expect(await closed).toBe(true)
  })

  test("later parts of a response have the request's deadline", async () => {
    const { gateway, sandbox } = await startGateway({ config: { ...config, requestDeadlineMs: 1_500 } })
    sandbox.failNext("GET /capsules/*/app_panel", "hang", 9)
    const parts = await partsOf(await post(gateway, panelLater, "multipart/mixed"))
    expect(parts.at(-1).hasNext).toBe(false)
    expect(parts.flatMap(({ incremental }) => incremental ?? [])).toMatchObject([
      { data: { appPanel: null }, errors: [{ extensions: { code: "UPSTREAM_TIMEOUT" } }] },
    ])
  })

  test("a response in parts has headers against caching and buffering", async () => {
    const { gateway } = await startGateway({ config })
    for (const accept of ["multipart/mixed", "text/event-stream"]) {
      const { headers } = await post(gateway, panelLater, accept)
      expect(headers.get("content-type")).toContain(accept)
      expect(headers.get("x-accel-buffering")).toBe("no")
      expect(headers.get("cache-control")).toBe("private, no-store")
    }
  })

  test("a client that uses @defer and accepts no parts gets an error that says which Accept header to send", async () => {
    const { gateway } = await startGateway({ config })
    const response = await post(gateway, panelLater, "application/json")
    expect(response.status).toBe(406)
    expect((await response.json()).errors[0]).toMatchObject({
      message: expect.stringContaining("Accept: multipart/mixed"),
      extensions: { code: "BAD_USER_INPUT" },
    })
  })

  test("each event of a subscription is one response without parts", async () => {
    const { ask } = await startGateway({ config })
    const query = `subscription { computation(id: "${seed.countedCells}") { state ...Log } } fragment Log on Computation { ... @defer { log } }`
    expect((await ask(query)).errors).toMatchObject([
      { message: "@defer can't be used in a subscription. Events are sent in one piece." },
    ])
  })

  test("an operation without @defer is answered in one response", async () => {
    const { ask } = await startGateway({ config })
    expect(await ask(panelLater.replace("... @defer", "... @defer(if: false)"))).toEqual({
      data: { capsule: { name: "Cell Counter", appPanel: { general: { title: "Count cells" } } } },
    })
  })
})
