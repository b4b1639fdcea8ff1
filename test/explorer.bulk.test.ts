import { expect, test } from "vitest"
import { tokens } from "../sandbox/seed.ts"
import { startExplorer, useExplorer, violationsOf, visit } from "./support/explorer.ts"

useExplorer()

test("tags of many data assets change after the differences were shown, each with its outcome", async () => {
  const { url, sandbox } = await startExplorer()
  const { page, complaints } = await visit(url, "search?type=data-assets&q=tag:ecephys")
  await page.getByRole("link", { name: "Change many" }).click()
  await page.getByRole("heading", { name: "Change many data assets" }).waitFor()
  await expect.poll(() => new URL(page.url()).search).toBe("?q=tag%3Aecephys")
  await page.getByRole("checkbox", { name: "ecephys_730945_sorted" }).check()
  await page.getByRole("checkbox", { name: "nightly_730945" }).check()
  await page.getByRole("status").getByText("2 data assets chosen").waitFor()
  const apply = page.getByRole("button", { name: "Apply" })
  await expect.poll(() => apply.isDisabled()).toBe(true)
  await page.getByRole("combobox", { name: "Add tags" }).fill("checked")
  await page.keyboard.press("Enter")
  await page.getByRole("combobox", { name: "Remove tags" }).fill("derived")
  await page.keyboard.press("Enter")
  await page.getByRole("button", { name: "Show the differences" }).click()
  await page.getByText("2 data assets would change. Nothing was changed yet.").waitFor()
  expect(sandbox.requestsTo("PUT /data_assets/*")).toEqual([])
  const row = page.getByRole("row").filter({ hasText: "ecephys_730945_sorted" })
  await expect.poll(() => row.getByRole("deletion").allInnerTexts()).toEqual(["derived"])
  await expect.poll(() => row.getByRole("insertion").allInnerTexts()).toEqual(["checked"])
  expect(await violationsOf(page)).toEqual([])
  // Another edit needs another look.
  await page.getByRole("combobox", { name: "Add tags" }).fill("twice")
  await page.keyboard.press("Enter")
  await expect.poll(() => apply.isDisabled()).toBe(true)
  await page.getByRole("button", { name: "Show the differences" }).click()
  await row.getByText("twice").waitFor()
  await apply.click()
  await page.getByText("2 data assets changed.").waitFor()
  expect(sandbox.requestsTo("PUT /data_assets/*")).toHaveLength(2)
  expect(complaints).toEqual([])
})

test("an edit that stops in the middle says what of it was done, and applying it again changes only the rest", async () => {
  // Each call to Code Ocean that fails, fails at once.
  const config = { upstreamRetryPercent: 0, upstreamBreakerCalls: 0 }
  const { url, sandbox } = await startExplorer({ sandbox: { generate: 160 }, config })
  const { page } = await visit(url, "bulk?q=tag:generated", { token: tokens.admin })
  await page.getByRole("checkbox", { name: "All 100 that are shown" }).check()
  await page.getByRole("combobox", { name: "Add tags" }).fill("checked")
  await page.keyboard.press("Enter")
  const result = page.getByRole("region", { name: "Result" })
  const rows = (...texts: string[]) =>
    expect.poll(() => Promise.all(texts.map((text) => result.getByRole("cell", { name: text, exact: true }).count())))
  const stoppedBy = (text: string) => result.getByRole("alert").getByText(text).waitFor()
  const written = () => sandbox.requestsTo("PUT /data_assets/*").map(({ path }) => path)
  async function look(differing: number) {
    await page.getByRole("button", { name: "Show the differences" }).click()
    await result.getByText(`${differing} data assets would change. Nothing was changed yet.`).waitFor()
  }
  const apply = () => page.getByRole("button", { name: "Apply" }).click()

  await look(100)
  const hold = sandbox.hold()
  await apply()
  await hold.waitFor(1)
  await page.getByRole("button", { name: "Cancel" }).click()
  hold.end()
  await result.getByText("25 data assets changed. Cancelled: 75 were not touched.").waitFor()
  await rows("Changed", "Not sent").toEqual([25, 75])
  const first = written()
  expect(new Set(first).size).toBe(25)

  // An outage that begins within the second part, and lasts.
  await look(75)
  const links = page.getByRole("list", { name: "Data assets" }).getByRole("link")
  const ids = await links.evaluateAll((found) =>
    found.map((link) => link.getAttribute("href")?.split("/").at(-1) ?? ""),
  )
  for (const id of ids.slice(45, 75)) {
    sandbox.failNext(`PUT /data_assets/${id}`, { status: 503, body: { message: "down" } })
  }
  sandbox.requests.length = 0
  await apply()
  await result.getByText("20 data assets changed, 30 failed. 25 were not touched.").waitFor()
  await stoppedBy("Code Ocean")
  await rows("Already so", "Changed", "Failed", "Not sent").toEqual([25, 20, 30, 25])
  expect(written()).toHaveLength(50)

  // The session ends after the first part.
  await look(55)
  sandbox.requests.length = 0
  let parts = 0
  await page.route("**/graphql", async (route) => {
    if (route.request().postData()?.includes('"operationName":"BulkEdit"') && ++parts === 2) {
      await page.context().clearCookies()
    }
    await route.continue()
  })
  await apply()
  const dialog = page.getByRole("dialog", { name: "Your session has ended" })
  await dialog.getByLabel("Access token").fill(tokens.admin)
  await page.unroute("**/graphql")
  await page.keyboard.press("Enter")
  await dialog.waitFor({ state: "detached" })
  await result.getByText("0 data assets changed, 25 failed. 50 were not touched.").waitFor()
  await stoppedBy("Your session has ended.")
  expect(written()).toEqual([])

  // The connection is lost after the gateway has been asked for the second part, which it changes all the same.
  await look(55)
  parts = 0
  await page.route("**/graphql", async (route) => {
    if (!route.request().postData()?.includes('"operationName":"BulkEdit"') || ++parts !== 2) return route.continue()
    await route.fetch()
    await route.abort()
  })
  await apply()
  await result.getByText("0 data assets changed. 25 may have changed. 50 were not touched.").waitFor()
  await stoppedBy("The gateway does not answer.")
  await rows("Already so", "Not known", "Not sent").toEqual([25, 25, 50])
  await page.unroute("**/graphql")

  // The visitor looks at another page meanwhile.
  await look(50)
  const last = sandbox.hold()
  await apply()
  await last.waitFor(1)
  await page.getByRole("link", { name: "Mine", exact: true }).click()
  await page.getByRole("heading", { name: "Everything that I own" }).waitFor()
  await page.goBack()
  await result.getByText("Changing 0 of 100 data assets…").waitFor()
  last.end()
  await result.getByText("50 data assets changed.").waitFor()
  await rows("Already so", "Changed").toEqual([50, 50])
  expect(written().toSorted()).toEqual(
    ids
      .slice(45)
      .map((id) => `/data_assets/${id}`)
      .toSorted(),
  )
})

test("what was chosen and typed survives a reload, and one failure does not hide the others", async () => {
  const { url, sandbox } = await startExplorer()
  const { page } = await visit(url, "bulk?q=tag:ecephys", {
    colorScheme: "dark",
    viewport: { width: 390, height: 800 },
  })
  await page.getByRole("checkbox", { name: "ecephys_730945_sorted" }).check()
  await page.getByRole("checkbox", { name: "nightly_730945" }).check()
  await page.getByRole("combobox", { name: "Add tags" }).fill("checked")
  await page.keyboard.press("Enter")
  await page.reload()
  await page.getByText("2 data assets chosen").waitFor()
  await page.getByRole("button", { name: "Show the differences" }).click()
  await page.getByText("Nothing was changed yet.").waitFor()
  sandbox.failNext("PUT /data_assets/*", { status: 403, body: { message: "not yours" } })
  await page.getByRole("button", { name: "Apply" }).click()
  await page.getByText("1 data asset changed, 1 failed.").waitFor()
  await page.getByRole("row").filter({ hasText: "Failed" }).getByText("not yours").waitFor()
  expect(await violationsOf(page)).toEqual([])
  await expect.poll(() => page.evaluate("document.documentElement.scrollWidth <= innerWidth")).toBe(true)
})
