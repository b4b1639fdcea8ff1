import type { Locator } from "playwright-core"
import { expect, test } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { go, startExplorer, useExplorer, violationsOf, visit } from "./support/explorer.ts"
import { signInAs, step } from "./support/steps.ts"

useExplorer()

const capsule = `capsules/${seed.cellCounter}`

test("capsules and pipelines run, get data, are shared and deleted, and each refusal says why", async () => {
  const { url, sandbox } = await startExplorer()
  const { page, complaints, operations } = await visit(url, capsule)
  const runs = page.getByRole("list", { name: "Runs" })
  const attached = page.getByRole("region", { name: "Attached data" }).getByRole("listitem")
  const dialog = page.getByRole("dialog")
  const choose = async (noun: "capsule" | "pipeline", action: string) => {
    await page.getByRole("button", { name: `More about this ${noun}` }).click()
    await page.getByRole("menuitem", { name: action }).click()
  }
  const start = page.getByRole("button", { name: "Start the run" })

  await step("the form of the app panel shows all wrong values at once and sends nothing, then it runs", async () => {
    await runs.getByRole("link", { name: "Run 3 - all sections" }).waitFor()
    await page.getByRole("img", { name: "Run time of 5 runs" }).waitFor()
    expect(await violationsOf(page)).toEqual([])
    // Nor does the first event send the request again.
    expect(operations.filter((name) => name !== "RunsLive")).toEqual(["RunnablePage"])

    await page.getByRole("tab", { name: "New run" }).click()
    await page.getByLabel("Threshold").fill("7")
    await page.getByLabel("Sample").fill("ab1")
    sandbox.requests.length = 0
    await start.click()
    const problems = page.getByRole("alert").getByRole("listitem")
    await expect
      .poll(() => problems.allInnerTexts())
      .toEqual(["Sample: Must match the pattern ^[A-Z]{2}\\d{4}$", "Threshold: Must be at most 0.95."])
    await expect.poll(() => page.evaluate("document.activeElement.labels?.[0].textContent")).toBe("Sample")
    expect(operations).not.toContain("RunCapsule")
    expect(await violationsOf(page)).toEqual([])

    // What was typed outlives a reload, and the other tabs.
    await page.getByLabel("Sample").fill("AB1234")
    await page.reload()
    await page.getByRole("tab", { name: "Data" }).click()
    await page.goBack()
    await expect.poll(() => page.getByLabel("Sample").inputValue()).toBe("AB1234")
    await page.getByLabel("Threshold").fill("0.40")
    // Two clicks, before there is an answer to the first.
    await start.dblclick()
    await page.getByRole("status").getByText("Run 6 has started").waitFor()
    expect(operations.filter((name) => name === "RunCapsule")).toHaveLength(1)
    const started = sandbox.requests.filter(({ method, path }) => method === "POST" && path.endsWith("/computations"))
    expect(started).toHaveLength(1)
    await page.getByRole("tab", { name: "Runs" }).click()
    const newRun = runs.getByRole("listitem").filter({ hasText: "Run 6" })
    await newRun.getByText("In progress").waitFor()
    await expect.poll(() => newRun.innerText()).toContain("threshold: 0.40")
  })

  await step("data is attached and detached in a narrow window", async () => {
    await page.setViewportSize({ width: 390, height: 800 })
    await go(page, `${capsule}?tab=data`)
    await expect.poll(() => attached.count()).toBe(2)
    await page.getByRole("button", { name: "Attach data" }).click()
    await dialog.getByRole("searchbox").fill("probe-geometry")
    await dialog.getByRole("checkbox", { name: "probe-geometry" }).check()
    await dialog.getByLabel(/^Folder of/).fill("images")
    expect(await violationsOf(page)).toEqual([])
    await dialog.getByRole("button", { name: "Attach 1 data asset" }).click()
    await dialog.getByRole("alert").getByText("Mount is already in use").waitFor()
    await dialog.getByLabel(/^Folder of/).fill("probe")
    await dialog.getByRole("button", { name: "Attach 1 data asset" }).click()
    await dialog.waitFor({ state: "detached" })
    await attached.nth(2).getByText("/data/probe").waitFor()

    await attached.nth(2).getByRole("button").click()
    await dialog.getByText("will not have").waitFor()
    await dialog.getByRole("button", { name: "Detach" }).click()
    await dialog.waitFor({ state: "detached" })
    await attached.nth(2).waitFor({ state: "detached" })
  })

  await step("the capsule is shared, and adding somebody says what is not in effect", async () => {
    await page.setViewportSize({ width: 1280, height: 800 })
    await go(page, `${capsule}?tab=sharing`)
    const people = page.getByRole("list", { name: "People and groups" })
    await people.getByText("grace@example.org").waitFor()
    await page.getByLabel("Share with").selectOption("A group")
    await page.getByLabel("Name of the group").fill("no such group")
    await page.getByRole("button", { name: "Share" }).click()
    await page.getByRole("alert").getByText("no such group was not added").waitFor()
    await page.getByLabel("Share with").selectOption("A person")
    await page.getByLabel("Email address").fill("admin@example.org")
    await page.keyboard.press("Enter")
    await people.getByText("admin@example.org").waitFor()
    expect(await violationsOf(page)).toEqual([])
    await page.getByRole("button", { name: "Remove grace@example.org" }).click()
    await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click()
    await people.getByText("grace@example.org").waitFor({ state: "detached" })
  })

  await step("a data asset that only its owner may open says so", async () => {
    await go(page, `capsules/${seed.driftCorrection}?tab=data`)
    await page.getByText("You may not open it.").waitFor()
    await page.getByRole("heading", { name: "Drift Correction" }).waitFor()
    // Their names are not all that this token may see.
    expect(await page.getByText("more of them than their names").count()).toBe(0)
  })

  await step("deleting asks with the name, shows why it is refused, and works for what is archived", async () => {
    await go(page, `capsules/${seed.privateNotebook}`)
    await choose("capsule", "Delete")
    await dialog.getByText("Private Notebook, all of its runs").waitFor()
    await dialog.getByRole("button", { name: "Delete" }).click()
    await dialog.getByRole("alert").getByText("This capsule must be archived before it is deleted.").waitFor()
    expect(await violationsOf(page)).toEqual([])
    await dialog.getByRole("button", { name: "Cancel" }).click()
    await dialog.waitFor({ state: "detached" })

    await choose("capsule", "Archive")
    await dialog.getByRole("button", { name: "Archive" }).click()
    await page.getByText("Archived", { exact: true }).waitFor()
    await choose("capsule", "Delete")
    await dialog.getByRole("button", { name: "Delete" }).click()
    await page.getByRole("heading", { name: "Search", level: 1 }).waitFor()
    await go(page, `capsules/${seed.privateNotebook}`)
    await page.getByRole("heading", { name: "There is no such capsule" }).waitFor()
  })

  await step("a pipeline runs with values of its processes, and names those that are ignored", async () => {
    sandbox.requests.length = 0
    await go(page, `pipelines/${seed.ecephysPipeline}`)
    await page.getByRole("tab", { name: "New run" }).click()
    const window = page.getByRole("group", { name: "capsule_drift_correction_1: Drift" }).getByLabel("Window")
    await window.fill("half")
    await page.getByLabel("Nextflow profile").fill("debug")
    await start.click()
    const problem = page.getByRole("alert").getByRole("listitem")
    await expect.poll(() => problem.innerText()).toBe("capsule_drift_correction_1: Window: Must be a whole number.")
    await window.fill("45")
    const ignoring = { id: seed.pipelineRun, name: "Nightly", created: 1_767_000_000, state: "initializing" }
    sandbox.failNext("POST /computations", { status: 200, body: ignoring })
    await start.click()
    const status = page.getByRole("status")
    await status.getByText(/does not have all of its values: .*Window missing instead of 45\.$/).waitFor()
    await page.getByRole("button", { name: "Start another run" }).click()
    await status.getByText("Code Ocean has its values: capsule_drift_correction_1: Window 45.").waitFor()
    const [started] = sandbox.requestsTo("POST /computations")
    const namedParameters = [{ param_name: "window", value: "45" }]
    expect(started?.body).toEqual({
      pipeline_id: seed.ecephysPipeline,
      nextflow_profile: "debug",
      processes: [{ name: "capsule_drift_correction_1", named_parameters: namedParameters }],
    })
  })

  await step("a pipeline gets data, and is archived, but not deleted once it was released", async () => {
    await page.getByRole("tab", { name: "Data" }).click()
    await page.getByRole("button", { name: "Attach data" }).click()
    await dialog.getByRole("searchbox").fill("imaging")
    await dialog.getByRole("checkbox", { name: "All 2 that are shown" }).check()
    await dialog.getByRole("button", { name: "Attach 2 data assets" }).click()
    await dialog.waitFor({ state: "detached" })
    await attached.nth(2).waitFor()
    await page.getByRole("button", { name: "Detach nuclei-unet" }).click()
    await dialog.getByRole("button", { name: "Detach" }).click()
    await attached.nth(2).waitFor({ state: "detached" })

    await choose("pipeline", "Delete")
    await dialog.getByRole("button", { name: "Delete" }).click()
    await dialog.getByRole("alert").getByText("was released and cannot be deleted").waitFor()
    await dialog.getByRole("button", { name: "Cancel" }).click()
    await dialog.waitFor({ state: "detached" })
    await choose("pipeline", "Archive")
    await dialog.getByRole("button", { name: "Archive" }).click()
    await page.getByText("Archived", { exact: true }).waitFor()
  })

  const sample = page.getByLabel("Sample")
  await step("what only the gateway can check stands beside its field", async () => {
    operations.length = 0
    await go(page, `${capsule}?tab=run`)
    await sample.waitFor()
    // The form takes the pattern for too slow, as if it had a repetition in a repetition.
    await sample.fill(`${"A".repeat(501)}`)
    await start.click()
    await page.getByRole("alert").getByRole("button", { name: "Sample" }).waitFor()
    expect(operations).toContain("RunCapsule")
    await page.getByRole("alert").getByText("must match the pattern").waitFor()
    await sample.fill("AB1234")
    await page.getByRole("alert").waitFor({ state: "detached" })
    expect(complaints).toEqual([])
  })

  await step("without the right to read data assets, they have names, and the rest is complete", async () => {
    await signInAs(page, tokens.noDatasets)
    await go(page, `${capsule}?tab=data`)
    const data = page.getByRole("region", { name: "Attached data" })
    await data.getByText("Your token may not see more of them than their names.").waitFor()
    await data.getByText("Stained sections").waitFor()
    await page.getByRole("tab", { name: "New run" }).click()
    await page.getByLabel("Sample").waitFor()
    await page.getByRole("tab", { name: "Runs" }).click()
    await page.getByText("Run 3 - all sections").waitFor()
    expect(await page.getByRole("status").filter({ hasText: "not visible" }).count()).toBe(0)
  })

  await step("an outage keeps what was typed, and does not say whether it runs", async () => {
    await page.getByRole("tab", { name: "New run" }).click()
    await sample.fill("AB1234")
    await sandbox.close()
    await start.click()
    await page.getByRole("alert").getByText("It is not known whether this was done").waitFor()
    await expect.poll(() => sample.inputValue()).toBe("AB1234")
  })
})

test("while a dialog closes, links that it did not cover work, and its own buttons do not", async () => {
  const { url } = await startExplorer()
  const { page, operations } = await visit(url, `${capsule}?tab=data`)
  await page.clock.install()
  await page.getByRole("button", { name: "Attach data" }).click()
  const dialog = page.getByRole("dialog")
  await dialog.getByRole("checkbox", { name: "probe-geometry" }).check()
  // The dialog begins to close, and does not end that, because the clock stands still.
  await page.clock.pauseAt(Date.now() + 20_000)
  await dialog.getByRole("button", { name: "Cancel" }).click()
  await page.clock.runFor(100)
  await expect.poll(() => page.evaluate("getComputedStyle(document.querySelector('[role=dialog]')).opacity")).toBe("0")
  await expect.poll(() => page.evaluate("document.activeElement.textContent")).toBe("Attach data")

  // The dialog takes the click instead of the button, so that it reaches nothing behind the dialog.
  const attach = await middleOf(dialog.getByRole("button", { name: "Attach 1 data asset" }))
  await expect.poll(() => page.evaluate(`document.elementFromPoint(${attach}).role`)).toBe("dialog")
  await page.mouse.click(...attach)
  await page.mouse.click(...(await middleOf(page.getByRole("link", { name: "Mine", exact: true }))))
  await page.getByRole("heading", { name: "Everything that I own" }).waitFor()
  expect(operations).not.toContain("AttachData")
})

async function middleOf(element: Locator): Promise<[x: number, y: number]> {
  const box = await element.boundingBox()
  if (box === null) throw new Error("It is not visible.")
  return [box.x + box.width / 2, box.y + box.height / 2]
}
