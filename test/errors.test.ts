import { gzipSync } from "node:zlib"
import { describe, expect, test, vi } from "vitest"
import type { Failure } from "../sandbox/failures.ts"
import { seed, tokens } from "../sandbox/seed.ts"
import { maxResponseBytes } from "../src/upstream/transport.ts"
import { sendMuch, startFaultyUpstream } from "./support/faultyUpstream.ts"
import { type Result, startGateway, startGatewayOn } from "./support/gateway.ts"

const capsuleRoute = `GET /capsules/${seed.cellCounter}`
const always = 100
const codes = ({ errors }: Result) => errors?.map(({ extensions }) => extensions.code)
const notPromised = "Code Ocean sent an invalid response."

/** Each place in the graph where a call can fail, with a field beside it that must keep its value. */
const places = {
  lookup: {
    route: capsuleRoute,
    endpoint: "GET /capsules/{id}",
    query: `{ broken: capsule(id: "${seed.cellCounter}") { name } neighbour: pipeline(id: "${seed.ecephysPipeline}") { id } }`,
    path: ["broken"],
    data: { broken: null, neighbour: { id: seed.ecephysPipeline } },
  },
  edge: {
    route: `${capsuleRoute}/computations`,
    endpoint: "GET /capsules/{id}/computations",
    query: `{ capsule(id: "${seed.cellCounter}") { name computations { nodes { id } } appPanel { general { title } } } }`,
    path: ["capsule", "computations"],
    data: { capsule: { name: "Cell Counter", computations: null, appPanel: { general: { title: "Count cells" } } } },
  },
  search: {
    route: "POST /capsules/search",
    endpoint: "POST /capsules/search",
    query: "{ searchCapsules { nodes { id } } }",
    path: ["searchCapsules"],
    data: { searchCapsules: null },
  },
  mutation: {
    route: `PATCH /capsules/${seed.cellCounter}/archive`,
    endpoint: "PATCH /capsules/{id}/archive",
    query: `mutation { archiveCapsule(input: { id: "${seed.cellCounter}", archived: true }) {
      __typename ... on MutationRefused { code message details }
    } }`,
    path: ["archiveCapsule"],
    data: { archiveCapsule: null },
  },
}

const said = "what upstream says of it"
const body = { message: said, datasets: [{ id: "d1", name: "In the way" }] }

function sentenceOf(status: number): string {
  if (status < 400) return notPromised
  return status < 500 ? said : `Code Ocean is failing (${status}).`
}

async function startFailing(place: { route: string }, failure: Failure) {
  const world = await startGateway()
  world.sandbox.failNext(place.route, failure, always)
  return world
}

describe("HTTP statuses of failed calls", () => {
  test.each([404, 410])(
    "a %i to a list of runs is an error, because a list is no object that may be missing",
    async (status) => {
      const { ask } = await startFailing(places.edge, { status, body })
      const { data, errors } = await ask(places.edge.query)
      expect(data).toEqual(places.edge.data)
      expect(errors).toMatchObject([{ message: said, path: places.edge.path, extensions: { code: "NOT_FOUND" } }])
    },
  )

  test.each(["application/json", "application/graphql-response+json"])(
    "the HTTP status of a response with upstream errors is 200, as %s",
    async (accept) => {
      const { gateway, sandbox } = await startGateway()
      for (const { route, query } of Object.values(places)) {
        for (const status of [
          301, 304, 400, 401, 403, 404, 408, 409, 410, 413, 418, 422, 423, 429, 500, 502, 503, 504, 599,
        ]) {
          sandbox.failNext(route, { status, headers: { "retry-after": "999" } })
          const response = await gateway.fetch("http://gateway/graphql", {
            method: "POST",
            headers: { "content-type": "application/json", accept, authorization: `Bearer ${tokens.ada}` },
            body: JSON.stringify({ query }),
          })
          expect(response.status).toBe(200)
          expect(response.headers.get("content-type")).toContain(accept)
          expect(response.headers.get("retry-after")).toBeNull()
        }
      }
    },
  )

  test("the request's id is the same in the response's header, in its errors and in the log", async () => {
    const { gateway, sandbox, lines } = await startGateway()
    sandbox.failNext(capsuleRoute, { status: 500 })
    const response = await gateway.fetch("http://gateway/graphql", {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${tokens.ada}` },
      body: JSON.stringify({ query: places.lookup.query }),
    })
    const { errors } = (await response.json()) as Result
    const requestId = response.headers.get("x-request-id")
    expect(errors![0]!.extensions.requestId).toBe(requestId)
    expect(lines.filter(({ msg }) => msg === "upstream call failed")).toMatchObject([
      { requestId, endpoint: "GET /capsules/{id}", status: 500, failure: "status", attempts: 1, level: "warn" },
    ])
  })

  test("upstream's message of a 5xx is in the log and not in the response", async () => {
    const { ask, lines } = await startFailing(places.lookup, { status: 500, body: { message: "pq: relation missing" } })
    expect(JSON.stringify(await ask(places.lookup.query))).not.toContain("pq:")
    expect(lines).toContainEqual(expect.objectContaining({ upstreamMessage: "pq: relation missing" }))
  })

  test("a call that was retried is logged once, with the number of attempts", async () => {
    const { ask, lines } = await startFailing(places.lookup, { status: 503 })
    await ask(places.lookup.query)
    expect(lines.filter(({ msg }) => msg === "upstream call failed")).toMatchObject([{ attempts: 4, status: 503 }])
  })

  test("the endpoint in an error shows neither ids nor the host", async () => {
    const { ask, sandbox } = await startFailing({ route: `${capsuleRoute}/app_panel` }, { status: 500 })
    const { errors } = await ask(
      `{ capsule(id: "${seed.cellCounter}") { appPanel(version: 2) { general { title } } } }`,
    )
    expect(errors![0]!.extensions.upstream).toEqual({ endpoint: "GET /capsules/{id}/app_panel", status: 500 })
    expect(JSON.stringify(errors)).not.toContain(new URL(sandbox.url).host)
  })
})

describe("upstream's message of a failure", () => {
  const own = "Code Ocean answered 400."
  const shapes: [string, unknown, { message: string; details: unknown }][] = [
    ["an object with a message", { message: said }, { message: said, details: null }],
    ["an object with more keys", body, { message: said, details: { datasets: body.datasets } }],
    ["a list", [{ message: said }, "x"], { message: own, details: { errors: [{ message: said }, "x"] } }],
    ["an empty list", [], { message: own, details: { errors: [] } }],
    ["an object without message", { error: "nope" }, { message: own, details: { error: "nope" } }],
    ["an empty object", {}, { message: own, details: null }],
    ["an empty message", { message: "", more: 1 }, { message: own, details: { more: 1 } }],
    ["a message that is null", { message: null }, { message: own, details: null }],
    ["a message that is a number", { message: 42 }, { message: own, details: null }],
    ["a message that is an object", { message: { text: said } }, { message: own, details: null }],
    ["a page", "<html><body>Bad Request</body></html>", { message: own, details: null }],
    ["plain text", "bad request", { message: own, details: null }],
    ["malformed JSON", '{"message": "cut', { message: own, details: null }],
    ["null", "null", { message: own, details: null }],
    ["a number", "42", { message: own, details: null }],
    ["a text in JSON", '"bad request"', { message: own, details: null }],
    ["nothing", undefined, { message: own, details: null }],
    [
      "keys that JavaScript knows",
      '{"message":"m","__proto__":{"x":1},"constructor":2}',
      {
        message: "m",
        details: JSON.parse('{"__proto__":{"x":1},"constructor":2}'),
      },
    ],
    [
      "lists in lists without end",
      `{"message":"m","deep":${"[".repeat(200_000)}${"]".repeat(200_000)}}`,
      {
        message: own,
        details: null,
      },
    ],
  ]

  test.each(shapes)(
    "%s as the body of a 400 becomes the message of a failed read",
    async (_what, sent, { message }) => {
      const { ask } = await startFailing(places.lookup, { status: 400, body: sent })
      const { data, errors } = await ask(places.lookup.query)
      expect(data).toEqual(places.lookup.data)
      expect(errors).toHaveLength(1)
      expect(errors![0]!.message).toBe(message)
      expect(errors![0]!.extensions).toEqual({
        code: "BAD_USER_INPUT",
        requestId: expect.any(String),
        upstream: { endpoint: "GET /capsules/{id}", status: 400 },
      })
    },
  )

  test.each(shapes)(
    "%s as the body of a 400 becomes the message and the details of a refused change",
    async (_what, sent, { message, details }) => {
      const { ask } = await startFailing(places.mutation, { status: 400, body: sent })
      const { data, errors } = await ask(places.mutation.query)
      expect(errors).toBeUndefined()
      expect(data.archiveCapsule).toEqual({ __typename: "MutationRefused", code: "BAD_USER_INPUT", message, details })
    },
  )

  test("an upstream message of a hundred thousand letters is cut", async () => {
    const { ask } = await startFailing(places.lookup, { status: 400, body: { message: "x".repeat(100_000) } })
    expect((await ask(places.lookup.query)).errors![0]!.message).toBe("x".repeat(2000))
  })

  test.each([301, 500, 503])("a %i with any body has the gateway's own message", async (status) => {
    for (const [, sent] of shapes) {
      const { ask, sandbox } = await startGateway()
      sandbox.failNext(capsuleRoute, { status, body: sent, headers: { "retry-after": "999" } })
      expect((await ask(places.lookup.query)).errors!.map(({ message }) => message)).toEqual([sentenceOf(status)])
    }
  })
})

describe("a response that is not what the API promises", () => {
  const noObjects: [string, unknown][] = [
    ["a page", "<html>please log in</html>"],
    ["malformed JSON", '{"id": "c1", name: }'],
    ["JSON that ends early", '{"id": "c1", "name": "half'],
    ["two JSON values", '{"id":"c1"}{"id":"c2"}'],
    ["null", "null"],
    ["a number", "42"],
    ["a truth value", "true"],
    ["a text", '"c1"'],
    ["nothing", undefined],
    ["white space", "  \n "],
    ["bytes that are no text", "\u0000\u0001\uffff"],
  ]
  const noCapsules: [string, unknown][] = [
    ...noObjects,
    ["a list", [{ id: "c1" }]],
    ["an object without id", { name: "Anonymous" }],
    ["an object whose id is empty", { id: "", name: "Anonymous" }],
    ["an object whose id is null", { id: null }],
    ["an object whose id is a number", { id: 42 }],
    ["an error's object with a 200", { message: "internal error" }],
  ]
  // An empty list may be sent as null.
  const noLists: [string, unknown][] = [
    ...noObjects.filter(([what]) => what !== "null"),
    ["an object", { id: "c1" }],
    ["an empty object", {}],
  ]
  const noPages: [string, unknown][] = [
    ...noObjects,
    ["a list", [{ id: "c1" }]],
    ["an object without results", { has_more: false }],
    ["an empty object", {}],
    ["an error's object with a 200", { message: "internal error" }],
    ["results that are an object", { has_more: false, results: { id: "c1" } }],
    ["results that are a text", { has_more: false, results: "none" }],
  ]

  async function expectInvalid(place: (typeof places)[keyof typeof places], sent: unknown) {
    const { ask, sandbox } = await startGateway()
    sandbox.failNext(place.route, { status: 200, body: sent })
    const { data, errors } = await ask(place.query)
    expect(data).toEqual(place.data)
    expect(errors).toMatchObject([
      {
        message: notPromised,
        path: place.path,
        extensions: { code: "UPSTREAM_INVALID_RESPONSE", upstream: { endpoint: place.endpoint, status: 200 } },
      },
    ])
  }

  test.each(noCapsules)("%s where a capsule belongs fails that field alone", async (_what, sent) => {
    await expectInvalid(places.lookup, sent)
  })

  test.each(noLists)("%s where a list of runs belongs fails that field alone", async (_what, sent) => {
    await expectInvalid(places.edge, sent)
  })

  test.each(noPages)("%s where a page of a search belongs fails that search", async (_what, sent) => {
    await expectInvalid(places.search, sent)
  })

  test.each([...noObjects, ["a list", []] as [string, unknown]])(
    "%s where an app panel belongs fails that field alone",
    async (_what, sent) => {
      const { ask, sandbox } = await startGateway()
      sandbox.failNext(`${capsuleRoute}/app_panel`, { status: 200, body: sent })
      const answer = await ask(`{ capsule(id: "${seed.cellCounter}") { name appPanel { general { title } } } }`)
      expect(answer.data).toEqual({ capsule: { name: "Cell Counter", appPanel: null } })
      expect(codes(answer)).toEqual(["UPSTREAM_INVALID_RESPONSE"])
    },
  )

  test.each([201, 202, 204, 206])(
    "a %i without a body where a capsule belongs fails that field alone",
    async (status) => {
      const { ask, sandbox } = await startGateway()
      sandbox.failNext(capsuleRoute, { status })
      const answer = await ask(places.lookup.query)
      expect(answer.data).toEqual(places.lookup.data)
      expect(codes(answer)).toEqual(["UPSTREAM_INVALID_RESPONSE"])
    },
  )

  test("a list of runs that is null is an empty one", async () => {
    const { ask, sandbox } = await startGateway()
    sandbox.failNext(places.edge.route, { status: 200, body: "null" })
    const { data, errors } = await ask(places.edge.query)
    expect(data.capsule.computations).toEqual({ nodes: [] })
    expect(errors).toBeUndefined()
  })

  test("search results that are null are an empty page", async () => {
    const { ask, sandbox } = await startGateway()
    sandbox.failNext(places.search.route, { status: 200, body: { has_more: false, results: null } })
    expect(await ask(places.search.query)).toEqual({ data: { searchCapsules: { nodes: [] } } })
  })

  test("the type and size of an invalid response are in the log, its content is not", async () => {
    const { ask, sandbox, lines } = await startGateway()
    sandbox.failNext(capsuleRoute, { status: 200, body: "<html>Jane Doe's private page</html>" })
    await ask(places.lookup.query)
    const line = lines.find(({ msg }) => msg === "upstream call failed")
    expect(line).toMatchObject({ cause: "not JSON (text/html; charset=utf-8, 36 bytes)", failure: "invalid" })
    expect(JSON.stringify(lines)).not.toContain("Jane")
  })

  test("a response that breaks off every time fails that field alone", async () => {
    const { ask } = await startFailing(places.lookup, "truncate")
    const answer = await ask(places.lookup.query)
    expect(answer.data).toEqual(places.lookup.data)
    expect(codes(answer)).toEqual(["UPSTREAM_INVALID_RESPONSE"])
  })

  const small = { body: { id: "c2", name: "Small" } }
  const two = `{ odd: capsule(id: "c1") { name } neighbour: capsule(id: "c2") { name } }`

  test.each([
    ["declared by its length", { "content-length": String(50 * 1024 * 1024) }],
    ["in chunks", {}],
  ])("a response of 50 MB, %s, is not read to its end, and fails that field alone", async (_how, headers) => {
    let sent = 0
    const upstream = await startFaultyUpstream(({ path }, response) => {
      if (path === "/capsules/c2") return small
      response.writeHead(200, { "content-type": "application/json", ...headers })
      response.on("close", () => {
        sent = response.socket?.bytesWritten ?? 0
      })
      sendMuch(response, 50 * 1024 * 1024)
      return undefined
    })
    const { ask } = startGatewayOn(upstream.url)
    const answer = await ask(two)
    expect(answer.data).toEqual({ odd: null, neighbour: { name: "Small" } })
    expect(codes(answer)).toEqual(["UPSTREAM_INVALID_RESPONSE"])
    expect(upstream.requests).toHaveLength(2)
    await vi.waitFor(() => expect(sent).toBeGreaterThan(0))
    expect(sent).toBeLessThan(50 * 1024 * 1024)
  })

  test("a response just within the limit is read", async () => {
    const capsule = { id: "c1", name: "Large", slug: "x".repeat(maxResponseBytes - 100) }
    const upstream = await startFaultyUpstream(({ path }) => (path === "/capsules/c2" ? small : { body: capsule }))
    const { ask } = startGatewayOn(upstream.url)
    expect(await ask(two)).toEqual({ data: { odd: { name: "Large" }, neighbour: { name: "Small" } } })
  })

  test("a compressed response that was not asked for fails that field alone", async () => {
    const packed = { headers: { "content-encoding": "gzip" }, body: gzipSync('{"id":"c1","name":"Packed"}') }
    const upstream = await startFaultyUpstream(({ path }) => (path === "/capsules/c2" ? small : packed))
    const answer = await startGatewayOn(upstream.url).ask(two)
    expect(answer.data).toEqual({ odd: null, neighbour: { name: "Small" } })
    expect(codes(answer)).toEqual(["UPSTREAM_INVALID_RESPONSE"])
  })

  test.each([
    ["no HTTP at all", "SSH-2.0-OpenSSH_9.6\r\n"],
    ["a status line that is none", "HTTP/1.1 OK\r\n\r\n"],
    ["a length that is none", "HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n{}"],
    ["a header of 100 kB", `HTTP/1.1 200 OK\r\nx-long: ${"x".repeat(100_000)}\r\ncontent-length: 2\r\n\r\n{}`],
  ])("an upstream response of %s fails that field alone", async (_what, bytes) => {
    const upstream = await startFaultyUpstream(({ path }, response) => {
      if (path === "/capsules/c2") return small
      response.socket!.end(bytes)
      return undefined
    })
    const answer = await startGatewayOn(upstream.url).ask(two)
    expect(answer.data).toEqual({ odd: null, neighbour: { name: "Small" } })
    expect(codes(answer)).toEqual(["UPSTREAM_INVALID_RESPONSE"])
  })

  test("an object nested a hundred thousand deep costs no more than its own lookup", async () => {
    const deep = `{"id":"c1","name":"Deep","tags":${"[".repeat(100_000)}${"]".repeat(100_000)}}`
    const upstream = await startFaultyUpstream(({ path }) => (path === "/capsules/c2" ? small : { body: deep }))
    const answer = await startGatewayOn(upstream.url).ask(
      `{ odd: capsule(id: "c1") { name tags } neighbour: capsule(id: "c2") { name } }`,
    )
    expect(answer.data).toEqual({ odd: null, neighbour: { name: "Small" } })
    expect(codes(answer)).toEqual(["UPSTREAM_INVALID_RESPONSE"])
  })
})

describe("one failed call", () => {
  test("a failed call loses one field, whatever fails beside it", async () => {
    const { ask, sandbox } = await startGateway()
    const { cellCounter, spikeSorting, ecephysPipeline, mouseRecording, cellImages } = seed
    sandbox.failNext(`GET /capsules/${cellCounter}/app_panel`, { status: 500 })
    sandbox.failNext(`GET /capsules/${spikeSorting}/computations`, { status: 403, body: { message: "not yours" } })
    sandbox.failNext(`GET /pipelines/${ecephysPipeline}`, "truncate", always)
    sandbox.failNext(`GET /data_assets/${mouseRecording}`, { status: 200, body: [] })
    const { data, errors } = await ask(`{
      first: capsule(id: "${cellCounter}") { ...parts }
      second: capsule(id: "${spikeSorting}") { ...parts }
      pipeline(id: "${ecephysPipeline}") { name }
      dataAssets(ids: ["${mouseRecording}", "${cellImages}"]) { id name }
    }
    fragment parts on Capsule { name appPanel { results { fileName } } computations(first: 1) { nodes { id } } }`)
    const run = { nodes: [{ id: expect.any(String) }] }
    expect(data.first).toEqual({ name: "Cell Counter", appPanel: null, computations: run })
    expect(data.second).toMatchObject({ name: expect.any(String), computations: null })
    expect(data.second.appPanel).not.toBeNull()
    expect(data.pipeline).toBeNull()
    expect(data.dataAssets).toEqual([null, { id: cellImages, name: expect.any(String) }])
    expect(Object.fromEntries(errors!.map(({ path, extensions }) => [path!.join("."), extensions.code]))).toEqual({
      "first.appPanel": "UPSTREAM_UNAVAILABLE",
      "second.computations": "FORBIDDEN",
      pipeline: "UPSTREAM_INVALID_RESPONSE",
      "dataAssets.0": "UPSTREAM_INVALID_RESPONSE",
    })
  })

  test("a failed lookup that many fields share is one call, and an error for each of them", async () => {
    const { ask, sandbox } = await startFailing(places.lookup, { status: 500 })
    const { data, errors } = await ask(
      `{ a: capsule(id: "${seed.cellCounter}") { name } b: capsule(id: "${seed.cellCounter}") { slug } }`,
    )
    expect(data).toEqual({ a: null, b: null })
    expect(errors!.map(({ path }) => path)).toEqual([["a"], ["b"]])
    expect(sandbox.requestsTo(capsuleRoute)).toHaveLength(1)
  })

  test("a failed call below one object of a page leaves the page whole", async () => {
    const { ask, sandbox } = await startGateway()
    sandbox.failNext(`GET /capsules/${seed.spikeSorting}/app_panel`, { status: 500 })
    const { data, errors } = await ask(
      `{ searchCapsules(query: "tag:ecephys") { nodes { id name appPanel { general { title } } } pageInfo { hasNextPage } } }`,
    )
    expect(data.searchCapsules.nodes.every(({ name }: { name: string }) => name.length > 0)).toBe(true)
    expect(data.searchCapsules.pageInfo.hasNextPage).toBe(false)
    expect(errors).toHaveLength(1)
  })

  test("a failed search loses that search, not the lookup beside it", async () => {
    const { ask } = await startFailing(places.search, { status: 500 })
    const { data, errors } = await ask(
      `{ searchCapsules { nodes { id } } capsule(id: "${seed.cellCounter}") { name } }`,
    )
    expect(errors).toHaveLength(1)
    expect(data).toEqual({ searchCapsules: null, capsule: { name: "Cell Counter" } })
  })

  test("a failure is not cached: the next request tries again", async () => {
    const { ask, sandbox } = await startGateway()
    sandbox.failNext(capsuleRoute, { status: 500 })
    expect((await ask(places.lookup.query)).errors).toHaveLength(1)
    expect((await ask(places.lookup.query)).data.broken.name).toBe("Cell Counter")
  })

  test("a capsule that Code Ocean forbids is FORBIDDEN, not null", async () => {
    const { ask } = await startGateway()
    const answer = await ask(
      `{ capsule(id: "${seed.discoverableAtlas}") { name } }`,
      {},
      { authorization: `Bearer ${tokens.grace}` },
    )
    expect(answer.data).toEqual({ capsule: null })
    expect(answer.errors![0]).toMatchObject({
      message: "you are not allowed to view this capsule",
      extensions: { code: "FORBIDDEN", upstream: { endpoint: "GET /capsules/{id}", status: 403 } },
    })
  })

  test("a linked object that is gone is null without an error", async () => {
    const { ask, sandbox } = await startGateway()
    sandbox.failNext(`GET /capsules/${seed.releasedCellCounter}`, { status: 404 })
    const { data, errors } = await ask(`{ capsule(id: "${seed.cellCounter}") { name releaseCapsule { name } } }`)
    expect(data).toEqual({ capsule: { name: "Cell Counter", releaseCapsule: null } })
    expect(errors).toBeUndefined()
  })
})
