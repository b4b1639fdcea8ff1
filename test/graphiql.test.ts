import { createServer, type IncomingHttpHeaders, type IncomingMessage, request } from "node:http"
import type { AddressInfo } from "node:net"
import { buffer } from "node:stream/consumers"
import { brotliDecompressSync, gunzipSync } from "node:zlib"
import { createSchema, createYoga } from "graphql-yoga"
import type { Browser, Page } from "playwright-core"
import { beforeAll, expect, onTestFinished, test } from "vitest"
import { tokens } from "../sandbox/seed.ts"
import { useGraphiql } from "../src/http/plugins/useGraphiql.ts"
import { sharedBrowser } from "./support/browser.ts"
import { startGateway } from "./support/gateway.ts"
import { openProfile } from "./support/profile.ts"

let browser: Browser

beforeAll(async () => {
  browser = await sharedBrowser()
})

const TOKEN = "cop_demo</script><script>alert(1)</script>"

const EXAMPLES = [
  { query: "query Greeting($name: String!) {\n  hello(name: $name)\n}\n", variables: { name: "world" } },
  { query: "query WhoAmI {\n  authorization\n}\n" },
  { query: "subscription Countdown {\n  countdown\n}\n" },
]

async function startServer({ token }: { token?: string } = {}) {
  const typeDefs = `
    type Query { hello(name: String!): String, authorization: String }
    type Subscription { countdown: Int }
  `
  const ended = Promise.withResolvers<void>()
  const resolvers = {
    Query: {
      hello: (_root: unknown, { name }: { name: string }) => `Hello, ${name}!`,
      authorization: (_root: unknown, _args: unknown, { request }: { request: Request }) =>
        request.headers.get("authorization"),
    },
    Subscription: {
      countdown: {
        async *subscribe(_root: unknown, _args: unknown, { request }: { request: Request }) {
          yield { countdown: 2 }
          yield { countdown: 1 }
          await new Promise((resolve) => request.signal.addEventListener("abort", resolve))
          ended.resolve()
        },
      },
    },
  }
  const yoga = createYoga({
    schema: createSchema({ typeDefs, resolvers }),
    graphiql: false,
    plugins: [useGraphiql({ endpoint: "/graphql", examples: EXAMPLES, token })],
  })
  const server = createServer(yoga)
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/graphql`, ended: ended.promise }
}

/** A page in a new browser profile, with its errors and requests. */
async function openPage(url: string) {
  const { context } = await openProfile(browser)
  const page = await context.newPage()
  const complaints: string[] = []
  page.on("console", (message) => complaints.push(`${message.type()}: ${message.text()}`))
  page.on("pageerror", (error) => complaints.push(error.message))
  await page.addInitScript(`addEventListener("securitypolicyviolation", (violation) =>
    console.error("refused", violation.effectiveDirective, violation.blockedURI))`)
  const requested: string[] = []
  page.on("request", (asked) => requested.push(asked.url()))
  const transferred = await countTransferred(page)
  await page.goto(url)
  return { page, complaints, requested, transferred }
}

/** Bytes on the wire for the page and its assets, headers included, without what the browser has cached. */
async function countTransferred(page: Page) {
  let bytes = 0
  const network = await page.context().newCDPSession(page)
  const counted = new Set<string>()
  network.on("Network.requestWillBeSent", ({ requestId, request }) => {
    if (request.method === "GET" && request.url.startsWith("http")) counted.add(requestId)
  })
  network.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
    if (counted.has(requestId)) bytes += encodedDataLength
  })
  await network.send("Network.enable")
  return () => bytes
}

const run = (page: Page) => page.getByRole("button", { name: "Execute query" }).click()
/**
 * Runs the operation in the editor until the server accepts it, and its response contains this text. For a moment after a change
 * GraphiQL still sends the name of the operation before, which the server refuses with 400.
 */
async function runUntilAccepted(page: Page, text?: string): Promise<void> {
  for (;;) {
    const answered = page.waitForResponse((response) => response.request().method() === "POST")
    await run(page)
    const response = await answered
    if (response.ok() && (text === undefined || (await response.text()).includes(text))) return
  }
}
const refusals = (complaint: string) => complaint.includes("status of 400")
const stop = (page: Page) => page.getByRole("button", { name: "Stop query" }).click()
const openTab = (page: Page, name: string) => page.getByRole("tab", { name }).click()
const textOf = (page: Page, region: string) => page.getByRole("region", { name: region, exact: true }).innerText()
const shown = (page: Page, region: string) => expect.poll(() => textOf(page, region), { interval: 50 })

/** A plain GET or HEAD whose path is sent unchanged, which fetch would normalize. */
async function get(address: string, headers: IncomingHttpHeaders = {}, method = "GET") {
  const [, origin, path] = /^(http:\/\/[^/]+)(.*)$/.exec(address)!
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  request(origin!, { path, headers, method, agent: false }, resolve).on("error", reject).end()
  const response = await promise
  return { status: response.statusCode, headers: response.headers, body: await buffer(response) }
}

const NAVIGATION = { accept: "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8" }

async function assetsOf(url: string) {
  const html = String((await get(url, NAVIGATION)).body)
  return [...html.matchAll(/(?:src|href)="([^":]+)"/g)].map(([, path]) => new URL(path!, url).href)
}

test("a browser without internet gets a page at / whose style is applied and whose link leads to GraphiQL, runs its first example with one click, and sees the sandbox's capsules", async () => {
  const { gateway } = await startGateway({ graphiqlToken: tokens.ada })
  const origin = await gateway.listen()
  const { page, complaints, requested } = await openPage(`${origin}/`)
  await expect.poll(() => page.evaluate("getComputedStyle(document.body).maxWidth")).not.toBe("none")
  await page.getByRole("link").click()
  await expect.poll(() => page.title()).toContain("GraphiQL")
  await expect
    .poll(() => page.getByRole("tab").allInnerTexts())
    .toEqual(["CapsulePage", "FailedPipelineRuns", "Releases", "Run", "WatchRun", "Capture", "Lineage"])
  await run(page)
  await shown(page, "Result Window").toContain("Spike Sorting")
  await shown(page, "Result Window").not.toContain('"errors"')
  const asked = requested.map((address) => new URL(address)).filter(({ protocol }) => protocol !== "data:")
  expect(new Set(asked.map((address) => address.origin))).toEqual(new Set([origin]))
  expect(complaints).toEqual([])
})

test("a gateway outside the demo shows no token, and one with GraphiQL off no GraphiQL", async () => {
  const { gateway } = await startGateway()
  expect(String((await get(`${await gateway.listen()}/graphql`, NAVIGATION)).body)).not.toContain("cop_")
  const { gateway: bare } = await startGateway({ config: { graphiql: false } })
  expect(String((await get(`${await bare.listen()}/graphql`, NAVIGATION)).body)).not.toMatch(/graphiql/i)
})

test("GraphiQL's first visit transfers less than a megabyte, the next one only the page; its examples are three tabs, each ready to run, which old tabs do not hide; without a token it shows where to put one", async () => {
  const { url } = await startServer()
  expect(String((await get(url, NAVIGATION)).body)).not.toContain("cop_")
  const { page, transferred } = await openPage(url)
  await shown(page, "Headers").toContain('"Authorization": "Bearer "')
  await expect.poll(() => page.getByRole("tab").allInnerTexts()).toEqual(["Greeting", "WhoAmI", "Countdown"])
  await page.getByRole("button", { name: "Variables" }).click()
  await shown(page, "Variables").toContain('"name": "world"')
  await page.waitForLoadState("networkidle")
  const first = transferred()
  // Tabs that another set of examples left in the browser do not hide these.
  const tabs = JSON.stringify({ activeTabIndex: 0, tabs: [] })
  await page.evaluate(`localStorage.setItem("graphiql:tabState", '${tabs}')`)
  await page.evaluate(`localStorage.setItem("graphiql:query", "{ somethingElse }")`)
  await page.goto(url)
  await page.waitForLoadState("networkidle")
  const second = transferred() - first
  expect(first).toBeLessThan(1_000_000)
  expect(second).toBeLessThan(5_000)
  await shown(page, "Query Editor").toContain("query Greeting")
  await openTab(page, "WhoAmI")
  await shown(page, "Query Editor").toContain("authorization")
})

test("the demo's token is preset in every tab, whatever its characters, again on the next visit, and never stored; a subscription shows its results as they come, stopping it tells the server, and dialogs and documentation pass the content security policy", async () => {
  const { url, ended } = await startServer({ token: TOKEN })
  const { page, complaints } = await openPage(url)
  await shown(page, "Headers").toContain(TOKEN)
  await openTab(page, "WhoAmI")
  await runUntilAccepted(page, `Bearer ${TOKEN}`)
  await shown(page, "Result Window").toContain(`Bearer ${TOKEN}`)
  // GraphiQL stores its tabs half a second after a change.
  const stored = () => page.evaluate("JSON.stringify(localStorage)")
  await expect.poll(stored).toContain("graphiql:tabState")
  await expect.poll(stored).not.toContain("cop_demo")

  await openTab(page, "Countdown")
  await shown(page, "Query Editor").toContain("countdown")
  await runUntilAccepted(page)
  await shown(page, "Result Window").toContain('"countdown": 1')
  await stop(page)
  await ended
  await shown(page, "Result Window").toContain('"countdown": 1')

  // GraphiQL's own dialogs and documentation.
  await page.getByRole("button", { name: "Open settings dialog" }).click()
  await page.getByRole("button", { name: "Dark", exact: true }).click()
  await page.keyboard.press("Escape")
  await page.getByRole("button", { name: "Show Documentation Explorer" }).click()
  await page.getByText("Root Types").waitFor()

  await page.goto(url)
  await shown(page, "Headers").toContain(TOKEN)
  await page.getByRole("button", { name: "Show History" }).click()
  await page.getByRole("button", { name: "WhoAmI", exact: true }).click()
  await runUntilAccepted(page, `Bearer ${TOKEN}`)
  await shown(page, "Result Window").toContain(`Bearer ${TOKEN}`)
  // The browser reports the refusal of an operation that was sent too early.
  expect(complaints.filter((complaint) => !refusals(complaint))).toEqual([])
})

test("GraphiQL's page runs no script but its own, is not cached and can't be framed", async () => {
  const { url } = await startServer({ token: TOKEN })
  const { status, headers, body } = await get(url, NAVIGATION)
  expect(status).toBe(200)
  expect(body.byteLength).toBeLessThan(5_000)
  expect(String(body)).not.toContain("<script>")
  const policy = headers["content-security-policy"]
  expect(policy).toMatch(/^default-src 'none'; script-src 'nonce-[^']{20,}'; /)
  expect(policy).not.toContain("unsafe")
  expect(policy).toContain("frame-ancestors 'none'")
  expect(headers).toMatchObject({
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
  })
  expect((await get(url, NAVIGATION)).headers["content-security-policy"]).not.toBe(policy)
})

test("GraphiQL's assets are immutable and compressed, and are not sent again to clients that have them", async () => {
  const { url } = await startServer()
  const assets = await assetsOf(url)
  expect(assets).toHaveLength(5)
  for (const asset of assets) {
    const plain = await get(asset)
    const br = await get(asset, { "accept-encoding": "gzip, deflate, br, zstd" })
    const gzip = await get(asset, { "accept-encoding": "gzip;q=1.0, br;q=0" })
    expect(plain.headers).toMatchObject({
      "cache-control": "public, max-age=31536000, immutable",
      "content-type": expect.stringMatching(/^text\/(css|javascript); charset=utf-8$/),
      "x-content-type-options": "nosniff",
      vary: "accept-encoding",
    })
    expect(br.headers["content-encoding"]).toBe("br")
    expect(gzip.headers["content-encoding"]).toBe("gzip")
    expect(brotliDecompressSync(br.body).equals(plain.body)).toBe(true)
    expect(gunzipSync(gzip.body).equals(plain.body)).toBe(true)
    const again = await get(asset, { "accept-encoding": "br", "if-none-match": br.headers.etag })
    expect(again).toMatchObject({ status: 304, body: Buffer.alloc(0) })
    expect(new Set([plain, br, gzip].map(({ headers }) => headers.etag)).size).toBe(3)
  }
})

test("nothing but GraphiQL's known assets is served", async () => {
  const { url } = await startServer()
  const [asset] = await assetsOf(url)
  const folder = asset!.slice(0, asset!.lastIndexOf("/"))
  for (const address of [
    `${url}/graphiql/`,
    `${url}/graphiql/__proto__`,
    `${url}/graphiql/0000000000000000/react.js`,
    `${folder}/browser.ts`,
    `${folder}/../../../package.json`,
    `${folder}/..%2f..%2f..%2fpackage.json`,
    `${folder}/%2e%2e/%2e%2e/package.json`,
  ]) {
    expect.soft((await get(address)).status, address).toBe(404)
  }
})

test("HEAD of GraphiQL's page is answered like GET, without the body", async () => {
  const { url } = await startServer()
  for (const address of [url, ...(await assetsOf(url))]) {
    const whole = await get(address, NAVIGATION)
    const head = await get(address, NAVIGATION, "HEAD")
    expect(head).toMatchObject({ status: 200, body: Buffer.alloc(0) })
    expect(head.headers["content-type"]).toBe(whole.headers["content-type"])
  }
})

test("a script of another site cannot read GraphiQL's page", async () => {
  const { url } = await startServer({ token: TOKEN })
  const { body } = await get(url, { ...NAVIGATION, origin: "https://elsewhere.example" })
  expect(String(body)).not.toContain("cop_demo")
})

test("only clients that prefer HTML get GraphiQL's page, and operations are executed as before", async () => {
  const { url } = await startServer()
  const query = `${url}?query=%7B__typename%7D`
  for (const accept of ["*/*", "application/json", "application/graphql-response+json, text/html;q=0.5"]) {
    expect.soft(JSON.parse(String((await get(query, { accept })).body))).toEqual({ data: { __typename: "Query" } })
  }
  expect((await get(`${url}/`, NAVIGATION)).status).toBe(200)
  for (const asset of await assetsOf(`${url}/`)) expect((await get(asset)).status).toBe(200)
  expect((await get(`${url}/elsewhere`, { accept: "application/json" })).status).toBe(404)
})
