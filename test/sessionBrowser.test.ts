import { readFileSync } from "node:fs"
import { createServer, request } from "node:http"
import { createServer as createTlsServer } from "node:https"
import type { AddressInfo, Server } from "node:net"
import type { Browser, Page } from "playwright-core"
import { beforeAll, describe, expect, onTestFinished, test } from "vitest"
import { tokens } from "../sandbox/seed.ts"
import { sharedBrowser } from "./support/browser.ts"
import { startGateway } from "./support/gateway.ts"
import { openProfile } from "./support/profile.ts"
import { secret, tokenOf } from "./support/sessions.ts"

let browser: Browser

beforeAll(async () => {
  browser = await sharedBrowser()
})

const config = { sessionSecrets: [secret] }

/** A profile of its own, with a page of this address. `/health` has no content security policy. */
async function openSite(url: string) {
  const { context } = await openProfile(browser, { ignoreHTTPSErrors: true })
  const openTab = async () => {
    const page = await context.newPage()
    await page.goto(`${url}/health`)
    return page
  }
  return { context, openTab, page: await openTab() }
}

/** Sends a request from a page to its own origin. */
function exchange(page: Page, method: string, path: string, body?: object, header = "1") {
  return page.evaluate(
    async ({ method, path, body, header }) => {
      const headers: Record<string, string> = header === "" ? {} : { "x-session": header }
      if (body !== undefined) headers["content-type"] = "application/json"
      const response = await fetch(path, { method, headers, ...(body && { body: JSON.stringify(body) }) })
      const text = await response.text()
      return { status: response.status, body: text === "" ? undefined : JSON.parse(text) }
    },
    { method, path, body, header },
  )
}

const signIn = (page: Page, token: string) => exchange(page, "POST", "/session", { token })
const session = async (page: Page) => (await exchange(page, "GET", "/session")).body.session

/** Asks something that needs a call. Resolves with the token of the call; undefined if there was none. */
async function userOf(page: Page, sandbox: { requests: { headers: { authorization?: string } }[] }, header?: string) {
  sandbox.requests.length = 0
  await exchange(page, "POST", "/graphql", { query: "{ searchCapsules(first: 1) { nodes { id } } }" }, header)
  const [call] = sandbox.requests
  return call && tokenOf(call.headers.authorization)
}

async function listen(server: Server, scheme: string): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  onTestFinished(() => {
    if ("closeAllConnections" in server) (server as ReturnType<typeof createServer>).closeAllConnections()
    server.close()
  })
  return `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** A proxy with TLS. */
function startTls(target: string): Promise<string> {
  const read = (name: string) => readFileSync(new URL(`support/certificates/${name}.pem`, import.meta.url))
  const server = createTlsServer({ key: read("key"), cert: read("valid") }, (from, to) => {
    const { url = "", method, headers } = from
    const forwarded = request(target + url, { method, headers }, (answer) => {
      to.writeHead(answer.statusCode ?? 500, answer.headers)
      answer.pipe(to)
    })
    forwarded.on("error", () => to.destroy())
    from.pipe(forwarded)
  })
  return listen(server, "https")
}

describe("a session in Chromium", () => {
  test("no script can read its cookie, all tabs of the browser have it, and it counts only with its header", async () => {
    const { gateway, sandbox } = await startGateway({ config })
    const { page, openTab, context } = await openSite(await gateway.listen())
    expect((await signIn(page, "cop_wrong")).status).toBe(401)
    expect(await context.cookies()).toEqual([])
    expect((await signIn(page, tokens.ada)).status).toBe(201)
    expect(await page.evaluate(() => document.cookie)).toBe("")
    expect(await context.cookies()).toMatchObject([
      { name: "codeocean-session", httpOnly: true, secure: false, sameSite: "Strict", path: "/" },
    ])
    const other = await openTab()
    expect(await userOf(other, sandbox)).toBe(tokens.ada)
    expect(await userOf(other, sandbox, "")).toBeUndefined()
    expect((await exchange(other, "DELETE", "/session")).status).toBe(204)
    expect(await session(page)).toBeNull()
    expect(await context.cookies()).toEqual([])
  })

  test("a tab that names its session notices that another user has signed in, in another tab of the browser", async () => {
    const { gateway, sandbox } = await startGateway({ config })
    const { page, openTab } = await openSite(await gateway.listen())
    const { id } = (await signIn(page, tokens.ada)).body.session
    expect(await userOf(page, sandbox, id)).toBe(tokens.ada)
    const other = await openTab()
    await signIn(other, tokens.grace)
    expect(await userOf(page, sandbox, id)).toBeUndefined()
    expect(await userOf(other, sandbox)).toBe(tokens.grace)
    const second = await openSite(await gateway.listen())
    await signIn(second.page, tokens.ada)
    expect(await userOf(second.page, sandbox)).toBe(tokens.ada)
    expect(await userOf(other, sandbox)).toBe(tokens.grace)
  })

  test("over TLS its cookie has the prefix __Host- and is not sent without TLS", async () => {
    const { gateway, sandbox } = await startGateway({ config: { ...config, host: "0.0.0.0" } })
    const url = (await gateway.listen()).replace("0.0.0.0", "127.0.0.1")
    const { page, context } = await openSite(await startTls(url))
    expect((await signIn(page, tokens.ada)).status).toBe(201)
    expect(await context.cookies()).toMatchObject([
      { name: "__Host-codeocean-session", httpOnly: true, secure: true, sameSite: "Strict", path: "/" },
    ])
    expect(await userOf(page, sandbox)).toBe(tokens.ada)
    await exchange(page, "DELETE", "/session")
    expect(await context.cookies()).toEqual([])
  })

  test("at a port that is forwarded to this machine it works without TLS", async () => {
    const { gateway, sandbox } = await startGateway({ config: { ...config, host: "0.0.0.0" } })
    const { page } = await openSite((await gateway.listen()).replace("0.0.0.0", "127.0.0.1"))
    expect((await signIn(page, tokens.ada)).status).toBe(201)
    expect(await userOf(page, sandbox)).toBe(tokens.ada)
  })

  test("a page of another origin, even of the same site, can neither use, nor begin, nor end it", async () => {
    const { gateway, sandbox } = await startGateway({ config })
    const url = await gateway.listen()
    const { page, context } = await openSite(url)
    await signIn(page, tokens.ada)
    const evil = await listen(
      createServer((_request, response) => void response.setHeader("content-type", "text/html").end("<p>evil</p>")),
      "http",
    )
    const attacker = await context.newPage()
    await attacker.goto(evil)
    sandbox.requests.length = 0
    const attempts = await attacker.evaluate(async (url) => {
      const query = "mutation { archiveCapsule(input: {id: 1}) { __typename } }"
      const body = JSON.stringify({ query, token: "cop_demo_grace" })
      const types = ["application/json", "text/plain"]
      const results: string[] = []
      for (const path of ["/graphql", "/session"]) {
        for (const method of ["POST", "GET", "DELETE"]) {
          for (const mode of ["cors", "no-cors"] as const) {
            for (const type of types) {
              for (const own of [{ "x-session": "1" }, {}]) {
                const init: RequestInit = {
                  method,
                  mode,
                  credentials: "include",
                  headers: { "content-type": type, ...own } as Record<string, string>,
                }
                if (method === "POST") init.body = body
                const result = await fetch(url + path, init).then(
                  (response) => response.type,
                  () => "blocked",
                )
                results.push(result)
              }
            }
          }
        }
      }
      return results
    }, url)
    expect(attempts.length).toBe(48)
    expect(new Set(attempts)).toEqual(new Set(["blocked", "opaque"]))
    // A form is a navigation with cookies of the same site, and the user sees its response.
    await attacker.setContent(
      `<form method="post" enctype="text/plain" action="${url}/session"><input name='{"token":"cop_demo_grace","a":"' value='"}'></form>`,
    )
    const navigation = attacker.waitForNavigation()
    await attacker.evaluate(() => document.querySelector("form")?.submit())
    expect((await navigation)?.status()).toBe(403)
    expect(sandbox.requests).toEqual([])
    expect(await userOf(page, sandbox)).toBe(tokens.ada)
  })
})
