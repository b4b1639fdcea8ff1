import { expect, test } from "vitest"
import { tokens } from "../sandbox/seed.ts"
import { go, startExplorer, useExplorer, violationsOf, visit } from "./support/explorer.ts"
import { step } from "./support/steps.ts"

useExplorer()

test("tags of many data assets change after the differences were shown, each with its outcome, and an edit that stops in the middle says what was done, and goes on with the rest", async () => {
  // Each call to Code Ocean that fails, fails at once.
  const config = { upstreamRetryPercent: 0, upstreamBreakerCalls: 0 }
  const { url, sandbox } = await startExplorer({ sandbox: { generate: 61 }, config })
  const { page, complaints } = await visit(url, "search?type=data-assets&q=tag:ecephys", { token: tokens.admin })
  const apply = page.getByRole("button", { name: "Apply" })
  const lookAgain = page.getByRole("button", { name: "Show the differences" })
  const result = page.getByRole("region", { name: "Result" })
  const row = (text: string) => result.getByRole("row").filter({ hasText: text })
  const writes = () => sandbox.requestsTo("PUT /data_assets/*").map(({ path }) => path)
  const add = async (tag: string) => {
    await page.getByRole("combobox", { name: "Add tags" }).fill(tag)
    await page.keyboard.press("Enter")
  }

  await step("what was chosen in a search and typed survives a reload", async () => {
    await page.getByRole("link", { name: "Change many" }).click()
    await page.getByRole("heading", { name: "Change many data assets" }).waitFor()
    await expect.poll(() => new URL(page.url()).search).toBe("?q=tag%3Aecephys")
    await page.getByRole("checkbox", { name: "ecephys_730945_sorted" }).check()
    await page.getByRole("checkbox", { name: "nightly_730945" }).check()
    await add("checked")
    await page.reload()
    await page.getByRole("status").getByText("2 data assets chosen").waitFor()
    await expect.poll(() => apply.isDisabled()).toBe(true)
  })

  await step("the differences are shown before anything is changed, and after another edit again", async () => {
    await page.getByRole("combobox", { name: "Remove tags" }).fill("derived")
    await page.keyboard.press("Enter")
    await lookAgain.click()
    await page.getByText("2 data assets would change. Nothing was changed yet.").waitFor()
    expect(writes()).toEqual([])
    await expect.poll(() => row("ecephys_730945_sorted").getByRole("deletion").allInnerTexts()).toEqual(["derived"])
    await expect.poll(() => row("ecephys_730945_sorted").getByRole("insertion").allInnerTexts()).toEqual(["checked"])
    expect(await violationsOf(page)).toEqual([])
    await add("twice")
    await expect.poll(() => apply.isDisabled()).toBe(true)
    await lookAgain.click()
    await row("ecephys_730945_sorted").getByText("twice").waitFor()
  })

  await step("one failure does not hide the others, also in a narrow and dark window", async () => {
    await page.emulateMedia({ colorScheme: "dark" })
    await page.setViewportSize({ width: 390, height: 800 })
    sandbox.failNext("PUT /data_assets/*", { status: 403, body: { message: "not yours" } })
    await apply.click()
    await page.getByText("1 data asset changed, 1 failed.").waitFor()
    await row("Failed").getByText("not yours").waitFor()
    expect(writes()).toHaveLength(2)
    expect(await violationsOf(page)).toEqual([])
    await expect.poll(() => page.evaluate("document.documentElement.scrollWidth <= innerWidth")).toBe(true)
    await page.setViewportSize({ width: 1280, height: 800 })
    await lookAgain.click()
    await page.getByText("1 data asset would change. Nothing was changed yet.").waitFor()
    await apply.click()
    await page.getByText("1 data asset changed.").waitFor()
    expect(writes()).toHaveLength(3)
    expect(complaints).toEqual([])
  })

  const outcomes = () =>
    expect.poll(async () => {
      const counts: Record<string, number> = {}
      for (const text of await result.locator("tbody td:nth-child(2)").allInnerTexts())
        counts[text] = (counts[text] ?? 0) + 1
      return counts
    })
  const stoppedBy = (text: string) => result.getByRole("alert").getByText(text).waitFor()
  /** Shows the differences, and forgets the calls of earlier steps. */
  async function look(differing: number) {
    await lookAgain.click()
    await result.getByText(`${differing} data assets would change. Nothing was changed yet.`).waitFor()
    sandbox.requests.length = 0
  }

  // Three parts, of 25, 25 and 11.
  await page.getByRole("button", { name: "Start over" }).click()
  await go(page, "bulk?q=tag:generated")
  await page.getByRole("checkbox", { name: "All 100 that are shown" }).waitFor()
  await go(page, "bulk?q=tag:generated&data=RESULT")
  await page.getByRole("checkbox", { name: "All 61", exact: true }).check()
  const links = page.getByRole("list", { name: "Data assets" }).getByRole("link")
  const ids = await links.evaluateAll((found) =>
    found.map((link) => link.getAttribute("href")?.split("/").at(-1) ?? ""),
  )
  const pathsOf = (some: string[]) => some.map((id) => `/data_assets/${id}`).toSorted()
  await add("checked")

  await step("an outage that begins within the first part, and lasts, stops the edit after the second", async () => {
    await look(61)
    for (const id of ids.slice(20, 50)) {
      sandbox.failNext(`PUT /data_assets/${id}`, { status: 503, body: { message: "down" } })
    }
    await apply.click()
    await result.getByText("20 data assets changed, 30 failed. 11 were not touched.").waitFor()
    await stoppedBy("Code Ocean")
    await outcomes().toEqual({ Changed: 20, Failed: 30, "Not sent": 11 })
    expect(writes().toSorted()).toEqual(pathsOf(ids.slice(0, 50)))
  })

  await step("an edit that is cancelled ends after its part, and applying it again changes only the rest", async () => {
    await look(41)
    const hold = sandbox.hold()
    await apply.click()
    await hold.waitFor(1)
    await page.getByRole("button", { name: "Cancel" }).click()
    hold.end()
    await result.getByText("5 data assets changed. Cancelled: 36 were not touched.").waitFor()
    await outcomes().toEqual({ "Already so": 20, Changed: 5, "Not sent": 36 })
    expect(writes().toSorted()).toEqual(pathsOf(ids.slice(20, 25)))
  })

  await step("a session that ends after the first part stops the edit", async () => {
    await look(36)
    let parts = 0
    await page.route("**/graphql", async (route) => {
      if (route.request().postData()?.includes('"operationName":"BulkEdit"') && ++parts === 2) {
        await page.context().clearCookies()
      }
      await route.continue()
    })
    await apply.click()
    const dialog = page.getByRole("dialog", { name: "Your session has ended" })
    await dialog.getByLabel("Access token").fill(tokens.admin)
    await page.unroute("**/graphql")
    await page.keyboard.press("Enter")
    await dialog.waitFor({ state: "detached" })
    await result.getByText("0 data assets changed, 25 failed. 11 were not touched.").waitFor()
    await stoppedBy("Your session has ended.")
    await outcomes().toEqual({ "Already so": 25, Failed: 25, "Not sent": 11 })
    expect(writes()).toEqual([])
  })

  await step("if the answer to the second part is lost, it is not known whether that was changed", async () => {
    await look(36)
    let parts = 0
    await page.route("**/graphql", async (route) => {
      if (!route.request().postData()?.includes('"operationName":"BulkEdit"') || ++parts !== 2) return route.continue()
      await route.fetch()
      await route.abort()
    })
    await apply.click()
    await result.getByText("0 data assets changed. 25 may have changed. 11 were not touched.").waitFor()
    await stoppedBy("The gateway does not answer.")
    await outcomes().toEqual({ "Already so": 25, "Not known": 25, "Not sent": 11 })
    expect(writes().toSorted()).toEqual(pathsOf(ids.slice(25, 50)))
    await page.unroute("**/graphql")
  })

  await step("an edit goes on while the visitor looks at another page", async () => {
    await look(11)
    const hold = sandbox.hold()
    await apply.click()
    await hold.waitFor(1)
    await page.getByRole("link", { name: "Mine", exact: true }).click()
    await page.getByRole("heading", { name: "Everything that I own" }).waitFor()
    await page.goBack()
    await result.getByText("Changing 0 of 61 data assets…").waitFor()
    hold.end()
    await result.getByText("11 data assets changed.").waitFor()
    await outcomes().toEqual({ "Already so": 50, Changed: 11 })
    expect(writes().toSorted()).toEqual(pathsOf(ids.slice(50)))
  })
})
