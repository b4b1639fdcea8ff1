import { expect, test } from "vitest"
import { lineageGraph } from "../sandbox/lineage.ts"
import { seed, tokens } from "../sandbox/seed.ts"
import { go, startExplorer, useExplorer, violationsOf, visit } from "./support/explorer.ts"
import { pushedTime } from "./support/live.ts"
import { restAt } from "./support/rest.ts"
import { signInAs, step } from "./support/steps.ts"

useExplorer()

const pageOf = (id: string) => `data-assets/${id}`

test("a data asset shows what it was made from, who uses it and its files, and is edited, shared, archived and deleted", async () => {
  const time = pushedTime()
  const { url, sandbox } = await startExplorer({ clock: time, sandbox: { lineage: 200 } })
  const { page, complaints, operations, requested } = await visit(url, pageOf(seed.sortedSpikes))
  const lineage = page.getByRole("region", { name: "Lineage" })
  const title = (name: string) => page.getByRole("heading", { name, level: 1 }).waitFor()
  const dialog = page.getByRole("dialog")
  const isArchived = page.getByText("Archived", { exact: true })
  /** Opens the menu of the page, and chooses from it. */
  const choose = async (item: string) => {
    await page.getByRole("button", { name: "More about this data asset" }).click()
    await page.getByRole("menuitem", { name: item }).click()
  }

  await step("what it was made from is linked, and linked back", async () => {
    await lineage.getByRole("link", { name: "Mouse 730945" }).waitFor()
    expect(operations).toEqual(["DataAssetPage"])
    expect(await violationsOf(page)).toEqual([])
    await lineage.getByRole("link", { name: "probe-geometry" }).click()
    await title("probe-geometry")
    await lineage.getByRole("link", { name: "ecephys_730945_sorted" }).click()
    await title("ecephys_730945_sorted")
  })

  await step("an edit survives a reload, and is previewed", async () => {
    await page.getByRole("button", { name: "Edit" }).click()
    await page.getByLabel("Name").fill("Sorted spikes")
    await page.getByLabel("data level").first().waitFor()
    await page.reload()
    await page.getByRole("button", { name: "Edit" }).click()
    await expect.poll(() => page.getByLabel("Name").inputValue()).toBe("Sorted spikes")
    await page.getByRole("button", { name: "Preview" }).click()
    await page.getByRole("row", { name: "Name ecephys_730945_sorted Sorted spikes" }).waitFor()
    await expect.poll(() => page.getByRole("row").count()).toBe(2)
    expect(await violationsOf(page)).toEqual([])
    await page.getByRole("button", { name: "Save" }).click()
    await title("Sorted spikes")
    const written = sandbox.requestsTo(`PUT /data_assets/${seed.sortedSpikes}`)
    expect(written).toHaveLength(1)
    expect(written[0]?.body).toMatchObject({ name: "Sorted spikes", tags: ["ecephys", "derived", "730945"] })
  })

  await step("who uses it is listed with all its runs, and who keeps its files", async () => {
    for (let count = 0; count < 3; count++)
      await restAt(sandbox.url, tokens.ada)("POST /computations", { body: { capsule_id: seed.spikeSorting } })
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
  })

  await step("sharing shows who has access then, and what is not in effect", async () => {
    await go(page, pageOf(seed.probeGeometry))
    await title("probe-geometry")
    await choose("Share")
    await page.getByLabel("Email address").fill("grace@example.org")
    await page.keyboard.press("Enter")
    await page.getByRole("list", { name: "People and groups" }).getByText("grace@example.org").waitFor()
    await page.getByLabel("Share with").selectOption("A group")
    await page.getByLabel("Name of the group").fill("no such group")
    await page.getByRole("button", { name: "Share" }).click()
    await page.getByRole("alert").getByText("no such group was not added").waitFor()
    expect(await violationsOf(page)).toEqual([])
  })

  await step("one that is being created is followed until it is ready", async () => {
    const created = await restAt(sandbox.url, tokens.ada)("POST /data_assets", {
      body: { name: "Counted", mount: "counted", tags: [], source: { computation: { id: seed.countedCells } } },
    })
    const path = `${pageOf(created.json.id)}?tab=files`
    operations.length = 0
    await go(page, path)
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

    await step("its files are browsed by keyboard, with previews", async () => {
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
    })

    await step("an address names a file, whose folders are open", async () => {
      await go(page, "nowhere")
      await go(page, `${path}&file=figures/raw/section 1.csv`)
      await tree.getByRole("treeitem", { name: "section 1.csv", selected: true }).waitFor()
      await page.getByRole("columnheader", { name: "y" }).waitFor()
    })

    await step("a file is compared with that of other data assets", async () => {
      await tree.getByRole("treeitem", { name: "processing.json" }).click()
      await page.getByRole("link", { name: "Compare" }).click()
      const row = page.getByRole("table", { name: "Contents" }).getByRole("row").filter({ hasText: "Counted" })
      await row.getByRole("cell", { name: "Cell Counter" }).waitFor()
    })
  })

  await step(
    "a long lineage is cut off, also in a narrow and dark window, and the rest is shown with the focus on it",
    async () => {
      await page.emulateMedia({ colorScheme: "dark" })
      await page.setViewportSize({ width: 390, height: 800 })
      await go(page, pageOf(lineageGraph(200)[13]!.id))
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
    },
  )

  await step("it is archived after a question", async () => {
    await go(page, pageOf(seed.cellImages))
    await title("Stained sections")
    await choose("Archive")
    await dialog.getByRole("button", { name: "Archive" }).click()
    await isArchived.waitFor()
    await dialog.waitFor({ state: "detached" })
  })

  await step("who may not delete it is told why, and that it is archived", async () => {
    await page.emulateMedia({ colorScheme: "light" })
    await page.setViewportSize({ width: 1280, height: 800 })
    await signInAs(page, tokens.grace)
    await isArchived.waitFor()
    await choose("Delete")
    await dialog.getByText("Stained sections and its files").waitFor()
    await dialog.getByText("It is attached to Cell Counter").waitFor()
    await dialog.getByRole("button", { name: "Delete" }).click()
    await dialog.getByRole("alert").getByText("Only the owner or an admin may delete this data asset.").waitFor()
    expect(await violationsOf(page)).toEqual([])
    await dialog.getByRole("button", { name: "Cancel" }).click()
    await dialog.waitFor({ state: "detached" })
  })

  await step("its owner takes it out of the archive, and deletes it", async () => {
    await signInAs(page, tokens.ada)
    await choose("Take out of the archive")
    await dialog.getByRole("button", { name: "Take out" }).click()
    await isArchived.waitFor({ state: "detached" })
    await dialog.waitFor({ state: "detached" })
    await choose("Delete")
    await dialog.getByRole("button", { name: "Delete" }).click()
    await title("Search")
    expect(sandbox.requestsTo("DELETE /data_assets/*")).toHaveLength(2)
    await go(page, pageOf(seed.cellImages))
    await page.getByRole("heading", { name: "There is no such data asset" }).waitFor()
  })

  await step(
    "without the right to read capsules, what may not be seen is marked, and the rest is complete",
    async () => {
      await signInAs(page, tokens.noCapsules)
      await go(page, pageOf(seed.sortedSpikes))
      // The run and the capsule that ran.
      await expect.poll(() => lineage.getByRole("listitem").getByText("Not visible to you").count()).toBe(2)
      await lineage.getByRole("listitem").getByRole("link", { name: "probe-geometry" }).waitFor()
      // Whoever uses it is named in its place.
      await page.getByText("Your token may not see this. It lacks the scope “Capsule read”.").waitFor()
      await page.getByText("Units of mouse 730945.").waitFor()
      expect(await page.getByRole("status").filter({ hasText: "not visible" }).count()).toBe(0)
      await page.getByRole("tab", { name: "Files" }).click()
      await page.getByText("processing.json").waitFor()
      expect(complaints).toEqual([])
    },
  )
})
