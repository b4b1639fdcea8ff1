import { expect, test } from "vitest"
import { tokens } from "../sandbox/seed.ts"
import { sharedBrowser } from "./support/browser.ts"
import { startGateway } from "./support/gateway.ts"
import { openProfile } from "./support/profile.ts"

const html = `<h1>Runs</h1> <p role="alert">It failed.</p> <button>Rename</button>
  <section role="dialog">New name</section>`

test("what a failed test adds to its errors is what its pages show and wait for, and where the last click went", async () => {
  const { gateway, sandbox } = await startGateway()
  const url = await gateway.listen()
  const { context, describePages } = await openProfile(await sharedBrowser())
  const page = await context.newPage()
  await page.goto(`${url}/health`)
  await page.evaluate(`document.body.innerHTML = ${JSON.stringify(html)}`)
  await page.getByRole("button").hover()
  await page.mouse.down()
  await page.getByRole("dialog").hover()
  await page.mouse.up()
  await page.evaluate("console.error('odd')")
  const hold = sandbox.hold()
  const body = JSON.stringify({ operationName: "Mine", query: "query Mine { searchCapsules { nodes { id } } }" })
  const sent = {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${tokens.ada}` },
    body,
  }
  await page.evaluate(`void fetch("/graphql", ${JSON.stringify(sent)})`)
  await hold.waitFor(1)
  expect((await describePages()).replace(/\d+ s$/m, "0 s")).toBe(`page: ${url}/health
headings: Runs
alerts: It failed.
dialogs: New name
last press: button "Rename"
last click: body
open requests: POST ${url}/graphql, Mine, 0 s
complaints: odd`)
  hold.end()
})
