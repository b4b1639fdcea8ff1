import type { IncomingMessage } from "node:http"
import { isScalarType } from "graphql"
import { expect, test } from "vitest"
import { seed } from "../sandbox/seed.ts"
import { trim, trimEnd } from "../src/collections/text.ts"
import { readConfig } from "../src/config/config.ts"
import { isPlausibleToken } from "../src/config/kinds.ts"
import { fileAt, folderAt } from "../src/graph/files/place.ts"
import { Cursors } from "../src/graph/pagination/cursor.ts"
import { schema } from "../src/graph/schema.ts"
import { isNavigation } from "../src/http/accept.ts"
import { createClientAddress, isAgentId, parseToken, requestIdOf } from "../src/http/clientIdentity.ts"
import { createRouter } from "../src/http/router.ts"
import { parseRetryAfterMs } from "../src/upstream/retry.ts"
import { fillRoute } from "../src/upstream/route.ts"
import { missingScope } from "../src/upstream/tokenScope.ts"
import { cpuMs } from "./support/cpuTime.ts"
import { startGateway } from "./support/gateway.ts"
import { hostileTexts } from "./support/hostileTexts.ts"

const routed = { endpoint: "/graphql", graphiql: true, explorer: true, sessions: true }
const mebibyte = 1024 * 1024
const texts = Object.values(hostileTexts(mebibyte))
const owner = { kind: "data_assets", id: "1" } as const
const dateTime = schema.getType("DateTime")

const request = (headers: Record<string, string>, url = "/graphql") =>
  ({ method: "POST", url, headers, socket: { remoteAddress: "127.0.0.1" } }) as unknown as IncomingMessage

const functions: Record<string, (text: string) => unknown> = {
  trim: (text) => trim(`a${text}/b`, "/"),
  trimEnd: (text) => trimEnd(`${text}/b`, "/"),
  fileAt: (text) => fileAt(owner, `a${text}`),
  folderAt: (text) => folderAt(owner, text),
  parseToken,
  "parseToken Basic": (text) => parseToken(`Basic ${text}`),
  isAgentId,
  requestIdOf,
  isPlausibleToken,
  "readConfig's address": (text) => readConfig({ CODEOCEAN_URL: `http://127.0.0.1/${text.slice(-100_000)}` }),
  "a cursor's decode": (text) => new Cursors("search", "").decode(text, () => undefined),
  fillRoute: (text) => fillRoute("capsules/{id}", { id: text }),
  DateTime: (text) => isScalarType(dateTime) && dateTime.parseValue(text),
  parseRetryAfterMs,
  missingScope: (text) => missingScope(403, text, text, true),
  isNavigation: (text) => isNavigation({ accept: `text/html,${text}` }),
  "createRouter' path": (text) => createRouter({ ...routed, localOnly: false })(request({}, text)),
  "createRouter' asset": (text) =>
    createRouter({ ...routed, localOnly: false })(request({}, `/graphql/graphiql/a/${text}.js `)),
  "createRouter' host": (text) => createRouter({ ...routed, localOnly: true })(request({ host: text })),
  "createClientAddress' proxies": (text) => {
    const { socket, ...headers } = request({ "x-forwarded-for": text })
    return createClientAddress(1)(headers as IncomingMessage, socket)
  },
}

test("functions with patterns or loops over a text do linear work for a mebibyte of any hostile text", () => {
  const slow: string[] = []
  const started = cpuMs()
  for (const [name, run] of Object.entries(functions)) {
    const startedOne = cpuMs()
    for (const text of texts) {
      try {
        run(text)
      } catch {
        // An exception is allowed: only the work counts.
      }
      if (cpuMs() - started > 10_000) throw new Error(`${name} takes for ever`)
    }
    if (cpuMs() - startedOne > 1_000) slow.push(name)
  }
  expect(slow).toEqual([])
  expect(cpuMs() - started).toBeLessThan(2_000)
})

test.each([
  [
    "an enum's value that holds the words of a suggestion many times, where suggestions are hidden",
    "query ($text: CapsuleStatus) { searchCapsules(status: $text) { nodes { id } } }",
    " Did you mean ".repeat(16_000),
  ],
  [
    "a path with a hundred thousand slashes in its middle",
    `query ($text: String!) { dataAsset(id: "${seed.exampleReference}") { files(path: $text) { path } } }`,
    `a${"/".repeat(100_000)}b`,
  ],
])("%s is answered with linear work", async (_name, query, text) => {
  const { gateway, ask } = await startGateway({ config: { introspection: false } })
  const url = await gateway.listen()
  const started = cpuMs()
  const [answer] = await Promise.all([ask(query, { text }), fetch(`${url}/health`)])
  expect(cpuMs() - started).toBeLessThan(2_000)
  expect(JSON.stringify(answer)).not.toContain("INTERNAL_SERVER_ERROR")
})
