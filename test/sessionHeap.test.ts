import { fork } from "node:child_process"
import { randomBytes } from "node:crypto"
import { once } from "node:events"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { expect, onTestFinished, test } from "vitest"
import { compiled } from "./support/compiled.ts"
import { startFaultyUpstream } from "./support/faultyUpstream.ts"
import { openBrowser, secret, send } from "./support/sessions.ts"

/** A gateway in a process of its own, whose heap can be searched. */
async function startProcess() {
  const upstream = await startFaultyUpstream(({ headers }) =>
    headers.authorization?.startsWith(basic("cop_wrong"))
      ? { status: 401, body: { message: "unknown token" } }
      : { body: { has_more: false, results: [] } },
  )
  const folder = mkdtempSync(join(tmpdir(), "heap-"))
  const env = { ...process.env, ...compiled, CODEOCEAN_URL: upstream.url, PORT: "0", SESSION_SECRETS: secret }
  const child = fork(new URL("./support/replica.ts", import.meta.url), {
    env,
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  })
  onTestFinished(() => {
    child.disconnect()
    rmSync(folder, { recursive: true, force: true })
  })
  const [{ url }] = (await once(child, "message")) as [{ url: string }]
  return {
    url,
    /** Taking a snapshot collects all garbage first. */
    async heap(): Promise<Buffer> {
      child.send({ snapshot: join(folder, "one.heapsnapshot") })
      const [{ written }] = (await once(child, "message")) as [{ written: string }]
      return readFileSync(written)
    },
  }
}

const basic = (start: string) => `Basic ${btoa(start).replace(/=*$/, "").slice(0, -1)}`

test("after its requests a session's token is nowhere in the heap, and neither is a wrong one", {
  timeout: 60_000,
}, async () => {
  const { url, heap } = await startProcess()
  const token = (kind: string) => `cop_${kind}_${randomBytes(12).toString("hex")}`
  const [bearer, session, wrong] = [token("bearer"), token("session"), token("wrong")]
  const query = "{ searchCapsules(first: 1) { nodes { id } } }"
  const tab = openBrowser(async () => url)
  expect((await tab.post(session)).status).toBe(201)
  expect((await openBrowser(async () => url).post(wrong)).status).toBe(401)
  for (const text of [query, query, "{ __typename }", `{ capsule(id: "") { id } }`, "{ wrong }"]) await tab.ask(text)
  expect((await tab.get()).body.session).not.toBeNull()
  const headers = { authorization: `Bearer ${bearer}`, "content-type": "application/json" }
  await send(`${url}/graphql`, { method: "POST", headers, body: JSON.stringify({ query }) })
  const found = await heap()
  // The identities of Authorization headers are remembered for a minute, so this shows that tokens can be found.
  expect(found.includes(bearer)).toBe(true)
  for (const secretText of [session, wrong]) {
    expect(found.includes(secretText)).toBe(false)
    expect(found.includes(btoa(`${secretText}:`))).toBe(false)
  }
})
