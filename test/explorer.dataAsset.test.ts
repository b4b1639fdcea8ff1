import type { Page } from "playwright-core"
import { expect, test } from "vitest"
import { lineageGraph } from "../sandbox/lineage.ts"
import { seed, tokens } from "../sandbox/seed.ts"
import { go, startExplorer, useExplorer, violationsOf, visit } from "./support/explorer.ts"
import { pushedTime } from "./support/live.ts"
import { restAt } from "./support/rest.ts"

useExplorer()

const pageOf = (id: string) => `data-assets/${id}`

test("what a data asset was made from is linked, what may not be seen is marked, and an edit is previewed and survives a reload", async () => {
  const { url, sandbox } = await startExplorer()
  const { page, complaints, operations } = await visit(url, pageOf(seed.sortedSpikes))
  const lineage = page.getByRole("region", { name: "Lineage" })
  await lineage.getByRole("link", { name: "Mouse 730945" }).waitFor()
  expect(operations).toEqual(["DataAssetPage"])
  expect(await violationsOf(page)).toEqual([])
  await lineage.getByRole("link", { name: "probe-geometry" }).click()
  await page.getByRole("heading", { name: "probe-geometry", level: 1 }).waitFor()
  await lineage.getByRole("link", { name: "ecephys_730945_sorted" }).click()
  await page.getByRole("heading", { name: "ecephys_730945_sorted", level: 1 }).waitFor()

  // What was typed survives a reload.
  await page.getByRole("button", { name: "Edit" }).click()
  await page.getByLabel("Name").fill("Sorted spikes")
  await page.getByLabel("data level").first().waitFor()
  await page.reload()
  await page.getByRole("button", { name: "Edit" }).click()
  await expect.poll(() => page.getByLabel("Name").inputValue()).toBe("Sorted spikes")
  await page.getByRole("button", { name: "Preview" }).click()
  const row = page.getByRole("row", { name: "Name ecephys_730945_sorted Sorted spikes" })
  await row.waitFor()
  await expect.poll(() => page.getByRole("row").count()).toBe(2)
  expect(await violationsOf(page)).toEqual([])
  await page.getByRole("button", { name: "Save" }).click()
  await page.getByRole("heading", { name: "Sorted spikes", level: 1 }).waitFor()
  const written = sandbox.requestsTo(`PUT /data_assets/${seed.sortedSpikes}`)
  expect(written).toHaveLength(1)
  expect(written[0]?.body).toMatchObject({ name: "Sorted spikes", tags: ["ecephys", "derived", "730945"] })
  expect(complaints).toEqual([])

  const { page: restricted } = await visit(url, pageOf(seed.sortedSpikes), { token: tokens.noCapsules })
  const nodes = restricted.getByRole("region", { name: "Lineage" }).getByRole("listitem")
  // The run and the capsule that ran.
  await expect.poll(() => nodes.getByText("Not visible to you").count()).toBe(2)
  await nodes.getByRole("link", { name: "probe-geometry" }).waitFor()
  // Whoever uses it is named in its place; the rest is complete.
  await restricted.getByText("Your token may not see this. It lacks the scope “Capsule read”.").waitFor()
  await restricted.getByText("Units of mouse 730945.").waitFor()
  expect(await restricted.getByRole("status").filter({ hasText: "not visible" }).count()).toBe(0)
  await restricted.getByRole("tab", { name: "Files" }).click()
  await restricted.getByText("processing.json").waitFor()
})

test("a long lineage is cut off, who uses a data asset is listed with all its runs, and sharing says what is not in effect", async () => {
  const { url, sandbox } = await startExplorer({ sandbox: { lineage: 200 } })
  for (let count = 0; count < 3; count++)
    await restAt(sandbox.url, tokens.ada)("POST /computations", { body: { capsule_id: seed.spikeSorting } })
  const options = { colorScheme: "dark", viewport: { width: 390, height: 800 } } as const
  const { page, complaints } = await visit(url, pageOf(lineageGraph(200)[13]!.id), options)
  // A column of many is cut off, and its button shows the rest and moves the focus to the first of them.
  const lineage = page.getByRole("region", { name: "Lineage" })
  const more = lineage.getByRole("button", { name: /^Show \d+ more$/ })
  await more.first().waitFor()
  const hidden = Number((await more.first().innerText()).replace(/\D/g, ""))
  const before = await lineage.getByRole("listitem").count()
  await more.first().focus()
  await page.keyboard.press("Enter")
  // The button has gone.
  await expect.poll(() => lineage.getByRole("listitem").count()).toBe(before + hidden - 1)
  await expect.poll(() => page.evaluate("document.activeElement.tagName")).toBe("A")
  await lineage.locator("[aria-current=true]").getByText("lineage-13", { exact: true }).waitFor()
  expect(await violationsOf(page)).toEqual([])
  await expect.poll(() => page.evaluate("document.documentElement.scrollWidth <= innerWidth")).toBe(true)
  expect(complaints).toEqual([])

  await page.emulateMedia({ colorScheme: "light" })
  await page.setViewportSize({ width: 1280, height: 800 })
  await go(page, pageOf(seed.mouseRecording))
  const users = page.locator("section").filter({ has: page.getByRole("heading", { name: "Used by" }) })
  await users.getByRole("link", { name: "Spike Sorting", exact: true }).waitFor()
  await users.getByRole("link", { name: "Mouse 730946", exact: true }).waitFor()
  expect(await users.getByRole("link", { name: "Mouse 730945", exact: true }).count()).toBe(0)
  await users.getByRole("button", { name: "Older runs of Spike Sorting" }).click()
  await users.getByRole("link", { name: "Mouse 730945", exact: true }).waitFor()
  await users.getByRole("button", { name: /^Older runs/ }).waitFor({ state: "detached" })
  await page.getByRole("tab", { name: "Files" }).click()
  await page.getByText("Code Ocean does not list the files of an external data asset.").waitFor()
  await page.locator("code").getByText("s3://example-open-data/ecephys_730945_2024-06-13", { exact: true }).waitFor()
  expect(await page.getByText("This request was refused").count()).toBe(0)

  // Sharing shows who has access then.
  await go(page, pageOf(seed.probeGeometry))
  await page.getByRole("heading", { name: "probe-geometry", level: 1 }).waitFor()
  await openMenu(page, "Share")
  await page.getByLabel("Email address").fill("grace@example.org")
  await page.keyboard.press("Enter")
  await page.getByRole("list", { name: "People and groups" }).getByText("grace@example.org").waitFor()
  await page.getByLabel("Share with").selectOption("A group")
  await page.getByLabel("Name of the group").fill("no such group")
  await page.getByRole("button", { name: "Share" }).click()
  await page.getByRole("alert").getByText("no such group was not added").waitFor()
  expect(await violationsOf(page)).toEqual([])
})

test("a data asset is followed until it is ready, and its files are then browsed by keyboard, with previews", async () => {
  const time = pushedTime()
  const { url, sandbox } = await startExplorer({ clock: time })
  const created = await restAt(sandbox.url, tokens.ada)("POST /data_assets", {
    body: { name: "Counted", mount: "counted", tags: [], source: { computation: { id: seed.countedCells } } },
  })
  const { page, complaints, operations, requested } = await visit(url, `${pageOf(created.json.id)}?tab=files`)
  await page.getByText("They are listed when the data asset is ready.").waitFor()
  await page.getByText("Result, being created").waitFor()
  expect(operations.filter((name) => name !== "DataAssetLive")).toEqual(["DataAssetPage"])
  const tree = page.getByRole("tree", { name: "Files" })
  while ((await tree.count()) === 0) {
    sandbox.clock.advance(10)
    time.push(10)
  }
  await tree.getByRole("treeitem", { name: "figures" }).waitFor()
  expect(operations.filter((name) => name !== "DataAssetLive")).toEqual(["DataAssetPage", "DataAssetPage"])
  operations.length = 0
  await tree.focus()
  await page.keyboard.press("Home")
  await page.keyboard.press("ArrowRight")
  await tree.getByRole("treeitem", { name: "overlay.svg" }).waitFor()
  await page.keyboard.press("ArrowDown")
  await page.keyboard.press("ArrowDown")
  await page.keyboard.press("Enter")
  const image = page.getByRole("img", { name: "figures/overlay.svg" })
  await image.waitFor()
  await image.evaluate("(image) => image.decode()")
  expect(requested.filter((address) => address.includes("/files/"))).toEqual([
    `${url}/files/data_assets/${created.json.id}?path=figures%2Foverlay.svg`,
  ])
  await tree.getByRole("treeitem", { name: "counts.csv" }).click()
  await page.getByRole("cell", { name: "812" }).waitFor()
  await tree.getByRole("treeitem", { name: "processing.json" }).click()
  const text = page.getByRole("region", { name: "Text of processing.json" })
  await text.filter({ hasText: '"threshold": 0.4' }).waitFor()
  expect(await violationsOf(page)).toEqual([])
  expect(operations).toEqual(["OpenFolder", "FileText", "FileText"])

  // The address names the file. Its folders are open.
  await page.goto(`${url}/explorer/${pageOf(created.json.id)}?tab=files&file=figures/raw/section 1.csv`)
  await tree.getByRole("treeitem", { name: "section 1.csv", selected: true }).waitFor()
  await page.getByRole("columnheader", { name: "y" }).waitFor()
  // The same file of other data assets.
  await tree.getByRole("treeitem", { name: "processing.json" }).click()
  await page.getByRole("link", { name: "Compare" }).click()
  const row = page.getByRole("table", { name: "Contents" }).getByRole("row").filter({ hasText: "Counted" })
  await row.getByRole("cell", { name: "Cell Counter" }).waitFor()
  expect(complaints).toEqual([])
})

test("a data asset is archived and deleted after a question, and who may not is told why", async () => {
  const { url, sandbox } = await startExplorer()
  const path = pageOf(seed.cellImages)
  const grace = await visit(url, path, { token: tokens.grace })
  const dialog = (page: Page) => page.getByRole("dialog")
  await openMenu(grace.page, "Delete")
  await dialog(grace.page).getByText("Stained sections and its files").waitFor()
  await dialog(grace.page).getByText("It is attached to Cell Counter").waitFor()
  await dialog(grace.page).getByRole("button", { name: "Delete" }).click()
  await dialog(grace.page)
    .getByRole("alert")
    .getByText("Only the owner or an admin may delete this data asset.")
    .waitFor()
  expect(await violationsOf(grace.page)).toEqual([])

  const { page, complaints } = await visit(url, path, { viewport: { width: 390, height: 800 } })
  await openMenu(page, "Archive")
  await dialog(page).getByRole("button", { name: "Archive" }).click()
  await page.getByText("Archived", { exact: true }).waitFor()
  await dialog(page).waitFor({ state: "detached" })
  await page.reload()
  await page.getByText("Archived", { exact: true }).waitFor()
  await openMenu(page, "Take out of the archive")
  await dialog(page).getByRole("button", { name: "Take out" }).click()
  await page.getByText("Archived", { exact: true }).waitFor({ state: "detached" })
  await dialog(page).waitFor({ state: "detached" })
  await openMenu(page, "Delete")
  await dialog(page).getByRole("button", { name: "Delete" }).click()
  await page.getByRole("heading", { name: "Search", level: 1 }).waitFor()
  expect(sandbox.requestsTo("DELETE /data_assets/*")).toHaveLength(2)
  await go(page, path)
  await page.getByRole("heading", { name: "There is no such data asset" }).waitFor()
  expect(complaints).toEqual([])
})

/** Opens the menu of the page, and chooses from it. */
async function openMenu(page: Page, item: string): Promise<void> {
  await page.getByRole("button", { name: "More about this data asset" }).click()
  await page.getByRole("menuitem", { name: item }).click()
}
