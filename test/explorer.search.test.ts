import type { CDPSession } from "playwright-core"
import { expect, test } from "vitest"
import { go, startExplorer, useExplorer, visit } from "./support/explorer.ts"
import { step } from "./support/steps.ts"

useExplorer()

const link = (name: string) => ({ name, exact: true })

test("a search is its address, whoever opens it, and says so if nothing is found", async () => {
  const { url } = await startExplorer()
  const { page, operations, complaints } = await visit(url, "search")

  await step("it is narrowed by clicking, and whoever opens its address sees the same", async () => {
    await page.getByRole("link", link("Spike Sorting")).waitFor()
    await page.getByText("Data assets", { exact: true }).click()
    await page.getByRole("link", link("nuclei-unet")).waitFor()
    await page.getByRole("button", { name: "Type" }).click()
    await page.getByRole("menuitemradio", { name: "Dataset" }).click()
    await page.getByRole("link", link("nuclei-unet")).waitFor({ state: "detached" })
    await page.getByRole("button", { name: "Add a condition" }).click()
    await page.getByRole("menuitem", { name: "subject id" }).click()
    await page.getByRole("combobox", { name: "Any of these values" }).fill("730945")
    await page.getByRole("button", { name: "Apply" }).click()
    await page.getByText("subject id is 730945", { exact: true }).waitFor()
    await page.getByRole("link", link("Stained sections")).waitFor({ state: "detached" })
    await page.getByLabel("Order").selectOption("Largest")
    await page.getByRole("searchbox").fill("ecephys")
    await expect.poll(() => new URL(page.url()).searchParams.get("q")).toBe("ecephys")
    const names = (of = page) =>
      expect.poll(() => of.getByRole("list", { name: "Data assets" }).locator("a[title]").allTextContents())
    await names().toEqual(["ecephys_730945_2024-06-13"])

    const other = await page.context().newPage()
    await other.goto(page.url())
    await names(other).toEqual(["ecephys_730945_2024-06-13"])
    await expect.poll(() => other.getByRole("searchbox").inputValue()).toBe("ecephys")
    await other.close()
  })

  await step("each state is one request, and going back returns to the one before", async () => {
    // The text changes the state once the visitor pauses, not with each letter.
    expect(new Set(operations)).toEqual(new Set(["SearchCapsules", "SearchDataAssets"]))
    expect(operations.length).toBeLessThanOrEqual(7)
    await page.goBack()
    await expect.poll(() => page.getByRole("combobox", { name: "Order" }).inputValue()).toBe("")
  })

  await step("one without a result says so, and removes all its conditions at once", async () => {
    await go(page, "search?type=pipelines&q=nothing-is-called-this&favorite=true")
    await page.getByRole("heading", { name: "No pipelines found" }).waitFor()
    await page.getByRole("button", { name: "Remove all conditions" }).click()
    await page.getByRole("link", link("Ecephys Pipeline")).waitFor()
    await expect.poll(() => new URL(page.url()).search).toBe("?type=pipelines")
  })

  await step("a file that none has is said to be missing, and one that could not be looked for is not", async () => {
    await go(page, "read?path=nowhere.json")
    await page.getByRole("heading", { name: "None has this file" }).waitFor()
    await go(page, `read?path=${"x".repeat(4_097)}`)
    await page.getByText("`path` has at most 4096 characters.").waitFor()
    expect(await page.getByRole("heading", { name: "None has this file" }).count()).toBe(0)
  })

  await step("an address with values that do not exist is a search without them", async () => {
    expect(complaints).toEqual([])
    await go(page, "search?type=nothing&owned=x&status=y&sort=z&filters=%7Bbroken&favorite=maybe")
    await page.getByRole("link", link("Spike Sorting")).waitFor()
    expect(complaints).toEqual([])
  })
})

test("5,000 rows are read page by page, of which only those around the visible ones exist, and going back returns to the same row", async () => {
  const { url } = await startExplorer({ sandbox: { generate: 5_000 } })
  const { page } = await visit(url, "search?sort=NAME-ASC")
  const list = page.getByRole("list", { name: "Capsules" })
  await list.getByRole("listitem").first().waitFor()
  // In the page itself: it scrolls to the end, until there are more rows.
  const { counted, most } = await page.evaluate(async () => {
    const counted = () => document.querySelector("main [role=status]")?.textContent ?? ""
    const isCounted = () => /^(The first )?[\d,]+ capsules/.test(counted())
    let most = 0
    while (counted().includes("more below")) {
      const before = counted()
      while (counted() === before || !isCounted()) {
        scrollTo(0, document.documentElement.scrollHeight)
        await new Promise((drawn) => requestAnimationFrame(drawn))
      }
      most = Math.max(most, document.querySelectorAll("ul[aria-label=Capsules] > li").length)
    }
    return { counted: counted(), most }
  })
  expect(Number(/[\d,]+/.exec(counted)?.[0].replace(",", ""))).toBeGreaterThan(5_000)
  expect(most).toBeGreaterThan(0)
  expect(most).toBeLessThan(70)

  // However long the list is, a step of ten rows adds these ten, and lays out the page once or twice.
  const metrics = await page.context().newCDPSession(page)
  await metrics.send("Performance.enable")
  const layouts = async () => {
    const { metrics: found } = await metrics.send("Performance.getMetrics")
    return found.find(({ name }) => name === "LayoutCount")?.value ?? Number.NaN
  }
  const steps = 40
  await page.evaluate("scrollTo(0, 20_000)")
  await list.locator("li[aria-posinset='460']").waitFor()
  const before = await layouts()
  const added = await page.evaluate(async (steps) => {
    const drawn = () => new Promise((shown) => requestAnimationFrame(() => requestAnimationFrame(shown)))
    let added = 0
    const observer = new MutationObserver((records) => {
      for (const { addedNodes } of records) for (const { nodeName } of addedNodes) if (nodeName === "LI") added++
    })
    observer.observe(document.querySelector("ul[aria-label=Capsules]")!, { childList: true })
    for (let step = 0; step < steps; step++) {
      scrollBy(0, 440)
      await drawn()
    }
    observer.disconnect()
    return added
  }, steps)
  expect(added).toBeGreaterThan(9 * steps)
  expect(added).toBeLessThan(11 * steps)
  expect((await layouts()) - before).toBeLessThan(4 * steps)
  await expect.poll(() => list.getByRole("listitem").count()).toBeLessThan(70)

  await page.evaluate("scrollTo(0, 100_000)")
  const positioned = () => list.locator("li[aria-posinset='2285']")
  await positioned().waitFor()
  const name = await positioned().locator("a[title]").innerText()
  await positioned().locator("a[title]").click()
  await list.waitFor({ state: "detached" })
  await page.goBack()
  await positioned().waitFor()
  await expect.poll(() => positioned().locator("a[title]").innerText()).toBe(name)
  await expect.poll(() => page.evaluate("scrollY")).toBe(100_000)
})

/** The bytes of everything on the heap but compiled code, which grows as functions turn out to be used often. */
async function heapOf(profiler: CDPSession): Promise<number> {
  let json = ""
  const onChunk = ({ chunk }: { chunk: string }) => {
    json += chunk
  }
  profiler.on("HeapProfiler.addHeapSnapshotChunk", onChunk)
  await profiler.send("HeapProfiler.collectGarbage")
  await profiler.send("HeapProfiler.takeHeapSnapshot")
  profiler.off("HeapProfiler.addHeapSnapshotChunk", onChunk)
  const { snapshot, nodes } = JSON.parse(json)
  const { node_fields: fields, node_types: types } = snapshot.meta
  const code = ["code", "hidden"].map((type) => types[0].indexOf(type))
  let bytes = 0
  for (let at = 0; at < nodes.length; at += fields.length) if (!code.includes(nodes[at])) bytes += nodes[at + 3]
  return bytes
}

test("with each navigation the heap grows by at most a 2,000th part", async () => {
  const { url } = await startExplorer()
  const { page } = await visit(url)
  const profiler = await page.context().newCDPSession(page)
  // In the page itself, because each step of Playwright compiles code there, which counts as heap.
  const navigate = async (times: number) => {
    await page.evaluate(`(async () => {
      const until = (selector, text) => new Promise((resolve) => {
        const look = () => {
          if (![...document.querySelectorAll(selector)].some((found) => found.textContent.endsWith(text))) return
          observer.disconnect()
          resolve()
        }
        const observer = new MutationObserver(look)
        observer.observe(document.body, { childList: true, subtree: true, characterData: true })
        look()
      })
      // Before the page follows the runs, it may not listen for keys yet, and it is drawn again, for which React keeps a copy of it.
      const rest = () => until("main p", "appear by themselves.")
      await rest()
      for (let count = 0; count < ${times}; count += 2) {
        for (const [key, selector, text] of [["s", "[aria-label=Capsules] a", "Ecephys Quality Report"], ["h", "main h1", "Recent runs"]]) {
          for (const pressed of ["g", key]) document.body.dispatchEvent(new KeyboardEvent("keydown", { key: pressed, bubbles: true }))
          await until(selector, text)
        }
      }
      await rest()
    })()`)
    const heap = await heapOf(profiler)
    const { nodes, jsEventListeners } = await profiler.send("Memory.getDOMCounters")
    return { heap, nodes, jsEventListeners }
  }
  // The bar at the bottom keeps the last 30 requests. The browser would keep the first 250.
  await page.evaluate("performance.setResourceTimingBufferSize(0)")
  const first = await navigate(40)
  let second = await navigate(60)
  const most = {
    heap: first.heap * (1 + 60 / 2_000),
    nodes: first.nodes * (1 + 60 / 2_000),
    // One that stays with each navigation would make 60.
    jsEventListeners: first.jsEventListeners + 30,
  }
  // A tree that was just replaced still has its listeners, about 50. They leave with the next navigations, and what stays does not.
  const isMore = () => Object.entries(most).some(([what, bound]) => second[what as keyof typeof most] >= bound)
  for (let attempt = 0; attempt < 5 && isMore(); attempt++) second = await navigate(2)
  expect(second.heap).toBeLessThan(most.heap)
  expect(second.nodes).toBeLessThan(most.nodes)
  expect(second.jsEventListeners).toBeLessThan(most.jsEventListeners)
})
