import type { Locator, Page } from "playwright-core"
import { describe, expect, onTestFinished, test } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { startSandbox } from "../sandbox/server.ts"
import { type ExplorerWorld, go, startExplorer, useExplorer, visit } from "./support/explorer.ts"
import { follow, pushedTime, untilLive } from "./support/live.ts"
import { startPathProxy } from "./support/proxy.ts"

useExplorer()

interface Place {
  path: string
  /** What only the answer to the page's request has. */
  content(page: Page): Locator
  /** Types something that is not yet sent. */
  type?(page: Page): Promise<void>
  /** The field that it is in. */
  field?(page: Page): Locator
}

const sample: Pick<Place, "type" | "field"> = {
  type: (page) => page.getByLabel("Sample").fill("AB1234"),
  field: (page) => page.getByLabel("Sample"),
}

/** In an order in which no page shows what an earlier one has read of the same objects. */
const places: Record<string, Place> = {
  home: { path: "", content: (page) => page.getByRole("link", { name: "Mouse 730945, more units" }) },
  search: { path: "search", content: (page) => page.getByRole("link", { name: "Spike Sorting", exact: true }) },
  "data asset": {
    path: `data-assets/${seed.sortedSpikes}`,
    content: (page) => page.getByRole("region", { name: "Lineage" }).getByRole("link", { name: "Mouse 730945" }),
    async type(page) {
      await page.getByRole("button", { name: "Edit" }).click()
      await page.getByRole("dialog").getByLabel("Name").fill("typed")
    },
    field: (page) => page.getByRole("dialog").getByLabel("Name"),
  },
  bulk: {
    path: "bulk?q=tag:ecephys",
    content: (page) => page.getByRole("checkbox", { name: "nightly_730945" }),
    async type(page) {
      await page.getByRole("combobox", { name: "Add tags" }).fill("typed")
    },
    field: (page) => page.getByRole("combobox", { name: "Add tags" }),
  },
  run: {
    path: `capsules/${seed.cellCounter}/runs/${seed.countedCells}`,
    content: (page) => page.getByRole("treeitem", { name: "counts.csv" }),
    async type(page) {
      await page.getByRole("button", { name: "Capture" }).click()
      await page.getByLabel("Name of the data asset").fill("typed")
    },
    field: (page) => page.getByLabel("Name of the data asset"),
  },
  capsule: { path: `capsules/${seed.cellCounter}?tab=run`, content: (page) => page.getByLabel("Sample"), ...sample },
  pipeline: {
    path: `pipelines/${seed.ecephysPipeline}`,
    content: (page) => page.getByRole("link", { name: "Nightly, before the fix" }),
  },
  mine: { path: "mine", content: (page) => page.getByRole("list", { name: "My data assets" }) },
  "read a file": {
    path: "read?q=tag:ecephys&path=processing.json",
    content: (page) => page.getByRole("table", { name: "Contents" }),
  },
}

/** Whether the bar at the bottom has no room for the name of the request. */
const nameIsCut = `(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth)(document.querySelector("footer .truncate"))`

/** Every call fails at once, instead of after retries. */
const withoutRetries = { upstreamRetryPercent: 0, upstreamBreakerCalls: 0 }

/** Ends Code Ocean. Resolves with a function that starts it again. */
async function endCodeOcean({ sandbox }: Pick<ExplorerWorld, "sandbox">) {
  await sandbox.close()
  return async () => {
    const again = await startSandbox({ port: Number(new URL(sandbox.url).port) })
    onTestFinished(() => again.close())
    return again
  }
}

const problem = (page: Page, title: string) => page.getByRole("status").filter({ hasText: title })

/** Signs in over the page. */
async function signInAgain(page: Page) {
  const dialog = page.getByRole("dialog", { name: "Your session has ended" })
  await dialog.getByLabel("Access token").fill(tokens.ada)
  await page.keyboard.press("Enter")
  await dialog.waitFor({ state: "detached" })
}

test("on every page, an outage and the end of the session leave what is there, with its age, and what was typed", async () => {
  const world = await startExplorer({ config: withoutRetries })
  const { page } = await visit(world.url, "nowhere")
  await page.clock.install()
  let { sandbox } = world
  for (const { path, content, type, field } of Object.values(places)) {
    await go(page, path)
    await content(page).waitFor()
    const start = await endCodeOcean({ sandbox })
    await go(page, "nowhere")
    await go(page, path)
    await problem(page, "Code Ocean does not answer").getByText("You see what was known").waitFor()
    await content(page).waitFor()
    await type?.(page)
    // It recovers by itself.
    sandbox = await start()
    await page.clock.fastForward(3_000)
    await problem(page, "Code Ocean does not answer").waitFor({ state: "detached" })
    if (field) await expect.poll(() => field(page).inputValue()).toMatch(/typed|AB1234/)

    await page.context().clearCookies()
    await go(page, "nowhere")
    await go(page, path)
    await page.getByRole("dialog", { name: "Your session has ended" }).waitFor()
    await content(page).waitFor()
    await signInAgain(page)
    await content(page).waitFor()
  }
})

describe("too many requests", () => {
  test("for Code Ocean: the page says when it reads again, does so then and not before, and a change says when to try again; one whose session has ended was not made, and loses nothing", async () => {
    const { url, sandbox } = await startExplorer({ config: withoutRetries })
    const { page } = await visit(url, "nowhere")
    await page.clock.install()
    const tooMany = { status: 429, headers: { "retry-after": "20" }, body: { message: "slow down" } }
    sandbox.failNext("POST /capsules/search", tooMany)
    await go(page, "search")
    await problem(page, "Too many requests")
      .getByText(/The page reads it again in (20|19) s\./)
      .waitFor()
    const sent = sandbox.requestsTo("POST /capsules/search").length
    await page.clock.fastForward(10_000)
    await problem(page, "Too many requests")
      .getByText(/again in (10|9|8) s\./)
      .waitFor()
    expect(sandbox.requestsTo("POST /capsules/search")).toHaveLength(sent)
    await page.clock.fastForward(10_000)
    await places.search!.content(page).waitFor()
    expect(sandbox.requestsTo("POST /capsules/search")).toHaveLength(sent + 1)

    await go(page, places.capsule!.path)
    await page.getByLabel("Sample").fill("AB1234")
    const start = page.getByRole("button", { name: "Start the run" })
    const starts = () => sandbox.requestsTo("POST /computations").length
    sandbox.failNext("POST /computations", tooMany)
    await start.click()
    await page.getByRole("alert").getByText("This was not done").waitFor()
    await page.getByRole("alert").getByText("Try again in 20 s.").waitFor()
    expect(starts()).toBe(1)
    await page.context().clearCookies()
    await start.click()
    await page.getByRole("dialog", { name: "Your session has ended" }).waitFor()
    expect(starts()).toBe(1)
    await signInAgain(page)
    await expect.poll(() => page.getByLabel("Sample").inputValue()).toBe("AB1234")
    await start.click()
    await page.getByRole("status").getByText("Run 6 has started").waitFor()
    expect(starts()).toBe(2)
  })

  test("for the gateway: the page says so, and has its data as soon as it may, also if it is opened meanwhile", async () => {
    const { url, sandbox, gateway } = await startExplorer({ config: { callerConcurrentRequests: 1 } })
    const { page } = await visit(url, "nowhere")
    // The page's question for the session is a request of the same caller.
    await page.getByRole("heading", { name: "There is no such page" }).waitFor()
    await untilLive(gateway, { requests: 0 })
    await page.clock.install()
    /** Sends a query that lasts until the function that this resolves with is called. */
    const ask = async (query: string) => {
      const hold = sandbox.hold()
      const headers = { authorization: `Bearer ${tokens.ada}` }
      const asked = page.context().request.post(`${url}/graphql`, { headers, data: { query } })
      await hold.waitFor(1)
      return async () => {
        hold.end()
        await asked
        await untilLive(gateway, { requests: 0 })
      }
    }
    const end = await ask("{ searchPipelines { nodes { id } } }")
    await go(page, "search")
    await problem(page, "Too many requests").getByText("1 requests in flight, the limit for one caller").waitFor()
    await end()
    await page.clock.fastForward(1_000)
    await places.search!.content(page).waitFor()
    await problem(page, "Too many requests").waitFor({ state: "detached" })

    await untilLive(gateway, { requests: 0 })
    const endOther = await ask("{ searchDataAssets { nodes { id } } }")
    await page.reload()
    await page.getByText("The gateway answers with HTTP 429").waitFor()
    await endOther()
    await page.clock.fastForward(3_000)
    await places.search!.content(page).waitFor()
  })
})

describe("a slow network", () => {
  test.each([1280, 390])(
    "at a width of %d, every page has its place before its data, which moves nothing and is asked for once",
    async (width) => {
      const { url, sandbox, gateway } = await startExplorer()
      const { page, operations } = await visit(url, "nowhere", { viewport: { width, height: 800 } })
      await page.evaluate(`
      window.moved = []
      window.drawn = () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(resolve))))
      new PerformanceObserver((list) => moved.push(...list.getEntries())).observe({ type: "layout-shift" })`)
      const queries = () => operations.filter((name) => !name.endsWith("Live"))
      for (const [name, { path, content }] of Object.entries(places)) {
        const hold = sandbox.hold()
        operations.length = 0
        await go(page, path)
        await hold.waitFor(1)
        await page.locator("main").locator("[class*=skeleton i]").first().waitFor()
        await page.evaluate("drawn().then(() => moved.splice(0))")
        hold.end()
        await content(page).waitFor()
        await page.evaluate("drawn()")
        const moved = (await page.evaluate("moved.map(({ value }) => value)")) as number[]
        // Up to 0.1 counts as good.
        expect(
          moved.reduce((sum, value) => sum + value, 0),
          name,
        ).toBeLessThan(0.1)
        expect(queries(), name).toHaveLength(1)
        await expect.poll(() => page.evaluate(nameIsCut), { message: name }).toBe(false)
      }
      // Nor is it asked for twice if other pages have read a part of it before, whatever the width.
      if (width !== 1280) return
      for (const [name, { path, content }] of Object.entries(places).toReversed()) {
        operations.length = 0
        await go(page, "nowhere")
        await go(page, path)
        await expect.poll(queries, { message: name }).not.toEqual([])
        await content(page).waitFor()
        await untilLive(gateway, { requests: 0 })
        await page.evaluate("drawn()")
        expect(queries(), name).toHaveLength(1)
      }
    },
  )

  test("a request that never ends has a limit and a message, leaving the page ends it, and the code of a page that can't be loaded is loaded when the gateway can be reached again", async () => {
    const { url, sandbox, gateway } = await startExplorer()
    const { page } = await visit(url, "nowhere")
    await page.clock.install()
    let hanging = 0
    await page.route("**/graphql", () => void hanging++)
    await go(page, "search")
    await expect.poll(() => hanging).toBe(1)
    await page.clock.fastForward(45_000)
    await problem(page, "No connection to the gateway").getByText("nothing for 45 seconds").waitFor()
    await page.unroute("**/graphql")
    await page.getByRole("button", { name: "Try again" }).click()
    await places.search!.content(page).waitFor()

    const hold = sandbox.hold()
    await go(page, places.run!.path)
    await hold.waitFor(1)
    expect(gateway.stats.requests).toBe(1)
    await go(page, "nowhere")
    await untilLive(gateway, { requests: 0 })
    hold.end()

    await page.context().setOffline(true)
    await page.getByRole("link", { name: "Bulk", exact: true }).click()
    await page.getByRole("heading", { name: "No connection to the gateway" }).waitFor()
    await page.context().setOffline(false)
    await page.clock.fastForward(3_000)
    await page.getByRole("heading", { name: "Change many data assets" }).waitFor()
  })
})

describe("changes that appear by themselves", () => {
  test("beyond the limit of subscriptions the page says so, and follows as soon as there is room", async () => {
    const world = await startExplorer({ config: { callerSubscriptions: 1 } })
    const other = await follow(world.url, "subscription { recentComputations { isFirst } }")
    const { page } = await visit(world.url, "nowhere")
    await page.clock.install()
    await go(page, "")
    await places.home!.content(page).waitFor()
    const live = page.getByText("New runs and changes appear by themselves.")
    await expect
      .poll(async () => {
        await page.clock.fastForward(1_000)
        return await problem(page, "Changes do not appear at present").count()
      })
      .toBe(1)
    await problem(page, "Changes do not appear").getByText("1 open subscriptions").waitFor()
    expect(await live.count()).toBe(0)
    other.leave()
    await untilLive(world.gateway, { subscriptions: 0 })
    await page.clock.fastForward(30_000)
    await live.waitFor()
    await problem(page, "Changes do not appear").waitFor({ state: "detached" })
  })

  test("a stream that has ended for good says why, and can be begun again", async () => {
    const time = pushedTime()
    const { url, sandbox } = await startExplorer({ clock: time })
    const { page } = await visit(url, "nowhere")
    let isForbidden = true
    await page.route("**/graphql", async (route) => {
      if (isForbidden && route.request().postData()?.includes('"operationName":"RunsLive"')) {
        sandbox.failNext(`GET /capsules/${seed.cellCounter}/computations`, { status: 403, body: { message: "no" } })
      }
      await route.continue()
    })
    await go(page, places.capsule!.path)
    const notice = problem(page, "Changes no longer appear by themselves")
    await notice.getByText("Your token may not see this.").waitFor()
    isForbidden = false
    // The gateway answers for a while with what it has read last.
    time.push(60)
    await page.getByRole("button", { name: "Follow again" }).click()
    await notice.waitFor({ state: "detached" })
  })
})

test("behind a proxy that serves the gateway below a path, every link stays below it", async () => {
  const world = await startExplorer()
  const url = await startPathProxy(world.url, "/gateway")
  const { page, requested } = await visit(url, "search/")
  await places.search!.content(page).waitFor()
  await page.getByRole("link", { name: "Home", exact: true }).click()
  await places.home!.content(page).waitFor()
  const links = await page.locator("a").evaluateAll((found) => found.map((link) => (link as HTMLAnchorElement).href))
  const own = links.filter((link) => link.startsWith(new URL(url).origin))
  expect(own.length).toBeGreaterThan(10)
  expect([...own, ...requested].filter((link) => !link.startsWith(`${url}/`) && !link.startsWith("data:"))).toEqual([])
  const graphiql = (await page.getByRole("link", { name: "Open in GraphiQL" }).getAttribute("href")) ?? ""
  const html = await (await fetch(graphiql, { headers: { accept: "text/html" } })).text()
  expect(html).toContain("<title>GraphiQL")
  const assets = [...html.matchAll(/(?:src|href)="([^":]+)"/g)].map(([, path]) => new URL(path!, graphiql).href)
  const statuses = await Promise.all(assets.map(async (asset) => (await fetch(asset)).status))
  expect(statuses).toEqual([200, 200, 200, 200, 200])
  expect(assets.filter((asset) => !asset.startsWith(`${url}/`))).toEqual([])
})
