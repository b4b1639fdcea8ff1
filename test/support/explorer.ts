import { readFileSync } from "node:fs"
import { gzipSync } from "node:zlib"
import type { Browser, BrowserContextOptions, Page } from "playwright-core"
import { beforeAll, expect, vi } from "vitest"
import { tokens } from "../../sandbox/seed.ts"
import { buildExplorer } from "../../tools/explorer.ts"
import { sharedBrowser } from "./browser.ts"
import { startGateway } from "./gateway.ts"
import { isComplaint, openProfile, operationOf } from "./profile.ts"
import { secret } from "./sessions.ts"

/*
 * The explorer in a real browser, on a gateway and a sandbox in this process. One browser for all files of tests in this process; each
 * visitor has a profile of its own.
 */

let browser: Browser | undefined

/** Builds the explorer if it is not built, and starts the browser if it is not running. To be called at the top of a file of tests. */
export function useExplorer(): void {
  // To look at a page takes milliseconds of the browser's time.
  vi.setConfig({ expect: { poll: { timeout: 50_000, interval: 50 } } })
  beforeAll(async () => {
    await buildExplorer()
    browser = await sharedBrowser()
  }, 300_000)
}

export type ExplorerWorld = Awaited<ReturnType<typeof startExplorer>>

/** A gateway with the explorer. Its address is `url`. */
export async function startExplorer(options: Parameters<typeof startGateway>[0] = {}) {
  const config = { explorer: true, sessionSecrets: [secret], ...options.config }
  const world = await startGateway({ ...options, config })
  return { ...world, url: await world.gateway.listen() }
}

interface Visit extends BrowserContextOptions {
  /** Signs in with this token before the page opens. Null: nobody is signed in. Default: Ada's. */
  token?: string | null
}

export interface Visitor {
  page: Page
  /** What the browser has complained of: errors, warnings, and what the content security policy has refused. */
  complaints: string[]
  /** The addresses that the browser has asked for. */
  requested: string[]
  /** The operations that were sent to the gateway, by name. */
  operations: string[]
}

/** Opens a page of the explorer, such as `search?q=ecephys`. */
export async function visit(url: string, path = "", { token = tokens.ada, ...options }: Visit = {}): Promise<Visitor> {
  if (browser === undefined) throw new Error("Call useExplorer() at the top of the file.")
  const usual = { locale: "en-US", viewport: { width: 1280, height: 800 } }
  const { context } = await openProfile(browser, { ...usual, ...options })
  if (token !== null) {
    const headers = { "x-session": "1", origin: new URL(url).origin }
    const response = await context.request.post(`${url}/session`, { headers, data: { token } })
    expect(response.status()).toBe(201)
  }
  const page = await context.newPage()
  const complaints: string[] = []
  page.on("console", (message) => {
    if (isComplaint(message)) complaints.push(message.text())
  })
  page.on("pageerror", (error) => complaints.push(error.message))
  await page.addInitScript(`addEventListener("securitypolicyviolation", (violation) =>
    console.error("refused", violation.effectiveDirective, violation.blockedURI))`)
  const requested: string[] = []
  const operations: string[] = []
  page.on("request", (request) => {
    requested.push(request.url())
    const name = operationOf(request)
    if (name !== undefined) operations.push(name)
  })
  await page.goto(`${url}/explorer/${path}`)
  return { page, complaints, requested, operations }
}

/** Goes to a page as a link does, without loading the explorer again, which takes a quarter of a second of CPU time. */
export const go = (page: Page, path: string): Promise<void> =>
  page.evaluate((path) => {
    const root = location.pathname.slice(0, location.pathname.indexOf("/explorer/") + "/explorer/".length)
    history.pushState(null, "", root + path)
    dispatchEvent(new PopStateEvent("popstate"))
  }, path)

const axe = () => readFileSync(new URL("../../explorer/node_modules/axe-core/axe.min.js", import.meta.url), "utf8")

/** Runs axe in the page, with the rules of WCAG 2.2 AA. What passes is not described, which would take a third of the time. */
const runAxe = `axe.run(document, {
  runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], resultTypes: ["violations"], selectors: false,
}).then(({ violations }) =>
  violations.flatMap(({ id, help, nodes }) => nodes.map(({ html, any }) =>
    id + ": " + help + ": " + html.slice(0, 200) + " " + any.map(({ message }) => message).join("; "))))`

/** Menus and dialogs fade in; a contrast that is measured meanwhile is wrong. What never ends, such as a turning icon, is not waited for. */
const animationsEnd = `Promise.all(document.getAnimations()
  .filter(({ effect }) => effect.getComputedTiming().endTime < Infinity)
  .map((animation) => animation.finished.catch(() => {})))`

/**
 * What axe finds against WCAG 2.2 AA on the page once it is at rest. Empty if it finds nothing.
 * @param tolerated what is not reported
 */
export async function violationsOf(page: Page, tolerated?: RegExp): Promise<string[]> {
  if (!(await page.evaluate("'axe' in window"))) await page.evaluate(axe())
  // What a menu leaves behind while it closes is no violation of the page. A violation that stays is reported after five seconds.
  for (let attempt = 1; ; attempt++) {
    await page.evaluate(animationsEnd)
    const all = (await page.evaluate(runAxe)) as string[]
    const found = all.filter((violation) => !tolerated?.test(violation))
    if (found.length === 0 || attempt === 20) return found
    await page.waitForTimeout(250)
  }
}

/**
 * Fails if axe finds something against WCAG 2.2 AA on the page in the dark theme in a narrow window, or in the light theme in a wide
 * one. The page has the light theme and the wide window afterwards.
 * @param tolerated what is not reported
 */
export async function findNoViolations(page: Page, tolerated?: RegExp): Promise<void> {
  for (const [colorScheme, width] of [
    ["dark", 390],
    ["light", 1280],
  ] as const) {
    await page.emulateMedia({ colorScheme })
    await page.setViewportSize({ width, height: 800 })
    await expect.poll(() => page.evaluate("innerWidth")).toBe(width)
    await expect.poll(() => page.evaluate("document.documentElement.scrollWidth"), { message: colorScheme }).toBe(width)
    expect(await violationsOf(page, tolerated), colorScheme).toEqual([])
  }
}

/** The bytes of a response's body, compressed by gzip as the gateway would send it to a client that takes nothing else. */
export async function gzipBytes(url: string): Promise<number> {
  const response = await fetch(url, { headers: { "accept-encoding": "gzip" } })
  const sent = Number(response.headers.get("content-length"))
  const body = Buffer.from(await response.arrayBuffer())
  return response.headers.get("content-encoding") === "gzip" ? sent : gzipSync(body).length
}
