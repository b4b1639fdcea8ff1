import { getNamedType, isLeafType } from "graphql"
import { describe, expect, test } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { schema } from "../src/graph/schema.ts"
import { slowestHealth } from "./support/cpuTime.ts"
import { startGateway, type World } from "./support/gateway.ts"
import { hostileTexts } from "./support/hostileTexts.ts"
import { post } from "./support/post.ts"
import { exchangeRaw } from "./support/socket.ts"
import { statedLimit, type TextPlace, textPlaces } from "./support/textPlaces.ts"

/** The operations that select fields of each type with texts as arguments. */
const ways: Record<string, (fields: string) => string> = {
  Query: (fields) => `query (DECLARED) { ${fields} }`,
  Mutation: (fields) => `mutation (DECLARED) { ${fields} }`,
  Capsule: (fields) => `query (DECLARED) { capsule(id: "${seed.cellCounter}") { ${fields} } }`,
  Pipeline: (fields) => `query (DECLARED) { pipeline(id: "${seed.ecephysPipeline}") { ${fields} } }`,
  Computation: (fields) => `query (DECLARED) { computation(id: "${seed.countedCells}") { ${fields} } }`,
  Folder: (fields) => `query (DECLARED) { dataAsset(id: "${seed.sortedSpikes}") { files { ${fields} } } }`,
  DataAsset: (fields) => `query (DECLARED) { dataAsset(id: "${seed.sortedSpikes}") { ${fields} } }`,
  FilePart: (fields) =>
    `query (DECLARED) { dataAsset(id: "${seed.sortedSpikes}") { file(path: "processing.json") { part { ${fields} } } } }`,
  Subscription: (fields) => `subscription (DECLARED) { ${fields} }`,
}

const places = textPlaces(schema)
const kibibyte = 1024
/** The bytes of texts in a body. In JSON a character may take six bytes. */
const roomForTexts = 700 * kibibyte

interface Body {
  query: string
  variables: Record<string, unknown>
}

/** Operations with each of these texts at the place, as many in one operation as fit into a body. */
function* operationsWith(place: TextPlace, texts: readonly string[]): Iterable<Body> {
  const { type, field } = place
  const selection = isLeafType(getNamedType(field.type)) ? "" : " { __typename }"
  let [selected, declared, variables, room]: [string[], string[], Record<string, unknown>, number] = [[], [], {}, 0]
  const body = (): Body => ({
    query: ways[type.name]!(selected.join(" ")).replace("DECLARED", declared.join(", ")),
    variables,
  })
  for (const [index, text] of texts.entries()) {
    const size = JSON.stringify(text).length
    if (selected.length > 0 && (room + size > roomForTexts || type.name === "Subscription")) {
      yield body()
      ;[selected, declared, variables, room] = [[], [], {}, 0]
    }
    room += size
    const given = Object.entries(place.argsWith(text)).map(([name, value]) => {
      const variable = `v${index}_${name}`
      variables[variable] = value
      declared.push(`$${variable}: ${field.args.find((arg) => arg.name === name)?.type}`)
      return `${name}: $${variable}`
    })
    selected.push(`a${index}: ${field.name}(${given.join(", ")})${selection}`)
  }
  yield body()
}

async function send({ gateway }: World, body: Body): Promise<string> {
  return post(`${await gateway.listen()}/graphql`, JSON.stringify(body), {
    authorization: `Bearer ${tokens.ada}`,
    accept: body.query.startsWith("subscription") ? "text/event-stream" : "application/json",
  })
}

const environments = {
  development: { introspection: true, suggestions: true },
  production: { introspection: false, suggestions: false },
}
/**
 * Divides the cases whose errors are the same in both environments: each environment gets every text and every form, but each combination
 * of a text and a form is tried in only one of them.
 */
const isInTurn = (environment: string, text: number, form: number) =>
  (text + form) % 2 === (environment === "production" ? 0 : 1)
const unlimited = { callerRequestsPerSecond: 0, callerConcurrentRequests: 0 }
const errorsIn = ({ lines }: World) => lines.filter(({ level }) => level === "error" || level === "fatal")

test("every type with fields that take texts is reached", () => {
  expect([...new Set(places.map(({ type }) => type.name))].sort()).toEqual(Object.keys(ways).sort())
})

describe.each(Object.entries(environments))("hostile texts in %s", (name, config) => {
  test("hostile texts as any argument, each as long as the argument's limit, do not block other requests", async () => {
    const world = await startGateway({ config: { ...config, ...unlimited } })
    const url = await world.gateway.listen()
    const all = async () => {
      for (const [index, place] of places.entries()) {
        const texts = Object.values(hostileTexts(statedLimit(place.input.description) - 1))
        // Each place gets most of the texts, which alternate: a half in production, a quarter of the others in development.
        const [some, from] = name === "production" ? [12, index * 12] : [6, index * 12 + 12]
        const count = place.type.name === "Subscription" ? 1 : some
        const turn = Array.from({ length: count }, (_, at) => texts[(from + at) % texts.length] as string)
        for (const body of operationsWith(place, turn)) {
          const answer = await send(world, body)
          const which = `${place.type.name}.${place.field.name}(${place.path})`
          expect(answer, which).not.toMatch(/INTERNAL_SERVER_ERROR|GRAPHQL_VALIDATION_FAILED|REQUEST_TOO_LARGE/)
          expect(answer, which).toMatch(/"(data|errors)":/)
        }
      }
    }
    expect(await slowestHealth(url, all())).toBeLessThan(2_000)
    expect(errorsIn(world)).toEqual([])
  })

  test("hostile texts of 200 KiB as variables, as literals and as documents do not block other requests", async () => {
    const world = await startGateway({ config: { ...config, ...unlimited } })
    const url = await world.gateway.listen()
    const queries = [
      "query ($text: ID!) { capsule(id: $text) { id } }",
      "query ($text: CapsuleStatus) { searchCapsules(status: $text) { nodes { id } } }",
      "query ($text: [JSON!]) { searchCapsules(filters: {key: $text, values: $text}) { nodes { id } } }",
      "query ($text: DateTime) { capsule(id: $text) { computations(filter: {created: {from: $text}}) { nodes { id } } } }",
      "query ($text: CapsuleOrderInput) { searchCapsules(orderBy: $text) { nodes { id } } }",
      "query ($text: Int) { searchCapsules(first: $text) { nodes { id } } }",
      "query ($text: Boolean!) { capsule(id: 1) @skip(if: $text) { id } }",
      "mutation ($text: RunCapsuleInput!) { runCapsule(input: $text) { __typename } }",
    ]
    const all = async () => {
      for (const [index, text] of [...Object.values(hostileTexts(200 * kibibyte)), "\ud800".repeat(10_000)].entries()) {
        // The errors of enums suggest values, which is done in development only.
        const bodies = queries
          .filter((query, form) => query.includes("CapsuleStatus") || isInTurn(name, index, form))
          .map((query) => ({ query, variables: { text } }))
        const literals = [
          `{ capsule(id: ${JSON.stringify(text)}) { id } }`,
          `{ capsule(id: """${text}""") { id } }`,
          text,
        ]
        for (const body of [...bodies, ...literals.map((query) => ({ query, variables: { [text]: text } }))]) {
          const answer = await send(world, body)
          expect(answer, body.query.slice(0, 100)).not.toContain("INTERNAL_SERVER_ERROR")
        }
      }
    }
    expect(await slowestHealth(url, all())).toBeLessThan(2_000)
    expect(errorsIn(world)).toEqual([])
  })

  test("hostile headers of 15 KiB do not block other requests", async () => {
    const world = await startGateway({ config: { ...config, ...unlimited, trustedProxies: 1 } })
    const url = await world.gateway.listen()
    const body = '{"query":"{ __typename }"}'
    const forms: [string, (text: string) => string][] = [
      ["Authorization", (text) => text],
      ["Authorization", (text) => `Bearer ${text}`],
      ["Authorization", (text) => `Basic ${text}`],
      ["Authorization", (text) => `Bearer a${text} ${text.slice(0, 10)}`],
      ...["Agent-Id", "X-Request-Id", "Accept", "X-Forwarded-For", "Origin", "Host", "Cookie", "Accept-Encoding"].map(
        (header): [string, (text: string) => string] => [header, (text) => text],
      ),
      ["Accept", (text) => `application/json;${text},text/html`],
      ["Content-Type", (text) => text],
      ["Content-Type", (text) => `application/json;${text}`],
      ["X-Forwarded-For", (text) => `1.2.3.4, ${text}, ::1`],
    ]
    const all = async () => {
      for (const [form, [header, write]] of forms.entries()) {
        for (const [index, text] of Object.values(hostileTexts(15 * kibibyte - 100)).entries()) {
          if (!isInTurn(name, index, form)) continue
          // With a line break in it the gateway would wait for the rest of the request.
          const value = write(text).replaceAll(/[\n\0]/g, " ")
          const headers: Record<string, string> = {
            Host: "127.0.0.1",
            "Content-Type": "application/json",
            Authorization: `Bearer ${tokens.ada}`,
            "Content-Length": String(body.length),
            Connection: "close",
            [header]: value,
          }
          const lines = Object.entries(headers).map(([key, line]) => `${key}: ${line}\r\n`)
          const answer = await exchangeRaw(
            url,
            Buffer.from(`POST /graphql HTTP/1.1\r\n${lines.join("")}\r\n${body}`, "latin1"),
          )
          expect(answer, header).toMatch(/^HTTP\/1\.1 [24]\d\d /)
          expect(answer, header).not.toContain("INTERNAL_SERVER_ERROR")
        }
      }
    }
    expect(await slowestHealth(url, all())).toBeLessThan(2_000)
    expect(errorsIn(world)).toEqual([])
  })
})
