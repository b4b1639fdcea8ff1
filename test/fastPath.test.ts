import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { Readable } from "node:stream"
import { buffer } from "node:stream/consumers"
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib"
import { createSchema, createYoga } from "graphql-yoga"
import { describe, expect, onTestFinished, test } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import type { BuildContext } from "../src/http/buildContext.ts"
import { createFastPath } from "../src/http/fastPath.ts"
import { RequestState } from "../src/http/requestState.ts"
import { createLog } from "../src/log/log.ts"
import { callsOf, startGateway, startGatewayOn } from "./support/gateway.ts"

const two = `query Two { a: capsule(id: "${seed.cellCounter}") { name tags } b: dataAsset(id: "${seed.graceLocked}") { name } }`
const archive = `mutation { archiveCapsule(input: {id: "${seed.cellCounter}", archived: true}) { __typename ... on MutationRefused { code message } } }`
const capsule = "query ($id: ID!) { capsule(id: $id) { id name status created } }"
const json = (body: unknown) => JSON.stringify(body)

/** Bodies that clients send, and some that they shouldn't. */
const bodies: [name: string, body: string][] = [
  ["a query", json({ query: two })],
  ["a query with variables", json({ query: capsule, variables: { id: seed.cellCounter } })],
  [
    "a query with null for what it doesn't need",
    json({ query: two, variables: null, operationName: null, extensions: null }),
  ],
  ["one of two operations", json({ query: `query A { __typename } query B { b: __typename }`, operationName: "B" })],
  ["no operation of that name", json({ query: "query A { __typename }", operationName: "C" })],
  ["an operation name that is none", json({ query: "query A { __typename }", operationName: 1 })],
  ["an empty operation name", json({ query: "query A { __typename }", operationName: "" })],
  ["a mutation that is refused", json({ query: archive.replace(seed.cellCounter, seed.graceNotebook) })],
  ["a variable that is missing", json({ query: capsule })],
  [
    "variables that are wrong",
    json({
      query:
        "query ($a: Int!, $b: Int!) { a: searchCapsules(first: $a) { __typename } b: searchCapsules(first: $b) { __typename } }",
      variables: { a: "x", b: {} },
    }),
  ],
  ["a page that is too large", json({ query: "{ searchCapsules(first: 1001) { nodes { id } } }" })],
  [
    "an operation that costs too much",
    json({
      query:
        "{ searchCapsules(first: 1000) { nodes { computations { nodes { dataAssets { dataAsset { name } } } } } } }",
    }),
  ],
  ["an id that is none", json({ query: capsule, variables: { id: ".." } })],
  ["variables that are a list", json({ query: two, variables: [] })],
  ["variables that are text", json({ query: two, variables: "{}" })],
  ["extensions that are text", json({ query: two, extensions: "{}" })],
  ["an unknown parameter", json({ query: two, more: 1 })],
  ["a document that doesn't parse", json({ query: "{" })],
  ["a document that isn't valid", json({ query: "{ capsul { id } }" })],
  ["a document that nests too deep", json({ query: `${"{ a ".repeat(300)}${"}".repeat(300)}` })],
  ["a subscription", json({ query: `subscription { computation(id: "${seed.runningAlignment}") { state } }` })],
  ["a deferred part", json({ query: `{ ... @defer { __typename } }` })],
  ["only a fragment", json({ query: "fragment F on Query { __typename }" })],
  ["an empty document", json({ query: "" })],
  ["no document", json({})],
  ["a document that is no text", json({ query: 1 })],
  ["a hash that nobody knows", json({ extensions: { persistedQuery: { version: 1, sha256Hash: "00" } } })],
  [
    "a hash that isn't the document's",
    json({ query: two, extensions: { persistedQuery: { version: 1, sha256Hash: "00" } } }),
  ],
  ["the id of no document", json({ documentId: "none" })],
  ["a batch", json([{ query: two }])],
  ["null", "null"],
  ["a number", "1"],
  ["no JSON", "{"],
  ["nothing", ""],
  ["text that isn't UTF-8", Buffer.from('{"query":"{ __typename } # \xff"}', "latin1").toString("latin1")],
]

const token = `Bearer ${tokens.ada}`

/** Headers that make a difference, or might. */
const headers: [name: string, headers: Record<string, string>][] = [
  ["no Accept", {}],
  ["the newer type", { accept: "application/graphql-response+json" }],
  ["the newer type first", { accept: "application/graphql-response+json, application/json;q=0.9" }],
  [
    "what urql accepts",
    {
      accept:
        "application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed",
    },
  ],
  ["JSON first", { accept: "Application/JSON , application/graphql-response+json" }],
  ["any application type", { accept: "application/*" }],
  ["JSON in another encoding", { accept: "application/json; charset=latin1, */*" }],
  ["odd wildcards", { accept: "*/json, application/graphql-response+json" }],
  ["events only", { accept: "text/event-stream" }],
  ["parts only", { accept: "multipart/mixed" }],
  ["no type that there is", { accept: "image/png" }],
  ["an empty Accept", { accept: "" }],
  ["a charset", { "content-type": "application/json; charset=UTF-8" }],
  ["another charset", { "content-type": "application/json; charset=utf-16" }],
  ["a type like JSON", { "content-type": "application/graphql+json" }],
  ["a form's type", { "content-type": "text/plain" }],
  ["JSON in other letters", { "content-type": "Application/JSON; Charset=UTF-8" }],
  ["JSON with spaces", { "content-type": 'application/json ;\tcharset = "utf-8" ' }],
  ["JSON with half a quoted charset", { "content-type": 'application/json; charset="utf-8' }],
  ["JSON with another parameter", { "content-type": "application/json; profile=x; charset=utf-8" }],
  ["a type like JSON in other letters", { "content-type": "Application/GraphQL+JSON;Charset=UTF-8" }],
  ["an encoding that the body doesn't have", { "content-encoding": "gzip" }],
  ["no encoding", { "content-encoding": "Identity" }],
  ["an encoding that nobody knows", { "content-encoding": "lzma" }],
  ["several encodings", { "content-encoding": "gzip, br" }],
  ["no token", { authorization: "" }],
  ["a token that can't be read", { authorization: "Bearer a b c" }],
  ["an agent", { "agent-id": "sorter" }],
  ["an agent without a usable name", { "agent-id": "x".repeat(300) }],
  ["an allowed origin", { origin: "https://portal.example.org" }],
  ["another origin", { origin: "https://evil.example" }],
  ["the cost", { "x-upstream-cost": "1" }],
]

describe("responses of the fast path and of Yoga's path", () => {
  async function answersOf(body: string | Buffer, more: Record<string, string>) {
    const config = { corsOrigins: ["https://portal.example.org"] }
    const { sandbox, ...plain } = await startGateway({ config, fastPath: true })
    const yoga = startGatewayOn(sandbox.url, { config, fastPath: false })
    const answers = []
    for (const { gateway, lines } of [plain, yoga]) {
      const before = sandbox.requests.length
      const response = await fetch(`${await gateway.listen()}/graphql`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: token, "x-request-id": "one", ...more },
        body: typeof body === "string" ? Buffer.from(body, "latin1") : new Uint8Array(body),
      })
      const { date: _, ...head } = Object.fromEntries(response.headers)
      answers.push({
        status: response.status,
        head,
        body: await response.text(),
        calls: callsOf(sandbox.requests.slice(before)),
        lines: lines
          .filter(({ msg }) => msg !== "listening")
          .map(({ time: _time, durationMs: _duration, ...line }) => line),
      })
    }
    return answers
  }

  /** Yoga sends the CORS headers of preflights in every response. Browsers ignore them there. */
  function withoutPreflight({ head, ...answer }: Awaited<ReturnType<typeof answersOf>>[number]) {
    const {
      "access-control-allow-methods": _m,
      "access-control-allow-headers": _h,
      "access-control-max-age": _a,
      ...rest
    } = head
    return { ...answer, head: rest }
  }

  test.each(bodies)(
    "the responses of the fast path and of Yoga's path are equal for the body of %s",
    async (_name, body) => {
      for (const accept of ["application/json", "application/graphql-response+json"]) {
        const [plain, yoga] = await answersOf(body, { accept })
        expect(plain).toEqual(yoga)
      }
    },
  )

  test.each(headers)(
    "the responses of the fast path and of Yoga's path are equal with %s in the headers",
    async (_name, more) => {
      const [plain, yoga] = (await answersOf(json({ query: two }), more)).map(withoutPreflight)
      expect(plain).toEqual(yoga)
    },
  )

  test.each([
    ["Application/JSON; Charset=UTF-8", 200],
    ['application/json ; charset="utf-8"', 200],
    ["APPLICATION/GRAPHQL+JSON", 200],
    ["application/json; charset=utf-16", 415],
    ["application/json; charset=latin1", 415],
    ["application/xml", 415],
    ["application/json, text/plain", 415],
    ["application/jsonp", 415],
  ])("a POST with a Content-Type of %s is %i", async (type, status) => {
    for (const answer of await answersOf(json({ query: "{ __typename }" }), { "content-type": type })) {
      expect(answer.status).toBe(status)
      if (status === 200) expect(answer.body).toBe('{"data":{"__typename":"Query"}}')
      else expect(JSON.parse(answer.body).errors[0].extensions.code).toBe("BAD_USER_INPUT")
    }
  })

  const compressors: [encoding: string, compress: (body: Buffer) => Buffer][] = [
    ["gzip", (body) => gzipSync(body)],
    ["X-GZip", (body) => gzipSync(body)],
    ["br", (body) => brotliCompressSync(body)],
    ["deflate", (body) => deflateSync(body)],
    ["deflate", (body) => deflateRawSync(body)],
    ["zstd", (body) => zstdCompressSync(body)],
  ]

  test.each(compressors)("a body in %s is read", async (encoding, compress) => {
    const more = { "content-encoding": encoding }
    for (const type of ["application/json", "application/graphql+json"]) {
      const body = compress(Buffer.from(json({ query: two })))
      const [plain, yoga] = (await answersOf(body, { ...more, "content-type": type })).map(withoutPreflight)
      expect(plain).toEqual(yoga)
      expect(plain?.body).toContain('"name":"Cell Counter"')
    }
  })

  test.each(compressors)(
    "a body in %s that is broken, cut off or too large decoded is refused",
    async (encoding, compress) => {
      const more = { "content-encoding": encoding }
      const bomb = compress(Buffer.alloc(8 * 1024 * 1024, " "))
      const good = compress(Buffer.from(json({ query: two })))
      for (const [body, status] of [
        [bomb, 413],
        [good.subarray(0, -9), 400],
        [Buffer.from(json({ query: two })), 400],
      ] as const) {
        expect(body.length).toBeLessThan(1024 * 1024)
        const answers = (await answersOf(body, more)).map(withoutPreflight)
        expect(answers[0]).toEqual(answers[1])
        expect(answers[0]?.status).toBe(status)
        expect(JSON.parse(answers[0]?.body ?? "").errors[0].extensions.code).toBe("BAD_USER_INPUT")
      }
    },
  )

  test("an unknown content encoding is refused with the known ones, and is not repeated", async () => {
    for (const encoding of ["lzma-secret", "gzip, gzip", "constructor"]) {
      for (const answer of await answersOf(json({ query: two }), { "content-encoding": encoding })) {
        expect(answer.status).toBe(415)
        expect(answer.head["accept-encoding"]).toBe("gzip, br, deflate, zstd")
        expect(answer.body).not.toContain(encoding)
      }
    }
  })

  test.each([
    ["application/json", 200],
    ["Application/JSON; charset=utf-8", 200],
    ["application/graphql", 415],
    ["text/plain", 415],
    ["nonsense", 415],
  ])("a GET with a Content-Type of %s is %i", async (type, status) => {
    const { gateway } = await startGateway()
    const headers = { authorization: token, "content-type": type, accept: "application/json" }
    const response = await fetch(`${await gateway.listen()}/graphql?query={__typename}`, { headers })
    expect(response.status).toBe(status)
    const { errors } = await response.json()
    if (status === 415) expect(errors[0].message).toContain("Omit the Content-Type")
  })
})

/** The fast path alone, on a graph of one field. */
function plainPath(a: () => number, reached: string[] = []) {
  const schema = createSchema({ typeDefs: "type Query { a: Int }", resolvers: { Query: { a } } })
  const yoga = createYoga({ schema, logging: false })
  const log = createLog("silent")
  const path = createFastPath({
    endpoint: "/graphql",
    maxResponseBytes: 1_000,
    corsOrigins: [],
    schema,
    yoga,
    yogaFallback(request, response, _state, body) {
      reached.push(String(request.headers["x-name"]))
      yoga(Object.assign(request, { body: Readable.from([body]) }), response)
    },
    documents: new Map(),
    buildContext: () => ({}) as ReturnType<BuildContext>,
    checkOperation: () => undefined,
    prepareExecution: () => undefined,
    sharedQueries: undefined,
    introspection: true,
    log,
    compress: (response, _acceptEncoding, _isNeeded, send) => send(response),
    resolveDocument: ({ query }) => query,
  })
  const identity = { token: { missing: "" }, tokenDigest: "", key: "" }
  return (request: IncomingMessage, response: ServerResponse, body: Buffer) =>
    path(request, response, new RequestState(log, request.headers, identity), body)
}

test("only unusual requests reach Yoga's path", async () => {
  const reached: string[] = []
  const plain = plainPath(() => 1, reached)
  const server = createServer((request, response) => {
    void buffer(request).then((body) => plain(request, response, body))
  })
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve))
  onTestFinished(() => void server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/graphql`
  const ask = async (name: string, body: string | ReadableStream, more: RequestInit = {}) => {
    const headers = { "content-type": "application/json", "x-name": name }
    const response = await fetch(url, { method: "POST", headers, body, ...more } as RequestInit)
    return response.json()
  }
  const query = json({ query: "{ a }" })
  expect(await ask("usual", query)).toEqual({ data: { a: 1 } })
  expect(await ask("of no declared length", new Blob([query]).stream(), { duplex: "half" } as RequestInit)).toEqual({
    data: { a: 1 },
  })
  await ask("invalid", json({ query: "{ b }" }))
  await ask("of another type", query, {
    headers: { "content-type": "application/graphql+json", "x-name": "of another type" },
  })
  expect(reached).toEqual(["invalid", "of another type"])
})
