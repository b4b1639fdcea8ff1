import type { Locator } from "playwright-core"
import { expect, test } from "vitest"
import { seed } from "../sandbox/seed.ts"
import { go, startExplorer, useExplorer, violationsOf, visit } from "./support/explorer.ts"
import { pushedTime } from "./support/live.ts"
import { step } from "./support/steps.ts"

useExplorer()

/** Waits until an image is decoded. One that is broken has no width. */
async function isDrawn(image: Locator): Promise<void> {
  await expect
    .poll(() => image.evaluate((element) => (element as unknown as { naturalWidth: number }).naturalWidth))
    .toBeGreaterThan(0)
}

test("a run is followed to its end, its results are looked at, captured and shared, and another is renamed, and runs again with other values", async () => {
  const time = pushedTime()
  const { url, sandbox } = await startExplorer({ clock: time })
  /** Lets time pass until this is seen, which it certainly brings about. */
  const passUntil = async (seen: Locator) => {
    while ((await seen.count()) === 0) {
      sandbox.clock.advance(10)
      time.push(10)
    }
    await seen.waitFor()
  }
  const path = `capsules/${seed.sequenceAligner}/runs/${seed.runningAlignment}`
  const { page, complaints, operations } = await visit(url, path)
  const tree = page.getByRole("tree", { name: "Results" })

  await step("a run is followed to its end", async () => {
    const progress = page.getByRole("list", { name: "Progress of the run" })
    await progress.locator("[aria-current=step]").getByText("Running").waitFor()
    expect(operations.filter((name) => name !== "RunLive")).toEqual(["RunPage"])
    expect(await violationsOf(page)).toEqual([])

    await passUntil(page.getByRole("status").getByText("Succeeded"))
    await progress.waitFor({ state: "detached" })
  })

  await step("its results are browsed by keyboard and looked at", async () => {
    await tree.getByRole("treeitem", { name: "figures" }).waitFor()
    await tree.focus()
    await page.keyboard.press("Home")
    await page.keyboard.press("ArrowRight")
    await tree.getByRole("treeitem", { name: "overview.csv" }).waitFor()
    await page.keyboard.press("ArrowRight")
    await page.keyboard.press("Enter")
    await page.getByRole("cell", { name: "48" }).waitFor()
    await expect.poll(() => page.getByRole("columnheader").allInnerTexts()).toEqual(["step", "seconds"])
    await expect.poll(() => new URL(page.url()).searchParams.get("file")).toBe("figures/overview.csv")
    await tree.getByRole("treeitem", { name: "overview.png" }).click()
    await isDrawn(page.getByRole("img", { name: "figures/overview.png" }))
    await tree.getByRole("treeitem", { name: "processing.json" }).click()
    const text = page.getByRole("region", { name: "Text of processing.json" })
    await text.filter({ hasText: '"name": "Lane 7"' }).waitFor()
    expect(await violationsOf(page)).toEqual([])
  })

  await step("they are captured and shared, with the steps shown", async () => {
    await page.getByRole("button", { name: "Capture" }).click()
    const dialog = page.getByRole("dialog", { name: "Capture the results of Lane 7" })
    const shareWith = dialog.locator("input").and(dialog.getByLabel("Share with"))
    await dialog.getByLabel("Name of the data asset").fill("")
    await shareWith.fill("grace")
    await page.keyboard.press("Enter")
    await dialog.getByRole("button", { name: "Capture and share" }).click()
    await dialog.getByText("Needs a name.").waitFor()
    await dialog.getByText("No email address: grace").waitFor()
    expect(operations).not.toContain("Capture")
    expect(await violationsOf(page)).toEqual([])
    await dialog.getByLabel("Name of the data asset").fill("Lane 7, aligned")
    await shareWith.press("Backspace")
    await shareWith.fill("grace@example.org")
    await page.keyboard.press("Enter")
    await dialog.getByRole("button", { name: "Capture and share" }).click()
    await dialog.waitFor({ state: "detached" })
    const steps = page.getByRole("list", { name: "Steps of the capture" }).getByRole("listitem")
    await steps
      .filter({ has: page.getByRole("img", { name: "In progress" }) })
      .getByText("Its files are stored")
      .waitFor()
    await passUntil(page.getByRole("link", { name: "Lane 7, aligned" }))
    await expect.poll(() => steps.getByRole("img", { name: "Done" }).count()).toBe(4)
    const [created] = sandbox.requestsTo("POST /data_assets")
    expect(created?.body).toMatchObject({ name: "Lane 7, aligned", mount: "Lane_7_aligned" })
  })

  await step("an image, a table and what is no text are looked at", async () => {
    await go(page, `capsules/${seed.cellCounter}/runs/${seed.countedCells}`)
    await page.getByRole("heading", { name: "Run 3 - all sections", level: 1 }).waitFor()
    await tree.getByRole("treeitem", { name: "figures" }).click()
    await tree.getByRole("treeitem", { name: "overlay.svg" }).click()
    await isDrawn(page.getByRole("img", { name: "figures/overlay.svg" }))
    await tree.getByRole("treeitem", { name: "volume.dat" }).click()
    await page.getByText("is not UTF-8 text. Download it to see it.").waitFor()
    expect(await page.getByRole("button", { name: "Try again" }).count()).toBe(0)
    await tree.getByRole("treeitem", { name: "counts.csv" }).click()
    await page.getByRole("cell", { name: "790" }).waitFor()
  })

  await step("a run is renamed", async () => {
    await page.getByRole("button", { name: "More about this run" }).click()
    await page.getByRole("menuitem", { name: "Rename" }).click()
    const renaming = page.getByRole("dialog", { name: "Rename this run" })
    await renaming.getByLabel("Name").fill(" ")
    await page.keyboard.press("Enter")
    await renaming.getByText("Needs a name.").waitFor()
    expect(operations).not.toContain("RenameRun")
    await renaming.getByLabel("Name").fill("All sections, counted")
    await page.keyboard.press("Enter")
    await page.getByRole("heading", { name: "All sections, counted", level: 1 }).waitFor()
    await renaming.waitFor({ state: "detached" })
  })

  await step("it runs again with other values", async () => {
    await page.getByRole("link", { name: "Run again" }).click()
    await page.getByText("With the values of All sections, counted.").waitFor()
    const threshold = page.getByLabel("Threshold")
    await expect.poll(() => threshold.inputValue()).not.toBe("0.9")
    await threshold.fill("0.9")
    await page.getByRole("button", { name: "Start the run" }).click()
    await page.getByRole("status").getByText("Threshold 0.9").waitFor()
    const [started] = sandbox.requestsTo("POST /computations")
    const values = { trace: "none", stain: "DAPI", threshold: "0.9" }
    expect(started?.body).toEqual({
      capsule_id: seed.cellCounter,
      named_parameters: Object.entries(values).map(([name, value]) => ({ param_name: name, value })),
    })
  })

  await step("without its capsule in the address, what ran is looked for", async () => {
    await go(page, `runs/${seed.copiedSorting}`)
    await page.getByRole("button", { name: "Look for what ran" }).click()
    await page.getByRole("link", { name: "Copy of Spike Sorting" }).click()
    await page.getByRole("tab", { name: "Data" }).click()
    await page.getByText("Code Ocean lists attached data only in an app panel").waitFor()
    await page.getByRole("link", { name: "/data/recording" }).waitFor()
    expect(complaints).toEqual([])
  })
})
