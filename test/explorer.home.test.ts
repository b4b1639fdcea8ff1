import { expect, test } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { go, startExplorer, useExplorer, visit } from "./support/explorer.ts"
import { pushedTime } from "./support/live.ts"
import { signInAs, step } from "./support/steps.ts"

useExplorer()

/** What each page says to a token without some scopes. Nothing that it may not read is said to be missing or empty. */
const restricted: Readonly<Record<string, Record<string, RegExp>>> = {
  noDatasets: {
    "search?type=data-assets": /^Search .*This page is not visible to you Your token may not see data assets/,
    "search?type=capsules": /^Search .*12 capsules/,
    mine: /10 capsules.*Pipelines 1 pipeline .*Data assets Search my data assets They could not be read\./,
    read: /not see data assets or the fields for custom metadata\. It lacks the scope “Data Asset read”/,
    bulk: /not see data assets or the fields for custom metadata\. It lacks the scope “Data Asset read”/,
    [`capsules/${seed.cellCounter}/runs/${seed.countedCells}`]: /counts\.csv.*Data asset that you may not open/,
    [`data-assets/${seed.sortedSpikes}`]: /not see this data asset.* It lacks the scope “Data Asset read”/,
  },
  noCapsules: {
    "": /not see the recent runs\. It lacks the scope “Capsule read”/,
    search: /not see capsules\. It lacks the scope “Capsule read”\..*Could not be searched/,
    "search?type=data-assets&unused=true": /0 of 16 data assets are not attached to .*\. Of 16, it is not known/,
    mine: /Capsules .*They could not be read\. Pipelines .*They could not be read\. Data assets 15 data assets/,
    [`capsules/${seed.cellCounter}`]: /not see this capsule\. It lacks the scope “Capsule read”/,
    [`capsules/${seed.cellCounter}/runs/${seed.countedCells}`]: /not see this run or this capsule\. It lacks the scope/,
  },
}

test("each page says what a token without some scopes may not see, and the home page has the failed runs one click away, and changes by itself", async () => {
  const time = pushedTime()
  const { url, ask, sandbox } = await startExplorer({ clock: time })
  const { page, operations } = await visit(url, "nowhere", { token: tokens.noDatasets })

  for (const name of ["noDatasets", "noCapsules"] as const) {
    if (name === "noCapsules") await signInAs(page, tokens.noCapsules)
    for (const [path, text] of Object.entries(restricted[name]!)) {
      await step(`${name}: ${path} says what is not visible, and shows everything else`, async () => {
        await go(page, path)
        const shown = async () => (await page.locator("main").innerText()).replace(/\s+/g, " ")
        await expect.poll(shown).toMatch(text)
      })
    }
  }

  await go(page, "")
  await signInAs(page, tokens.ada)
  const failedRun = page.getByRole("listitem").filter({ hasText: "Mouse 730945, more units" })
  await step("the failed runs are one click away, their log another one, and the address has the choice", async () => {
    await page.getByText("Failed", { exact: true }).first().click()
    await page.getByRole("link", { name: "Nightly", exact: true }).waitFor({ state: "detached" })
    await expect.poll(() => new URL(page.url()).search).toBe("?runs=failed")
    await failedRun.getByText("Its exit code is 137").waitFor()
    await failedRun.getByRole("button", { name: "End of the log" }).click()
    await failedRun.locator("pre").waitFor()
    await go(page, "nowhere")
    await go(page, "?runs=failed")
    await failedRun.waitFor()
    expect(await page.getByRole("link", { name: "Nightly", exact: true }).count()).toBe(0)
  })

  await step("a double click on a link is one step, and not two to go back", async () => {
    await page.getByRole("link", { name: "Mine", exact: true }).dblclick()
    await page.getByRole("heading", { name: "Everything that I own", level: 1 }).waitFor()
    await page.goBack()
    await failedRun.waitFor()
  })

  await step("another page begins at its top, and going back returns to where this one was left", async () => {
    await page.setViewportSize({ width: 1280, height: 400 })
    await page.evaluate("scrollTo(0, 150)")
    await page.getByRole("link", { name: "Run 1", exact: true }).click()
    await page.getByRole("heading", { name: "Run 1", level: 1 }).waitFor()
    await expect.poll(() => page.evaluate("scrollY")).toBe(0)
    await page.goBack()
    await failedRun.waitFor()
    await expect.poll(() => page.evaluate("scrollY")).toBe(150)
    await page.setViewportSize({ width: 1280, height: 800 })
  })

  await step("how long ago a run began is right, although the clock of this computer is five hours slow", async () => {
    await page.clock.install({ time: Date.now() - 5 * 60 * 60 * 1_000 })
    await page.getByText("In progress", { exact: true }).first().click()
    const running = page.getByRole("listitem").filter({ hasText: "Lane 7" })
    await expect.poll(() => running.locator("time").innerText()).toMatch(/^(just now|\d+ minutes? ago)$/)
  })

  await step("a run that starts appears by itself, and so does its end", async () => {
    await go(page, "nowhere")
    operations.length = 0
    await go(page, "")
    await page.getByText("New runs and changes appear by themselves.").waitFor()
    const run = (await ask(`mutation { runCapsule(input: { capsuleId: "${seed.spikeSortingCopy}" }) {
      ... on RunCapsulePayload { computation { id name } } ... on MutationRefused { message } } }`)) as {
      data: { runCapsule: { computation: { id: string } } }
    }
    const { id } = run.data.runCapsule.computation
    const row = page.getByRole("listitem").filter({ has: page.locator(`a[href$="/runs/${id}"]`) })
    const passUntil = (text: string) =>
      expect
        .poll(async () => {
          time.push(60)
          return (await row.allInnerTexts()).join()
        })
        .toContain(text)
    await passUntil("In progress")
    await page.getByRole("list").first().getByRole("listitem").first().getByText("In progress").waitFor()
    sandbox.clock.advance(100_000)
    await passUntil("Succeeded")
    expect(operations).toEqual(["Home", "HomeLive"])
  })
})
