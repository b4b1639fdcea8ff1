import { expect, test } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { startExplorer, useExplorer, violationsOf, visit } from "./support/explorer.ts"

useExplorer()

const pageOf = (id: string) => `data-assets/${id}`

test("a data asset is edited after a preview of what changes, and what was typed survives a reload", async () => {
  const { url, sandbox } = await startExplorer()
  const { page, complaints } = await visit(url, pageOf(seed.sortedSpikes))
  await page.getByRole("heading", { name: "ecephys_730945_sorted", level: 1 }).waitFor()
  await page.getByRole("button", { name: "Edit" }).click()
  await page.getByLabel("Name").fill("Sorted spikes")
  await page.getByLabel("data level").first().waitFor()
  await page.reload()
  await page.getByRole("button", { name: "Edit" }).click()
  expect(await page.getByLabel("Name").inputValue()).toBe("Sorted spikes")
  await page.getByRole("button", { name: "Preview" }).click()
  const row = page.getByRole("row", { name: "Name ecephys_730945_sorted Sorted spikes" })
  await row.waitFor()
  expect(await page.getByRole("row").count()).toBe(2)
  expect(await violationsOf(page)).toEqual([])
  await page.getByRole("button", { name: "Save" }).click()
  await page.getByRole("heading", { name: "Sorted spikes", level: 1 }).waitFor()
  const written = sandbox.requestsTo(`PUT /data_assets/${seed.sortedSpikes}`)
  expect(written).toHaveLength(1)
  expect(written[0]?.body).toMatchObject({ name: "Sorted spikes", tags: ["ecephys", "derived", "730945"] })
  expect(complaints).toEqual([])
})

test("what a data asset was made from and what was made from it are links, and what may not be seen is marked", async () => {
  const { url } = await startExplorer()
  const { page, operations } = await visit(url, pageOf(seed.sortedSpikes))
  const lineage = page.getByRole("region", { name: "Lineage" })
  await lineage.getByRole("link", { name: "Mouse 730945" }).waitFor()
  expect(operations).toEqual(["DataAssetPage"])
  await lineage.getByRole("link", { name: "probe-geometry" }).click()
  await page.getByRole("heading", { name: "probe-geometry", level: 1 }).waitFor()
  await lineage.getByRole("link", { name: "ecephys_730945_sorted" }).click()
  await page.getByRole("heading", { name: "ecephys_730945_sorted", level: 1 }).waitFor()

  const { page: restricted } = await visit(url, pageOf(seed.sortedSpikes), { token: tokens.noCapsules })
  const nodes = restricted.getByRole("region", { name: "Lineage" }).getByRole("listitem")
  await nodes.first().waitFor()
  expect(await nodes.filter({ hasText: "Not visible to you" }).count()).toBe(2)
  expect(await nodes.getByRole("link", { name: "probe-geometry" }).count()).toBe(1)
})

test("who uses a data asset is listed with the runs that had it", async () => {
  const { url } = await startExplorer()
  const { page } = await visit(url, pageOf("1d8d6c91-af55-4594-9e66-c816edf60821"))
  await page.getByRole("heading", { name: "Used by" }).waitFor()
  const users = page.locator("section").filter({ has: page.getByRole("heading", { name: "Used by" }) })
  await users.getByRole("link", { name: "Spike Sorting", exact: true }).waitFor()
  await users.getByRole("link", { name: "Mouse 730945", exact: true }).waitFor()
  expect(await page.getByText("Its files are in an external bucket").count()).toBe(1)
  expect(await page.getByText("This request was refused").count()).toBe(0)
})

test.each([
  ["light", 1280],
  ["dark", 390],
] as const)("axe finds nothing on a data asset in the %s theme at a width of %d", async (colorScheme, width) => {
  const { url } = await startExplorer()
  const { page, complaints } = await visit(url, pageOf(seed.sortedSpikes), {
    colorScheme,
    viewport: { width, height: 800 },
  })
  await page.getByRole("region", { name: "Lineage" }).waitFor()
  expect(await violationsOf(page)).toEqual([])
  expect(await page.evaluate("document.documentElement.scrollWidth <= innerWidth")).toBe(true)
  expect(complaints).toEqual([])
})

test("a data asset that does not exist is said to be missing", async () => {
  const { url } = await startExplorer()
  const { page } = await visit(url, pageOf("00000000-0000-4000-8000-000000000000"))
  await page.getByRole("heading", { name: "There is no such data asset" }).waitFor()
})
