import { createServer, IncomingMessage, ServerResponse } from "node:http"
import { type AddressInfo, Socket } from "node:net"
import { createSchema, createYoga } from "graphql-yoga"
import { describe, expect, onTestFinished, test } from "vitest"
import { noToken } from "../src/context.ts"
import { createPlainPath } from "../src/http/plain.ts"
import { createRequests } from "../src/http/requests.ts"
import { createLog } from "../src/log.ts"
import { seed, tokens } from "../src/sandbox/seed.ts"
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
  ["an encoding", { "content-encoding": "gzip" }],
  ["no token", { authorization: "" }],
  ["a token that can't be read", { authorization: "Bearer a b c" }],
  ["an agent", { "agent-id": "sorter" }],
  ["an agent without a usable name", { "agent-id": "x".repeat(300) }],
  ["an allowed origin", { origin: "https://portal.example.org" }],
  ["another origin", { origin: "https://evil.example" }],
  ["the cost", { "x-upstream-cost": "1" }],
]

describe("an answer is the same on the plain path as on Yoga's own, with the same calls and the same line in the log", () => {
  async function answersOf(body: string, more: Record<string, string>) {
    const config = { corsOrigins: ["https://portal.example.org"] }
    const { sandbox, ...plain } = await startGateway({ config: { ...config, plainPath: true } })
    const yoga = startGatewayOn(sandbox.url, { config: { ...config, plainPath: false } })
    const answers = []
    for (const { gateway, lines } of [plain, yoga]) {
      const before = sandbox.requests.length
      const response = await fetch(`${await gateway.listen()}/graphql`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: token, "x-request-id": "one", ...more },
        body: Buffer.from(body, "latin1"),
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

  /** CORS names methods and such in Yoga's every answer, which browsers read in a preflight's alone. */
  function withoutPreflight({ head, ...answer }: Awaited<ReturnType<typeof answersOf>>[number]) {
    const {
      "access-control-allow-methods": _m,
      "access-control-allow-headers": _h,
      "access-control-max-age": _a,
      ...rest
    } = head
    return { ...answer, head: rest }
  }

  test.each(bodies)("%s", async (_name, body) => {
    for (const accept of ["application/json", "application/graphql-response+json"]) {
      const [plain, yoga] = await answersOf(body, { accept })
      expect(plain).toEqual(yoga)
    }
  })

  test.each(headers)("%s", async (_name, more) => {
    const [plain, yoga] = (await answersOf(json({ query: two }), more)).map(withoutPreflight)
    expect(plain).toEqual(yoga)
  })
})

/** The path by itself, before Yoga, on a graph of one field. */
function plainPath(a: () => number, reached: string[] = []) {
  const schema = createSchema({ typeDefs: "type Query { a: Int }", resolvers: { Query: { a } } })
  const yoga = createYoga({ schema, logging: false })
  const log = createLog("silent")
  const path = createPlainPath({
    endpoint: "/graphql",
    largestBody: 100,
    largestAnswer: 1_000,
    schema,
    yoga,
    askYoga(request, response) {
      reached.push(String(request.headers["x-name"]))
      yoga(request, response)
    },
    documents: new Map(),
    requests: createRequests(log),
    fillContext: () => {},
    refusalOf: () => undefined,
    execute: () => undefined,
    log,
    documentOf: ({ query }) => query,
    setCorsHeaders: () => {},
  })
  const permit = { subscribe: () => undefined, leave() {} }
  return (request: IncomingMessage, response: ServerResponse) => path(request, response, noToken, permit)
}

test("only what is unusual reaches Yoga's own path", async () => {
  const reached: string[] = []
  const plain = plainPath(() => 1, reached)
  const server = createServer(plain)
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
  await ask("larger than allowed", json({ query: `{ a } # ${"x".repeat(100)}` }))
  await ask("invalid", json({ query: "{ b }" }))
  expect(reached).toEqual(["of no declared length", "larger than allowed", "invalid"])
})

test.each([true, false])(
  "nothing is executed for a client that left before its request was read (left: %s)",
  async (left) => {
    let executed = 0
    const plain = plainPath(() => ++executed)
    const body = Buffer.from(json({ query: "{ a }" }))
    const headers = { "content-type": "application/json", "content-length": String(body.length) }
    const request = Object.assign(new IncomingMessage(new Socket()), { method: "POST", url: "/graphql", headers })
    const response = new ServerResponse(request)
    plain(request, response)
    if (left) response.emit("close")
    request.push(body)
    request.push(null)
    await new Promise((done) => setImmediate(done))
    expect(executed).toBe(left ? 0 : 1)
  },
)
