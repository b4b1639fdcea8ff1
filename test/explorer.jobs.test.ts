import { readFile } from "node:fs/promises"
import type { Locator } from "playwright-core"
import { expect, test } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { startExplorer, useExplorer, violationsOf, visit } from "./support/explorer.ts"
import { pushedTime } from "./support/live.ts"
import { step } from "./support/steps.ts"

useExplorer()

const document = await readFile(new URL("../docs/jobs.md", import.meta.url), "utf8")

/** The jobs of the page's table, without the line of their headings. */
const jobs = [...document.matchAll(/^\| ([^|]+) \| `/gm)].map(([, job]) => job as string)

test("whoever pastes a token once does each of the twelve jobs by looking and clicking", {
  timeout: 120_000,
}, async () => {
  const time = pushedTime()
  const { url, sandbox } = await startExplorer({ clock: time })
  const { page, complaints, requested } = await visit(url, "", { token: null })
  const link = (name: string) => page.getByRole("link", { name, exact: true })
  const button = (name: string) => page.getByRole("button", { name, exact: true })
  const title = (name: string) => page.getByRole("heading", { name, level: 1, exact: true }).waitFor()
  const home = async () => {
    await link("Home").click()
    await title("Recent runs")
  }
  const search = async (kind: string) => {
    await link("Search").click()
    await title("Search")
    await page.getByRole("radiogroup", { name: "What to search" }).getByText(kind, { exact: true }).click()
    await page.getByRole("list", { name: kind }).waitFor()
  }
  const rows = (list: string) => page.getByRole("list", { name: list, exact: true }).getByRole("listitem")
  /** The names in a list of found objects. A row that is not in the window has no inner text. */
  const names = (list: string) => expect.poll(() => rows(list).locator("a[title]").allTextContents())
  /** Lets time pass until this is seen, which it certainly brings about. */
  const passUntil = async (seen: Locator) => {
    while ((await seen.count()) === 0) {
      sandbox.clock.advance(10)
      time.push(10)
    }
  }
  const done: string[] = []
  const job = async (name: string, steps: () => Promise<void>) => {
    sandbox.requests.length = 0
    await step(name, steps)
    done.push(name)
  }

  await page.getByLabel("Access token").fill(tokens.ada)
  await page.keyboard.press("Enter")
  await title("Recent runs")

  await job("did this run really succeed?", async () => {
    const run = page.getByRole("listitem").filter({ has: link("Mouse 730945 again") })
    await run.getByText("Suspect").waitFor()
    await run.getByText("Its end status is succeeded, but its exit code is 1.").waitFor()
    await link("Mouse 730945 again").click()
    await page.getByRole("status").getByText("Suspect").waitFor()
    await page.getByRole("region", { name: "The last 300 lines of the log" }).waitFor()
  })

  await job("learn the parameters, run, and check that they landed", async () => {
    await home()
    await page.getByRole("complementary").getByRole("link", { name: "Cell Counter" }).first().click()
    await page.getByRole("tab", { name: "New run" }).click()
    await page.getByText("Number from 0 to 0.95").waitFor()
    await expect.poll(() => page.getByLabel("Stain").getByRole("option").allInnerTexts()).toContain("NeuN")
    await page.getByLabel("Stain").selectOption("NeuN")
    await button("Start the run").click()
    const started = page.getByRole("status").filter({ hasText: "Run 6 has started" })
    await started.getByText(/^Code Ocean has its values: .*Stain NeuN, Threshold 0\.35/).waitFor()
    const [sent] = sandbox.requestsTo(`POST /computations`)
    expect(sent?.body).toMatchObject({ capsule_id: seed.cellCounter })
  })

  await job("run, wait, capture, share", async () => {
    await link("Follow it").click()
    await button("Capture").click()
    const dialog = page.getByRole("dialog")
    await dialog.getByLabel("Name of the data asset").fill("Counts")
    await dialog.locator("input").and(dialog.getByLabel("Share with")).fill("grace@example.org")
    await page.keyboard.press("Enter")
    await button("Capture and share").click()
    await dialog.waitFor({ state: "detached" })
    await passUntil(link("Counts"))
    expect(sandbox.requestsTo("POST /data_assets")).toHaveLength(1)
    await link("Counts").click()
    await title("Counts")
    await page.getByRole("tab", { name: "Sharing" }).click()
    await page.getByText("grace@example.org").waitFor()
    const [shared] = sandbox.requestsTo("POST /data_assets/*/permissions")
    expect(shared?.body).toMatchObject({
      users: expect.arrayContaining([{ email: "grace@example.org", role: "viewer" }]),
    })
  })

  await job("the failed runs of a pipeline", async () => {
    await search("Pipelines")
    await link("Ecephys Pipeline").click()
    await page.getByRole("group", { name: "Outcomes" }).getByRole("button", { name: "Failed" }).click()
    await names("Runs").toEqual(["Nightly, before the fix"])
    await rows("Runs").getByText("Its exit code is 1.").waitFor()
  })

  await job("the newest data asset with a tag, and where it came from", async () => {
    await search("Data assets")
    await link("Tag ecephys").first().click()
    await page.getByLabel("Order").selectOption("Newest")
    const newestFirst = ["ecephys_730945_sorted", "nightly_730945", "Two recordings", "ecephys_730945_2024-06-13"]
    await names("Data assets").toEqual(newestFirst)
    await rows("Data assets").first().locator("a[title]").click()
    await title("ecephys_730945_sorted")
    const lineage = page.getByRole("region", { name: "Lineage" })
    for (const name of ["Spike Sorting", "Mouse 730945", "probe-geometry"])
      await lineage.getByRole("link", { name, exact: true }).waitFor()
  })

  await job("which runs used this data asset?", async () => {
    const recording = "ecephys_730945_2024-06-13"
    await page.getByRole("region", { name: "Lineage" }).getByRole("link", { name: recording }).click()
    await title(recording)
    // Runs of two capsules and of a pipeline.
    for (const name of ["Mouse 730946", "Mouse 730945, more units", "Mouse 730945 again", "Run 1", "Nightly"])
      await link(name).first().waitFor()
    await link("Drift Correction").waitFor()
  })

  await job("all data assets of a subject", async () => {
    await page.getByRole("definition").getByRole("link", { name: "730945" }).click()
    await page.getByText("subject id is 730945", { exact: true }).waitFor()
    await page.getByRole("status").getByText("2 data assets found").waitFor()
    await names("Data assets").toEqual(["ecephys_730945_sorted", "ecephys_730945_2024-06-13"])
  })

  await job("edit the tags of many data assets, after a dry run", async () => {
    await link("Change many").click()
    await page.getByRole("checkbox", { name: /^All \d+$/ }).check()
    await page.getByRole("combobox", { name: "Add tags" }).fill("checked")
    await page.keyboard.press("Enter")
    await button("Show the differences").click()
    await page.getByText(/would change\. Nothing was changed yet\.$/).waitFor()
    expect(sandbox.requestsTo("PUT /data_assets/*")).toHaveLength(0)
    await button("Apply").click()
    await page.getByText("2 data assets changed.").waitFor()
    const written = sandbox.requestsTo("PUT /data_assets/*").map(({ body }) => (body as { tags: string[] }).tags)
    expect(written.toSorted()).toEqual([
      ["ecephys", "derived", "730945", "checked"],
      ["ecephys", "raw", "730945", "checked"],
    ])
  })

  await job("attach by name, tag or query", async () => {
    await home()
    await link("Ecephys Quality Report").click()
    await page.getByRole("tab", { name: "Data" }).click()
    await button("Attach data").click()
    const dialog = page.getByRole("dialog")
    await dialog.getByRole("searchbox").fill("tag:derived")
    await dialog.getByRole("checkbox", { name: "ecephys_730945_sorted" }).check()
    await button("Attach 1 data asset").click()
    await page
      .getByRole("region", { name: "Attached data" })
      .getByRole("link", { name: "ecephys_730945_sorted" })
      .waitFor()
    expect(sandbox.requestsTo(`POST /capsules/${seed.ecephysQuality}/data_assets`)).toHaveLength(1)
  })

  await job("everything that I own", async () => {
    await link("Mine").click()
    await title("Everything that I own")
    await link("Private Notebook").waitFor()
    await names("My pipelines").toEqual(["Ecephys Pipeline"])
    expect(await violationsOf(page)).toEqual([])
    // Those of the seed, and the one that was captured. A draft among them gets its size at some time.
    await page.getByText(/^16 data assets, 5\d\d GB$/).waitFor()
  })

  await job("archived data assets that nothing uses", async () => {
    await link("Search my data assets").click()
    await button("Archived").click()
    await button("Unused").click()
    await page.getByRole("status").getByText("1 of 1 data asset is not attached to anything that you see").waitFor()
    await names("Data assets").toEqual(["old recording"])
  })

  await job("read one small file of many data assets", async () => {
    await search("Data assets")
    await link("Tag imaging").first().click()
    await page.getByRole("status").getByText("2 data assets found").waitFor()
    await link("Read a file of each").click()
    await page.getByRole("list", { name: "Files" }).getByRole("button", { name: "processing.json" }).click()
    const contents = page.getByRole("table", { name: "Contents" })
    await contents.getByRole("link", { name: "Stained sections" }).waitFor()
    expect(await violationsOf(page)).toEqual([])
    const saved = page.waitForEvent("download")
    await button("Save as CSV").click()
    expect((await saved).suggestedFilename()).toBe("processing.json.csv")
  })

  expect(done.toSorted()).toEqual(jobs.toSorted())
  expect(requested.filter((address) => address === `${url}/explorer/`)).toHaveLength(1)
  expect(complaints).toEqual([])
})
