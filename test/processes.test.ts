import { spawn, spawnSync } from "node:child_process"
import { randomUUID } from "node:crypto"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createConnection } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest"
import packageJson from "../package.json" with { type: "json" }
import { seed, tokens } from "../sandbox/seed.ts"
import { startSandbox } from "../sandbox/server.ts"
import { freePort } from "../tools/freePort.ts"
import { type Running, run } from "./support/process.ts"

/*
 * Several processes on one machine, as deploy/systemd has them: real gateways behind a real HAProxy. Skipped without it.
 */

const read = (path: string) => readFileSync(new URL(`../deploy/systemd/${path}`, import.meta.url), "utf8")
const unit = read("codeocean-gateway@.service")
const has = (command: string, option: string) => spawnSync(command, [option]).error === undefined
type CleanUp = (end: () => void | Promise<void>) => void
const hasHaproxy = has("haproxy", "-v")
if (!hasHaproxy) console.warn("Skipped: the tests of several processes need HAProxy.")

test("systemd starts the gateway with the flags of npm start", () => {
  const [, flags] = /exec node (--max-.+) --env-file/.exec(packageJson.scripts.start) ?? []
  expect(unit).toContain(`/node_modules/.bin/node ${flags} src/main.ts\n`)
})

test.skipIf(!has("systemd-analyze", "--version"))("systemd finds no mistake in the unit", () => {
  const folder = temporaryFolder()
  const path = join(folder, "codeocean-gateway@4001.service")
  writeFileSync(path, unit.replace(/^ExecStart=\S+/m, `ExecStart=${process.execPath}`))
  const { status, stdout, stderr } = spawnSync("systemd-analyze", ["verify", path], { encoding: "utf8" })
  expect(stdout + stderr).toBe("")
  expect(status).toBe(0)
})

function temporaryFolder(cleanUp: CleanUp = onTestFinished): string {
  const folder = mkdtempSync(join(tmpdir(), "processes-"))
  cleanUp(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Two gateways behind HAProxy. */
async function startProcesses(cleanUp: CleanUp) {
  const sandbox = await startSandbox()
  cleanUp(() => sandbox.close())
  const [address, ...ports] = [await freePort(), await freePort(), await freePort()] as [number, number, number]
  const start = (port: number) =>
    run(
      process.execPath,
      ["src/main.ts"],
      { CODEOCEAN_URL: sandbox.url, PORT: String(port), TRUSTED_PROXIES: "1", CALLER_REQUESTS_PER_SECOND: "0" },
      { cleanUp },
    )
  const processes = ports.map(start)
  const configuration = join(temporaryFolder(cleanUp), "haproxy.cfg")
  const site = read("haproxy.cfg").replace("bind :80", `bind 127.0.0.1:${address}`)
  writeFileSync(
    configuration,
    site.replaceAll(/127\.0\.0\.1:400(\d)/g, (_, n) => `127.0.0.1:${ports[n - 1]}`),
  )
  await Promise.all(processes.map(({ said }) => said(/"listening"/)))
  const haproxy = spawn("haproxy", ["-db", "-f", configuration], { stdio: "ignore" })
  cleanUp(() => void haproxy.kill())
  await connectable(address)
  return {
    sandbox,
    processes,
    restart: (n: number) => start(ports[n] as number),
    url: `http://127.0.0.1:${address}/graphql`,
  }
}

async function connectable(port: number): Promise<void> {
  for (;;) {
    const connected = await new Promise<boolean>((resolve) => {
      const socket = createConnection(port, "127.0.0.1", () => resolve(true)).on("error", () => resolve(false))
      socket.on("connect", () => socket.destroy())
    })
    if (connected) return
  }
}

const requestsOf = ({ output }: { output(): string }) => output().split('"msg":"request"').length - 1

describe.skipIf(!hasHaproxy)("two processes behind HAProxy", () => {
  const ends: (() => void | Promise<void>)[] = []
  let world: Awaited<ReturnType<typeof startProcesses>>
  beforeAll(async () => {
    world = await startProcesses((end) => void ends.push(end))
  })
  afterAll(async () => void (await Promise.all(ends.map((end) => end()))))

  const ask = (token: string, query = "{ __typename }", headers: Record<string, string> = {}) =>
    fetch(world.url, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${token}`, ...headers },
      body: JSON.stringify({ query }),
    })

  /** The number of the process that answers this caller. */
  async function processOf(token: string): Promise<number> {
    const id = randomUUID()
    await ask(token, undefined, { "x-request-id": id })
    const ofRequest = () => world.processes.findIndex(({ output }) => output().includes(id))
    await expect.poll(ofRequest).not.toBe(-1)
    return ofRequest()
  }

  test("HAProxy sends all requests of one caller to one process, and those of many callers to both", async () => {
    const { processes } = world
    for (let n = 0; n < 10; n++) expect((await ask("ada")).status).toBe(200)
    await expect.poll(() => processes.map(requestsOf).toSorted()).toEqual([0, 10])
    await Promise.all(Array.from({ length: 50 }, (_, n) => ask(`caller ${n}`)))
    await expect.poll(() => processes.map(requestsOf).reduce((sum, count) => sum + count)).toBe(60)
    for (const count of processes.map(requestsOf)) expect(count).toBeGreaterThan(10)
  })

  test("no request fails while a process is told to stop and another takes its place", async () => {
    const { processes, restart } = world
    const n = await processOf(tokens.ada)
    const stopped = processes[n] as Running
    const statuses: number[] = []
    let goesOn = true
    const clients = Array.from({ length: 4 }, async (_, n) => {
      while (goesOn) statuses.push((await ask(n === 0 ? tokens.ada : `caller ${n}`)).status)
    })
    stopped.child.kill("SIGTERM")
    expect(await stopped.exited).toBe(0)
    const replaced = restart(n)
    processes[n] = replaced
    await replaced.said(/"listening"/)
    await expect.poll(() => requestsOf(replaced)).toBeGreaterThan(0)
    await expect.poll(() => statuses.length).toBeGreaterThan(100)
    goesOn = false
    await Promise.all(clients)
    expect(new Set(statuses)).toEqual(new Set([200]))
  })

  test("after a process was killed, its callers reach the other, and its mutation in flight is not sent again", async () => {
    const { sandbox, processes } = world
    const killed = processes[await processOf(tokens.ada)] as Running
    const hold = sandbox.hold()
    const mutation = `mutation { archiveCapsule(input: { id: "${seed.cellCounter}", archived: true }) { __typename } }`
    const answer = ask(tokens.ada, mutation)
    const archiving = () => sandbox.requests.filter(({ path }) => path.includes("/archive")).length
    await expect.poll(archiving).toBe(1)
    killed.child.kill("SIGKILL")
    // HAProxy answers with 502, or closes the connection if it was not the connection's first request.
    expect(
      await answer.then(
        ({ status }) => status,
        () => 502,
      ),
    ).toBe(502)
    // Its sockets are closed one by one: until the last of them is, a connection may still be accepted, and is then lost.
    await killed.exited
    hold.end()
    for (let n = 0; n < 10; n++) expect((await ask(tokens.ada)).status).toBe(200)
    expect(archiving()).toBe(1)
  })
})
