import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { text } from "node:stream/consumers"
import type { Browser, Locator, Page } from "playwright-core"
import { beforeAll, describe, expect, onTestFinished, test } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { buildExplorer } from "../tools/explorer.ts"
import { sharedBrowser } from "./support/browser.ts"
import { findNoViolations } from "./support/explorer.ts"
import { startGateway } from "./support/gateway.ts"
import { openProfile } from "./support/profile.ts"
import { secret, tokenOf } from "./support/sessions.ts"

let browser: Browser

beforeAll(async () => {
  browser = await sharedBrowser()
})

const wide = { width: 1_300, height: 850 }

async function openPage(url: string) {
  const { context } = await openProfile(browser, {
    viewport: wide,
    permissions: ["clipboard-read", "clipboard-write"],
  })
  const page = await context.newPage()
  const complaints: string[] = []
  page.on("console", (message) => complaints.push(`${message.type()}: ${message.text()}`))
  page.on("pageerror", (error) => complaints.push(error.message))
  await page.addInitScript(`addEventListener("securitypolicyviolation", (violation) =>
    console.error("refused", violation.effectiveDirective, violation.blockedURI))`)
  await page.goto(url)
  return { page, complaints, context }
}

/** A gateway with sessions, and its GraphiQL. */
async function startPage({ path = "", ...options }: Parameters<typeof startGateway>[0] & { path?: string } = {}) {
  const world = await startGateway({ ...options, config: { sessionSecrets: [secret], ...options.config } })
  const url = `${await world.gateway.listen()}/graphql`
  return { ...world, url, ...(await openPage(url + path)) }
}

const button = (page: Page, name: string) => page.getByRole("button", { name, exact: true })
const tabs = (page: Page) => expect.poll(() => page.getByRole("tab").allInnerTexts())
const textOf = (page: Page, region: string) => page.getByRole("region", { name: region, exact: true }).innerText()
const shown = (page: Page, region: string) => expect.poll(() => textOf(page, region), { interval: 50 })
const runButton = "Execute query (Ctrl-Enter)"
const run = (page: Page) => button(page, runButton).click()
const dialog = (page: Page) => page.getByRole("dialog")
const capsules = "query Capsules { searchCapsules(first: 1) { nodes { id } } }"
const linkTo = (query: string, variables?: object) =>
  `?${new URLSearchParams({ query, ...(variables && { variables: JSON.stringify(variables) }) })}`

/** What axe finds in the markup of GraphiQL itself: its list of tabs, and the fields and scroll areas of its editors. */
const inGraphiql = new RegExp(
  [
    'aria-required-children: .*<ul [^>]*class="graphiql-tabs">',
    'nested-interactive: .*<li [^>]*class="graphiql-tab( graphiql-tab-active)?"',
    'label: .*<textarea autocorrect="off" autocapitalize="off" spellcheck="false" (readonly="" )?tabindex="0" style="position: absolute',
    'scrollable-region-focusable: .*<div class="CodeMirror-scroll"',
  ]
    .map((place) => `^${place}`)
    .join("|"),
)

describe("GraphiQL with sessions", () => {
  test("an operation without a session asks for a token, and is answered after the sign-in, also on later visits, and axe finds nothing against WCAG AA in both themes but GraphiQL's own markup", async () => {
    // axe is one of the explorer's packages.
    await buildExplorer()
    const { page, sandbox, url, context, complaints } = await startPage({ path: linkTo(capsules) })
    await shown(page, "Query Editor").toContain("Capsules")
    await findNoViolations(page, inGraphiql)
    await run(page)
    await dialog(page).getByText("Code Ocean access token").waitFor()
    await findNoViolations(page)
    await page.getByLabel("Code Ocean access token").fill("cop_wrong")
    await dialog(page).getByRole("button", { name: "Sign in" }).click()
    await dialog(page).getByRole("alert").waitFor()
    await findNoViolations(page)
    await page.getByLabel("Code Ocean access token").fill(tokens.grace)
    await dialog(page).getByRole("button", { name: "Sign in" }).click()
    await button(page, "Signed in").waitFor()
    sandbox.requests.length = 0
    await run(page)
    await shown(page, "Result Window").toContain('"nodes"')
    expect(tokenOf(sandbox.requests[0]?.headers.authorization)).toBe(tokens.grace)
    await page.goto(url)
    await button(page, "Signed in").waitFor()
    const kept = await page.evaluate(() => JSON.stringify([localStorage, sessionStorage, document.cookie]))
    expect(kept + (await page.content())).not.toContain("cop_")
    await button(page, "Signed in").click()
    await dialog(page).getByText("the token stays valid").waitFor()
    await expect.poll(() => dialog(page).getByRole("link").getAttribute("href")).toBe(`${sandbox.url}/`)
    await button(page, "Sign out").click()
    await button(page, "Sign in").first().waitFor()
    await expect.poll(() => context.cookies()).toEqual([])
    // The browser reports the 401 of the wrong token.
    expect(complaints.filter((complaint) => !complaint.includes("401"))).toEqual([])
  })

  test("in the demo the visitor is signed in at once, each example runs with one click, signing out lasts, and a link opens its operation beside the tabs that are there, once, and never runs it", async () => {
    const ids = {
      capsuleId: seed.cellCounter,
      activeComputationId: seed.runningAlignment,
      computationId: seed.countedCells,
      dataAssetId: seed.sortedSpikes,
    }
    const mutation = `mutation Archive($id: ID!) { archiveCapsule(input: {capsuleId: $id}) { __typename } }`
    const path = linkTo(mutation, { id: seed.spikeSorting })
    const { page, url, sandbox, complaints } = await startPage({
      graphiqlToken: tokens.ada,
      graphiqlIds: ids,
      path,
    })
    await shown(page, "Query Editor").toContain("mutation Archive")
    await shown(page, "Variables").toContain(seed.spikeSorting)
    await button(page, "Signed in").waitFor()
    await expect.poll(() => page.url()).toBe(url)
    const expected = {
      CapsulePage: "Spike Sorting",
      FailedPipelineRuns: "searchPipelines",
      Releases: "originalCapsule",
      Run: '"state": "INITIALIZING"',
      WatchRun: '"state": "RUNNING"',
      Capture: '"name": "Captured with GraphiQL"',
      Lineage: '"name": "ecephys_730945_sorted"',
    }
    await tabs(page).toEqual(["Archive", ...Object.keys(expected)])
    for (const [name, result] of Object.entries(expected)) {
      await page.getByRole("tab", { name, exact: true }).click()
      await shown(page, "Query Editor").toContain(` ${name}`)
      await run(page)
      await shown(page, "Result Window").toContain(result)
      const stop = button(page, "Stop query (Ctrl-Enter)")
      if (await stop.isVisible()) await stop.click({ timeout: 1_000 }).catch(() => undefined)
      await button(page, runButton).waitFor()
    }
    expect(complaints).toEqual([])
    await button(page, "Signed in").click()
    await button(page, "Sign out").click()
    await button(page, "Sign in").first().waitFor()
    // GraphiQL stores its tabs half a second after a change.
    const stored = () =>
      page.evaluate(() => Object.entries(localStorage).find(([key]) => key.endsWith(":tabState"))?.[1] ?? "")
    await expect.poll(stored).toContain("Archive")
    await page.goto(url + linkTo("query Other { __typename }"))
    await shown(page, "Query Editor").toContain("query Other")
    await tabs(page).toEqual(expect.arrayContaining(["Archive", "CapsulePage", "Other"]))
    await button(page, "Sign in").first().waitFor()
    await expect.poll(() => page.url()).toBe(url)
    expect(sandbox.requests.map(({ path }) => path)).not.toContain(`/capsules/${seed.spikeSorting}/archive`)
  })
})

/** Chooses an item of the menu, and reads the clipboard. */
async function copied(page: Page, item: string): Promise<string> {
  await page.evaluate(() => navigator.clipboard.writeText("nothing yet"))
  await button(page, "Copy as code").click()
  await page.getByRole("menuitem", { name: item, exact: true }).click()
  const read = () => page.evaluate(() => navigator.clipboard.readText())
  await expect.poll(read).not.toBe("nothing yet")
  return read()
}

const programs = {
  curl: ["sh", "code.sh"],
  Python: ["python3", "code.py"],
  TypeScript: [process.execPath, "code.ts"],
} as const

/** Runs copied code, and returns what it prints. */
async function outputOf(language: keyof typeof programs, code: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "copied-"))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const [program, file] = programs[language]
  writeFileSync(join(folder, file), code)
  const env = { ...process.env, CODEOCEAN_TOKEN: tokens.ada }
  const child = spawn(program, [file], { cwd: folder, env, stdio: ["ignore", "pipe", "inherit"] })
  const [output] = await Promise.all([text(child.stdout), once(child, "close")])
  return output
}

/** Copies the code in each language, and returns what it prints. */
async function outputsOf(page: Page) {
  const codes: [keyof typeof programs, string][] = []
  for (const language of Object.keys(programs) as (keyof typeof programs)[]) {
    const code = await copied(page, `Copy as ${language}`)
    expect(code, language).not.toContain("cop_")
    codes.push([language, code])
  }
  return await Promise.all(
    codes.map(async ([language, code]) => ({ language, output: await outputOf(language, code) })),
  )
}

const narrow = { width: 360, height: 640 }

/** Looks at the page in narrow windows, where the editor, the result and the buttons fit, and a plugin covers the editors. */
async function seeThatAllFits(page: Page): Promise<void> {
  for (const viewport of [narrow, { width: 480, height: 800 }]) {
    await page.setViewportSize(viewport)
    await expect.poll(() => page.evaluate(() => innerWidth)).toBe(viewport.width)
    await expect.poll(() => page.evaluate(() => document.documentElement.scrollWidth)).toBe(viewport.width)
    const region = (name: string) => page.getByRole("region", { name, exact: true })
    /** The edges of what is found. */
    const edges = async (found: Locator) => {
      const { x, y, width, height } = (await found.boundingBox())!
      return { left: x, right: x + width, top: y, bottom: y + height, width, height }
    }
    const wrong = async () => {
      const [editor, result] = [await edges(region("Query Editor")), await edges(region("Result Window"))]
      const isSmall = ({ width, height }: typeof editor) => width <= viewport.width * 0.6 || height <= 100
      const problems = {
        "the editor is small": isSmall(editor),
        "the result is small": isSmall(result),
        "the result is not below the editor": result.top <= editor.bottom,
        "the result does not fit": result.bottom >= viewport.height,
      }
      return Object.entries(problems).flatMap(([problem, has]) => (has ? [problem] : []))
    }
    await expect.poll(wrong).toEqual([])
    await button(page, "Show GraphiQL Explorer").click()
    await expect
      .poll(async () => (await edges(page.locator(".graphiql-plugin"))).width)
      .toBeGreaterThan(viewport.width * 0.95)
    await button(page, "Hide GraphiQL Explorer").click()
    await button(page, "Signed in").click()
    await expect.poll(async () => (await edges(dialog(page))).left).toBeGreaterThanOrEqual(0)
    await expect.poll(async () => (await edges(dialog(page))).right).toBeLessThanOrEqual(viewport.width)
    await page.keyboard.press("Escape")
    await dialog(page).waitFor({ state: "hidden" })
  }
}

describe("code in curl, Python and TypeScript", () => {
  test("runs, with its variables, whatever characters it has, or follows a subscription to its end, the link that is copied opens the same operation, and narrow windows have room for all", async () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it must not be taken for one in the copied code either.
    const odd = "a'b\"c\\d`e${f}\\n & b # ü € %"
    const query = `query Odd($first: Int!) {
  # ${odd} """
  capsule: searchCapsules(first: $first, query: ${JSON.stringify(odd)}) { nodes { id } }
}
query Second { __typename }`
    const path = linkTo(query, { first: 3, unused: "x y" })
    const { page, url } = await startPage({ graphiqlToken: tokens.ada, path })
    await shown(page, "Query Editor").toContain(JSON.stringify(odd))
    await shown(page, "Variables").toContain("x y")
    await button(page, "Signed in").waitFor()
    // The link that has just opened it.
    const link = new URL(await copied(page, "Copy link"))
    expect(link.href).not.toContain("cop_")
    expect(link.origin + link.pathname).toBe(url)
    expect([...link.searchParams.keys()]).toEqual(["query", "variables"])
    expect(link.searchParams.get("query")).toBe(query)
    expect(JSON.parse(link.searchParams.get("variables") ?? "")).toEqual({ first: 3, unused: "x y" })
    for (const { language, output } of await outputsOf(page)) {
      const result = JSON.parse(output)
      expect(result.errors, language).toBeUndefined()
      expect(Object.keys(result.data), language).toEqual(["capsule"])
    }

    await page.setViewportSize(narrow)
    await page.goto(url + linkTo(`subscription Ended {\n  computation(id: "${seed.sortedRun}") { state }\n}`))
    await shown(page, "Query Editor").toContain("subscription Ended")
    await button(page, "Signed in").waitFor()
    await run(page)
    await shown(page, "Result Window").toContain("COMPLETED")
    await seeThatAllFits(page)
    await page.setViewportSize(wide)
    for (const { language, output } of await outputsOf(page)) {
      expect(output, language).toMatch(/"state":\s*"COMPLETED"/)
    }
  })
})

test("the operation builder adds a field, and the documentation begins with the schema's description and ends with the fields for routers, and a token in the headers editor wins without a session", async () => {
  const { page, sandbox, complaints } = await startPage({ path: linkTo(capsules) })
  await shown(page, "Query Editor").toContain("Capsules")
  await button(page, "Show GraphiQL Explorer").click()
  const builder = page.locator(".graphiql-explorer-root")
  await builder.getByText("slug", { exact: true }).first().click()
  await shown(page, "Query Editor").toContain("slug")
  await button(page, "Show Documentation Explorer").click()
  const docs = page.locator(".graphiql-doc-explorer")
  await docs.getByText("Capsules, pipelines, their runs and data assets").waitFor()
  await docs.getByText("Query", { exact: true }).click()
  const fields = docs.locator(".graphiql-doc-explorer-item, .graphiql-doc-explorer-field-name")
  const names = async () => [...new Set((await fields.allInnerTexts()).map((field) => /^\w+/.exec(field)?.[0]))]
  await expect.poll(names).toContain("searchCapsules")
  await expect.poll(async () => (await names()).slice(-2)).toEqual(["_entities", "_service"])

  await button(page, "Headers").click()
  await page.getByRole("region", { name: "Headers", exact: true }).click()
  await page.keyboard.insertText(JSON.stringify({ authorization: `Bearer ${tokens.admin}` }))
  await shown(page, "Headers").toContain(tokens.admin)
  sandbox.requests.length = 0
  await run(page)
  await shown(page, "Result Window").toContain('"nodes"')
  expect(tokenOf(sandbox.requests[0]?.headers.authorization)).toBe(tokens.admin)
  // Nothing of it was refused by the content security policy.
  expect(complaints).toEqual([])
})
