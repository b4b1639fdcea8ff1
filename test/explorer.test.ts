import { describe, expect, onTestFinished, test } from "vitest"
import { tokens } from "../sandbox/seed.ts"
import { startSandbox } from "../sandbox/server.ts"
import { findNoViolations, go, gzipBytes, startExplorer, useExplorer, violationsOf, visit } from "./support/explorer.ts"
import { tokenOf } from "./support/sessions.ts"

useExplorer()

const heading = (name: string) => ({ name, level: 1 })
const isBehindBar = `document.activeElement.getBoundingClientRect().bottom >
  document.querySelector("footer").getBoundingClientRect().top`
const signInHeading = heading("Code Ocean explorer")

describe("signing in", () => {
  test("a visitor pastes a token, a wrong one first, gets the page that was asked for, and is told that signing out revokes nothing; when the session has ended, the visitor signs in over the page, nothing that was typed is lost, and a tab never acts for the user of another tab, unless the visitor wants that", async () => {
    const { url, sandbox } = await startExplorer()
    const { page, complaints } = await visit(url, "search?type=pipelines", { token: null })
    await page.getByRole("heading", signInHeading).waitFor()
    await findNoViolations(page)
    await page.getByText("does not revoke the token").waitFor()
    const revoke = page.getByRole("link", { name: "revoke it in Code Ocean" })
    await expect.poll(() => revoke.getAttribute("href")).toMatch(/^http/)
    // A wrong token is explained beside the field, and stays there to be corrected.
    await page.getByLabel("Access token").fill("cop_wrong")
    await page.getByRole("button", { name: "Sign in" }).click()
    await page.getByRole("alert").getByText("does not know this token").waitFor()
    await expect.poll(() => page.getByLabel("Access token").inputValue()).toBe("cop_wrong")
    await page.getByLabel("Access token").fill(tokens.ada)
    await page.keyboard.press("Enter")
    await page.getByRole("link", { name: "Ecephys Pipeline" }).waitFor()
    await expect.poll(() => new URL(page.url()).search).toBe("?type=pipelines")
    // The browser reports the refusal of the wrong token.
    await expect.poll(() => complaints).toEqual([expect.stringContaining("401")])
    const stored = "JSON.stringify([localStorage, sessionStorage, document.cookie, document.documentElement.outerHTML])"
    await expect.poll(() => page.evaluate(stored)).not.toContain(tokens.ada)

    await go(page, "search")
    const spikeSorting = page.getByRole("link", { name: "Spike Sorting", exact: true })
    const driftCorrection = page.getByRole("link", { name: "Drift Correction" })
    const dialog = page.getByRole("dialog", { name: "Your session has ended" })
    const goOn = dialog.getByRole("button", { name: "Go on with that session" })
    const searchFor = (text: string) => page.getByRole("searchbox").fill(text)
    /** Signs in over the page. What was searched for is then found. */
    const signInAgain = async (text: string) => {
      await page.getByLabel("Access token").fill(tokens.ada)
      await page.keyboard.press("Enter")
      await page.getByRole("dialog").waitFor({ state: "detached" })
      await expect.poll(() => page.getByRole("searchbox").inputValue()).toBe(text)
      await driftCorrection.waitFor({ state: "detached" })
      await spikeSorting.waitFor()
    }
    await driftCorrection.waitFor()
    await page.context().clearCookies()
    await searchFor("ecephys")
    await dialog.waitFor()
    await signInAgain("ecephys")

    // A token that Code Ocean no longer accepts is no session of another tab.
    await searchFor("")
    await driftCorrection.waitFor()
    sandbox.failNext("POST /capsules/search", { status: 401 })
    const asked = page.waitForResponse(`${url}/session`)
    await searchFor("tag:ecephys")
    await dialog.waitFor()
    expect((await (await asked).json()).session).not.toBeNull()
    // Time for the page to show what the response says.
    await page.evaluate("new Promise((shown) => requestAnimationFrame(() => requestAnimationFrame(shown)))")
    expect(await goOn.count()).toBe(0)
    await signInAgain("tag:ecephys")

    // In another tab, somebody else signs in.
    await searchFor("")
    await driftCorrection.waitFor()
    const headers = { "x-session": "1", origin: url }
    const signedIn = await page.context().request.post(`${url}/session`, { headers, data: { token: tokens.grace } })
    expect(signedIn.status()).toBe(201)
    const ofGrace = () => sandbox.requests.filter((call) => tokenOf(call.headers.authorization) === tokens.grace).length
    const calls = ofGrace()
    await searchFor("spike")
    await dialog.waitFor()
    await goOn.waitFor()
    expect(ofGrace()).toBe(calls)
    await goOn.click()
    await dialog.waitFor({ state: "detached" })
    await driftCorrection.waitFor({ state: "detached" })
    await expect.poll(() => page.getByRole("searchbox").inputValue()).toBe("spike")
    await expect.poll(ofGrace).toBeGreaterThan(calls)
  })

  test("the demo signs in by itself, until the visitor signs out", async () => {
    const { url } = await startExplorer({ explorerToken: tokens.ada })
    const { page } = await visit(url, "", { token: null })
    await page.getByRole("heading", heading("Recent runs")).waitFor()
    const other = await page.context().newPage()
    await other.goto(`${url}/explorer/nowhere`)
    await other.getByRole("heading", heading("There is no such page")).waitFor()
    await page.getByRole("button", { name: "Account and help" }).click()
    await page.getByRole("menuitem", { name: "Sign out" }).click()
    await page.getByRole("heading", signInHeading).waitFor()
    // Other tabs do not go on showing what they may no longer read.
    await other.getByRole("dialog", { name: "Your session has ended" }).waitFor()
    await page.reload()
    await page.getByRole("heading", signInHeading).waitFor()
  })
})

describe("every page", () => {
  test("the first page with data takes at most 12 requests, 250 kB and four round trips, all to the gateway", async () => {
    const { url } = await startExplorer()
    // Any other page than one of the explorer, for a browser that has the session.
    const { page, complaints } = await visit(url, "../health")
    const network = await page.context().newCDPSession(page)
    await network.send("Network.enable")
    await network.send("Network.setCacheDisabled", { cacheDisabled: true })
    const latency = { offline: false, latency: 200, downloadThroughput: -1, uploadThroughput: -1 }
    await network.send("Network.emulateNetworkConditions", latency)
    const requests = new Map<string, { url: string; body: string; round: number; answered: boolean; bytes?: number }>()
    network.on("Network.requestWillBeSent", ({ requestId, request }) => {
      if (!request.url.startsWith("http")) return
      const rounds = [...requests.values()].filter(({ answered }) => answered).map(({ round }) => round)
      const body = request.postData ?? ""
      requests.set(requestId, { url: request.url, body, round: 1 + Math.max(0, ...rounds), answered: false })
    })
    // A request that is sent after the answer to another one waited for it. With this latency, others are sent together.
    network.on("Network.responseReceived", ({ requestId }) => {
      const request = requests.get(requestId)
      if (request) request.answered = true
    })
    network.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
      const request = requests.get(requestId)
      if (request) request.bytes = encodedDataLength
    })
    await page.goto(`${url}/explorer/`)
    await page.getByRole("link", { name: "Mouse 730945, more units" }).waitFor()
    // What follows the data, such as the subscription to its changes, is not waited for.
    const home = [...requests.values()].find(({ body }) => body.includes('"operationName":"Home"'))
    const sent = [...requests.values()].filter(({ round }) => round <= (home?.round ?? 0))
    expect(sent.length).toBeLessThanOrEqual(12)
    expect(home?.round).toBeLessThanOrEqual(4)
    expect(new Set(sent.map((request) => new URL(request.url).origin))).toEqual(new Set([url]))
    const isFile = (request: { url: string }) => new URL(request.url).pathname.startsWith("/explorer/")
    const answers = sent.filter((request) => !isFile(request))
    expect(answers.length).toBeGreaterThanOrEqual(2)
    await expect.poll(() => answers.every(({ bytes }) => bytes !== undefined)).toBe(true)
    const sizes = await Promise.all(sent.filter(isFile).map((file) => gzipBytes(file.url)))
    const bytes = [...sizes, ...answers.map(({ bytes = 0 }) => bytes)].reduce((sum, size) => sum + size, 0)
    expect(bytes).toBeLessThan(250_000)
    expect(complaints).toEqual([])
  })

  test("the keyboard reaches the content, the search and every page, the focus moves to the new page's heading, and axe finds nothing against WCAG AA in both themes, in a wide and a narrow window", async () => {
    const { url } = await startExplorer()
    const { page, complaints } = await visit(url)
    await page.getByRole("link", { name: "Mouse 730945, more units" }).waitFor()
    await page.keyboard.press("Tab")
    await expect.poll(() => page.evaluate("document.activeElement.textContent")).toBe("Skip to the content")
    await page.keyboard.press("Enter")
    await expect.poll(() => page.evaluate("document.activeElement.tagName")).toBe("MAIN")
    await page.keyboard.press("g")
    await page.keyboard.press("s")
    await page.getByRole("heading", heading("Search")).waitFor()
    await expect.poll(() => page.evaluate("document.activeElement.textContent")).toBe("Search")
    await page.keyboard.press("/")
    await expect.poll(() => page.evaluate("document.activeElement.type")).toBe("search")
    await page.keyboard.type("gh?")
    await expect.poll(() => page.getByRole("searchbox").inputValue()).toBe("gh?")
    await page.getByLabel("Order").focus()
    await expect.poll(() => page.evaluate("getComputedStyle(document.activeElement).outlineStyle")).toBe("solid")
    await page.getByRole("heading", heading("Search")).focus()
    await page.keyboard.press("?")
    await page.getByRole("dialog", { name: "Keyboard shortcuts" }).waitFor()
    expect(await violationsOf(page)).toEqual([])
    await page.keyboard.press("Escape")
    await page.getByRole("dialog").waitFor({ state: "detached" })
    await page.keyboard.press("g")
    await page.keyboard.press("h")
    await page.getByRole("heading", heading("Recent runs")).waitFor()
    await page.getByRole("link", { name: "Run 0", exact: true }).waitFor()
    // Whatever has the focus can be seen: it is not behind the bar at the bottom.
    await page.setViewportSize({ width: 1280, height: 300 })
    await page.getByRole("link", { name: "Mouse 730945, more units" }).focus()
    for (let step = 0; step < 12; step++) {
      await page.keyboard.press("Tab")
      await expect.poll(() => page.evaluate(isBehindBar)).toBe(false)
    }

    await page.setViewportSize({ width: 1280, height: 800 })
    const failedRun = page.getByRole("listitem").filter({ hasText: "Mouse 730945, more units" })
    await failedRun.getByRole("button", { name: "End of the log" }).click()
    await failedRun.locator("pre").waitFor()
    await findNoViolations(page)
    await go(page, "search?type=data-assets&favorite=false")
    await page.getByRole("link", { name: "nuclei-unet" }).waitFor()
    await findNoViolations(page)
    await page.getByRole("button", { name: "Add a condition" }).click()
    await page.getByRole("menuitem", { name: "subject id" }).click()
    await page.getByRole("dialog", { name: "Condition: subject id" }).waitFor()
    await findNoViolations(page)
    await page.keyboard.press("Escape")
    await expect.poll(() => page.evaluate("document.activeElement.textContent")).toBe("Add a condition")
    expect(complaints).toEqual([])
  })

  test("an address that leads nowhere says so, with the way back; the bar has the request of a page, its cost and its time, and opens it in GraphiQL; and while Code Ocean is down, what was read stays, with its age, and is read again when it is back", async () => {
    const { url, sandbox } = await startExplorer()
    const { page, operations } = await visit(url, "nowhere/at/all")
    await page.getByRole("heading", heading("There is no such page")).waitFor()
    await expect.poll(() => page.title()).toBe("There is no such page – Code Ocean explorer")
    expect(operations).toEqual([])
    await go(page, "search?q=tag:ecephys")
    await page.getByRole("link", { name: "Spike Sorting", exact: true }).waitFor()
    const bar = page.getByRole("contentinfo")
    await expect.poll(() => bar.innerText()).toMatch(/SearchCapsules\s+2 REST calls · [\d,]+ ms/)
    expect(operations).toEqual(["SearchCapsules"])
    const href = (await bar.getByRole("link", { name: "Open in GraphiQL" }).getAttribute("href")) ?? ""
    expect(new URL(href).searchParams.get("query")).toContain("query SearchCapsules(")
    expect(JSON.parse(new URL(href).searchParams.get("variables") ?? "")).toMatchObject({ query: "tag:ecephys" })
    await go(page, "nowhere/at/all")
    await page.getByRole("link", { name: "Search", exact: true }).click()
    await page.getByRole("link", { name: "Spike Sorting", exact: true }).waitFor()
    await go(page, "nowhere/at/all")
    await page.getByRole("link", { name: "Go to the home page" }).click()
    await page.getByRole("heading", heading("Recent runs")).waitFor()
    await page.getByRole("link", { name: "Mouse 730945, more units" }).waitFor()
    await sandbox.close()
    await page.getByRole("link", { name: "Search", exact: true }).click()
    await page.getByRole("status").getByText("Code Ocean does not answer").first().waitFor()
    await page.getByText("You see what was known").waitFor()
    await page.getByRole("link", { name: "Spike Sorting", exact: true }).waitFor()
    expect(await violationsOf(page)).toEqual([])
    const again = await startSandbox({ port: Number(new URL(sandbox.url).port) })
    onTestFinished(() => again.close())
    // The page reads it again by itself, and so does a visitor who is in a hurry.
    await page.getByRole("button", { name: "Try again" }).click()
    await page.getByText("Code Ocean does not answer").first().waitFor({ state: "detached" })
    await page.getByText("You see what was known").waitFor({ state: "detached" })
  })
})
