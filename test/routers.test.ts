import { mkdtemp, readFile, rm } from "node:fs/promises"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parse } from "graphql"
import { afterAll, describe, expect, test } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { startSandbox } from "../sandbox/server.ts"
import { readConfig } from "../src/config/config.ts"
import { createLog } from "../src/log/log.ts"
import { createGateway } from "../src/server.ts"
import { freePort } from "../tools/freePort.ts"
import { callsOf, type Result } from "./support/gateway.ts"
import { run } from "./support/process.ts"

/*
 * examples/federation as its README has it, with a gateway on a sandbox: a second subgraph, the composition, and two routers,
 * each a process of its own. Only the few lines of the example belong to the project.
 */

const example = new URL("../examples/federation/", import.meta.url)
const start = (args: string[], env: Record<string, string>) =>
  run(process.execPath, args, env, { cwd: example, cleanUp: afterAll })

const sandbox = await startSandbox()
afterAll(() => sandbox.close())
const lines: { msg?: string }[] = []
const gateway = createGateway(
  readConfig({ CODEOCEAN_URL: sandbox.url, PORT: "0" }),
  createLog("info", { write: (line) => void lines.push(JSON.parse(line)) }),
)
afterAll(() => gateway.close())

const folder = await mkdtemp(join(tmpdir(), "supergraph-"))
afterAll(() => rm(folder, { recursive: true }))
const SUPERGRAPH = join(folder, "supergraph.graphql")
const subgraphs = {
  GATEWAY_URL: `${await gateway.listen()}/graphql`,
  EXPERIMENTS_URL: await start(["experiments.js"], { PORT: "0" }).said(/experiments: (\S+)/),
}
const composed = start(["compose.js"], { ...subgraphs, SUPERGRAPH })
if ((await composed.exited) !== 0) throw new Error(composed.output())

async function startApollo(): Promise<string> {
  return start(["apollo.js"], { PORT: "0", SUPERGRAPH }).said(/router: (\S+)/)
}

async function startHive(): Promise<string> {
  const hive = ["node_modules/@graphql-hive/gateway/dist/bin.js", "supergraph", "-c", "hive.js"]
  // Hive Gateway does not tell which port it took.
  const url = await start(hive, { PORT: String(await freePort()), SUPERGRAPH, MAX_COST: "20000" }).said(
    /Listening on (http:[\w.:/]+)/,
  )
  return `${url}/graphql`
}

test("the composition with schema.graphql is the same as with the SDL of the running gateway", async () => {
  const other = join(folder, "fromFile.graphql")
  const composed = start(["compose.js"], { ...subgraphs, GATEWAY_SCHEMA: "../../schema.graphql", SUPERGRAPH: other })
  expect(await composed.exited, composed.output()).toBe(0)
  expect(await readFile(other, "utf8")).toBe(await readFile(SUPERGRAPH, "utf8"))
})

const [apollo, hive] = await Promise.all([startApollo(), startHive()])

const bothWays = `{
  experiments { title capsule { name experiments { title } } }
  capsule(id: "${seed.spikeSorting}") { name experiments { title capsule { name } } }
}`
const slides = [{ title: "Count the cells of slide 12" }, { title: "Count the cells of slide 13" }]
const sortings = [{ title: "Sort the spikes of mouse 730945" }, { title: "Sort them again, with more units" }]

describe.each([
  ["Apollo Server with @apollo/gateway", apollo],
  ["Hive Gateway", hive],
])("through %s", (_router, url) => {
  const ask = async (query: string, token?: string): Promise<Result> => {
    const response = await fetch(url, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        "x-request-id": "of-the-client",
        ...(token && { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify({ query }),
    })
    return (await response.json()) as Result
  }

  test("a router follows links from experiments to capsules and from capsules to experiments in one query", async () => {
    const { data, errors } = await ask(bothWays, tokens.admin)
    expect(errors).toBeUndefined()
    const counter = { name: "Cell Counter", experiments: slides }
    const sorting = { name: "Spike Sorting", experiments: sortings }
    expect(data).toEqual({
      experiments: [
        ...slides.map(({ title }) => ({ title, capsule: counter })),
        ...sortings.map(({ title }) => ({ title, capsule: sorting })),
        {
          title: "Compare with the atlas",
          capsule: { name: "Discoverable Atlas", experiments: [{ title: "Compare with the atlas" }] },
        },
        {
          title: "From a notebook of Grace's",
          capsule: { name: "Grace's Notebook", experiments: [{ title: "From a notebook of Grace's" }] },
        },
      ],
      capsule: {
        name: "Spike Sorting",
        experiments: sortings.map(({ title }) => ({ title, capsule: { name: "Spike Sorting" } })),
      },
    })
  })

  test("a router's six references to four capsules are one request to the gateway, which finds them by one search", async () => {
    const [requests, calls] = [lines.length, sandbox.requests.length]
    const { data } = await ask("{ experiments { capsule { name created } } }", tokens.admin)
    expect(data.experiments).toHaveLength(6)
    const { "POST /capsules/search": searches, ...reads } = callsOf(sandbox.requests.slice(calls))
    expect(searches).toBe(1)
    // A search finds no archived capsules: those are read one by one.
    expect(Object.keys(reads).filter((call) => call !== `GET /capsules/${seed.cellCounter}`)).toEqual([])
    expect(lines.slice(requests)).toMatchObject([{ msg: "request", upstreamCalls: 1 + Object.keys(reads).length }])
  })

  test("a caller of a router sees only what the caller's own token may find", async () => {
    const query = "{ experiments { title capsule { name } } }"
    const grace = await ask(query, tokens.grace)
    // The search finds it, as `searchCapsules` does; `capsule(id:)` is FORBIDDEN.
    expect(grace.data.experiments.slice(4)).toEqual([
      { title: "Compare with the atlas", capsule: { name: "Discoverable Atlas" } },
      { title: "From a notebook of Grace's", capsule: { name: "Grace's Notebook" } },
    ])
    const ada = await ask(query, tokens.ada)
    expect(ada.data.experiments.slice(4)).toEqual([
      { title: "Compare with the atlas", capsule: { name: "Discoverable Atlas" } },
      { title: "From a notebook of Grace's", capsule: null },
    ])
  })

  test("a caller of a router without a token is UNAUTHENTICATED, and sees what the other subgraph shows to everyone", async () => {
    const calls = sandbox.requests.length
    const { data, errors } = await ask("{ experiments { title capsule { name } } }")
    expect(data.experiments[0]).toEqual({ title: "Count the cells of slide 12", capsule: null })
    expect(new Set(errors?.map(({ extensions }) => extensions.code))).toEqual(new Set(["UNAUTHENTICATED"]))
    expect(sandbox.requests).toHaveLength(calls)
  })

  test("a mutation through a router changes a capsule once, and its payload leads to the other subgraph", async () => {
    const calls = sandbox.requests.length
    const { data, errors } = await ask(
      `mutation {
        archiveCapsule(input: { id: "${seed.cellCounter}", archived: true }) {
          ... on ArchiveCapsulePayload { capsule { name experiments { title } } }
        }
        deleteCapsule(input: { id: "${seed.spikeSorting}" }) { __typename ... on MutationRefused { code } }
      }`,
      tokens.ada,
    )
    expect(errors).toBeUndefined()
    expect(data).toEqual({
      archiveCapsule: { capsule: { name: "Cell Counter", experiments: slides } },
      deleteCapsule: { __typename: "MutationRefused", code: "FORBIDDEN" },
    })
    expect(callsOf(sandbox.requests.slice(calls))).toEqual({
      [`PATCH /capsules/${seed.cellCounter}/archive`]: 1,
      [`GET /capsules/${seed.cellCounter}`]: 1,
      [`DELETE /capsules/${seed.spikeSorting}`]: 1,
    })
  })

  test("an input with two sources through a router is refused by the gateway, although Apollo's composition drops @oneOf", async () => {
    const calls = sandbox.requests.length
    const { data, errors } = await ask(
      `mutation {
        createDataAsset(input: {
          name: "Both", tags: [], mount: "both", source: { computation: { id: "a" }, combined: { dataAssetIds: ["b"] } }
        }) { __typename }
      }`,
      tokens.ada,
    )
    expect(data.createDataAsset).toBeNull()
    expect(errors?.[0]?.message).toMatch(/exactly one key/i)
    expect(sandbox.requests).toHaveLength(calls)
  })
})

test("Hive Gateway computes an operation's cost from its calls, and refuses one above its limit before anything is sent", async () => {
  const calls = sandbox.requests.length
  const ask = async (first: number) => {
    const response = await fetch(hive, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${tokens.ada}` },
      body: JSON.stringify({
        query: `{ searchCapsules(first: ${first}) { nodes { appPanel { general { title } } permissions { everyone } } } }`,
      }),
    })
    return (await response.json()) as Result & { extensions: { cost: { estimated: number } } }
  }
  const refused = await ask(1000)
  expect(refused.errors?.[0]?.extensions.code).toBe("COST_ESTIMATED_TOO_EXPENSIVE")
  expect(sandbox.requests).toHaveLength(calls)
  const answered = await ask(1)
  expect(answered.errors).toBeUndefined()
  expect(refused.extensions.cost.estimated).toBeGreaterThan(2 * 10 * 1000)
  expect(answered.extensions.cost.estimated).toBeLessThan(100)
})

test("Hive Gateway passes the events of a subscription on", async () => {
  const response = await fetch(hive, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "text/event-stream",
      authorization: `Bearer ${tokens.ada}`,
    },
    body: JSON.stringify({ query: `subscription { computation(id: "${seed.runningAlignment}") { name state } }` }),
  })
  let events = ""
  for await (const chunk of response.body ?? []) {
    events += Buffer.from(chunk).toString()
    if (events.includes("data: {")) break
  }
  expect(events).toContain('data: {"data":{"computation":{"name":"Lane 7","state":"RUNNING"}}')
})

describe.each(["@apollo/composition", "@theguild/federation-composition"])(
  "composition with another subgraph by %s",
  (composition) => {
    const { composeServices } = createRequire(example)(composition)

    /** The errors of composing the gateway's schema with this one. Undefined if there are none. */
    const problemsWith = async (sdl: string): Promise<string[] | undefined> => {
      const ours = await readFile(new URL("../schema.graphql", import.meta.url), "utf8")
      const { errors } = composeServices([
        { name: "codeocean", url: "http://codeocean.example.org", typeDefs: parse(ours) },
        { name: "other", url: "http://other.example.org", typeDefs: parse(`${imports}\n${sdl}`) },
      ])
      return errors?.map(({ message }: Error) => message)
    }
    const imports =
      'extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@override", "@shareable"])'

    test("another subgraph may refer to all entities, and have the same shared types, scalars and Node interface", async () => {
      expect(
        await problemsWith(`
        scalar DateTime scalar JSON
        interface Node { id: ID! }
        type PageInfo @shareable { hasNextPage: Boolean! hasPreviousPage: Boolean! startCursor: String endCursor: String }
        type Capsule @key(fields: "id") { id: ID! rigs: [Rig!] }
        type Pipeline @key(fields: "id", resolvable: false) { id: ID! }
        type Computation @key(fields: "id", resolvable: false) { id: ID! }
        type DataAsset @key(fields: "id", resolvable: false) { id: ID! }
        type Rig implements Node {
          id: ID! built: DateTime notes: JSON capsule: Capsule pipeline: Pipeline computation: Computation data: DataAsset
        }
        type RigConnection { nodes: [Rig]! pageInfo: PageInfo! }
        type Query { rigs: RigConnection! }`),
      ).toBeUndefined()
    })

    test("another subgraph with a field `node` does not compose, unless it overrides the gateway's", async () => {
      const withNode = (mark: string) =>
        problemsWith(
          `interface Node { id: ID! } type Rig implements Node { id: ID! } type Query { node(id: ID!): Node ${mark} }`,
        )
      expect(await withNode("")).toEqual([expect.stringContaining('Non-shareable field "Query.node"')])
      expect(await withNode('@override(from: "codeocean")')).toBeUndefined()
    })
  },
)
