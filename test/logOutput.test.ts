import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { expect, onTestFinished, test, vi } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { startSandbox } from "../sandbox/server.ts"
import { freePort } from "../tools/freePort.ts"
import { compiled } from "./support/compiled.ts"

interface Running {
  ask(): Promise<unknown>
  ready(): Promise<{ status: number; body: Record<string, unknown> }>
  /** Its standard error. */
  errors(): string
  child: ChildProcess
  /** Stops it, and resolves with its exit code. */
  stop(): Promise<number | null>
}

/** A gateway process with these files as standard output and standard error. */
async function start(
  stdout: number | "pipe",
  stderr: number | "pipe" = "pipe",
  { command, ...env }: { command?: string; LOG_LEVEL?: string } = {},
): Promise<Running> {
  const sandbox = await startSandbox()
  onTestFinished(() => sandbox.close())
  const port = await freePort()
  const [file, args] = command === undefined ? [process.execPath, ["src/main.ts"]] : ["sh", ["-c", command]]
  const child = spawn(file, args, {
    stdio: ["ignore", stdout, stderr],
    env: {
      PATH: process.env.PATH,
      ...compiled,
      NODE: process.execPath,
      CODEOCEAN_URL: sandbox.url,
      PORT: String(port),
      ...env,
    },
  })
  onTestFinished(() => void child.kill("SIGKILL"))
  let errors = ""
  child.stderr?.on("data", (chunk) => (errors += chunk))
  const url = `http://127.0.0.1:${port}`
  await vi.waitFor(() => fetch(`${url}/health`), { timeout: 50_000, interval: 50 })
  return {
    async ask() {
      const response = await fetch(`${url}/graphql`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${tokens.ada}` },
        body: JSON.stringify({ query: `{ capsule(id: "${seed.cellCounter}") { name } }` }),
        signal: AbortSignal.timeout(60_000),
      })
      return response.json()
    },
    async ready() {
      const response = await fetch(`${url}/ready`, { signal: AbortSignal.timeout(60_000) })
      return { status: response.status, body: (await response.json()) as Record<string, unknown> }
    },
    errors: () => errors,
    child,
    async stop() {
      child.kill("SIGTERM")
      const [code] = await once(child, "close", { signal: AbortSignal.timeout(60_000) })
      return code
    },
  }
}

/** A named pipe, and descriptors for it. */
function createPipe() {
  const folder = mkdtempSync(join(tmpdir(), "log-"))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const path = join(folder, "pipe")
  execFileSync("mkfifo", [path])
  const open = (flags: number) => {
    const fd = openSync(path, flags)
    let isOpen = true
    const close = () => {
      if (isOpen) closeSync(fd)
      isOpen = false
    }
    onTestFinished(close)
    return { fd, close }
  }
  return {
    reader: () => open(constants.O_RDONLY | constants.O_NONBLOCK),
    writer: (flags = 0) => open(constants.O_WRONLY | flags),
  }
}

function fill(fd: number): void {
  const spaces = Buffer.alloc(4096, " ")
  expect(() => {
    for (;;) writeSync(fd, spaces)
  }).toThrow("EAGAIN")
}

/** The present content of the pipe. */
function read(fd: number): string {
  const buffer = Buffer.alloc(1024 * 1024)
  try {
    return buffer.toString("utf8", 0, readSync(fd, buffer))
  } catch {
    return ""
  }
}

const answer = { data: { capsule: { name: "Cell Counter" } } }

/** A full disk. */
function fullDisk(): number {
  const fd = openSync("/dev/full", "w")
  onTestFinished(() => closeSync(fd))
  return fd
}

test("a gateway whose log's disk is full goes on answering, says so once, and stops with 0", async () => {
  const { ask, ready, errors, stop } = await start(fullDisk())
  await vi.waitFor(async () =>
    expect(await ready()).toMatchObject({ status: 200, body: { ready: true, log: "failing: ENOSPC" } }),
  )
  for (let round = 0; round < 20; round++) expect(await ask()).toEqual(answer)
  expect(await stop()).toBe(0)
  expect(errors()).toMatch(/^The log can't be written: ENOSPC.*\n$/)
})

test("a gateway that can write neither its log nor to standard error goes on answering, and stops with 0", async () => {
  const { ask, stop } = await start(fullDisk(), fullDisk())
  expect(await ask()).toEqual(answer)
  expect(await stop()).toBe(0)
})

test("a gateway whose log is a full pipe that nobody reads goes on answering, and stops with 0", async () => {
  const pipe = createPipe()
  pipe.reader()
  fill(pipe.writer(constants.O_NONBLOCK).fd)
  const { ask, stop } = await start(pipe.writer().fd)
  expect(await ask()).toEqual(answer)
  expect(await stop()).toBe(0)
})

test("no line is lost of a log whose pipe was full for a while; a gateway whose log's reader went away goes on answering, and writes again for the next reader", async () => {
  const pipe = createPipe()
  const reader = pipe.reader()
  fill(pipe.writer(constants.O_NONBLOCK).fd)
  const { ask, ready, errors, stop } = await start(pipe.writer().fd)
  for (let round = 0; round < 20; round++) expect(await ask()).toEqual(answer)
  let log = ""
  await vi.waitFor(() => {
    log += read(reader.fd)
    expect(log.match(/"msg":"request"/g)).toHaveLength(20)
    expect(log).toMatch(/\n$/)
  })
  expect((await ready()).body).not.toHaveProperty("log")
  expect(
    log
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line).msg),
  ).toEqual(expect.arrayContaining(["starting", "listening", "request"]))

  reader.close()
  expect(await ask()).toEqual(answer)
  await vi.waitFor(async () => expect((await ready()).body).toMatchObject({ ready: true, log: "failing: EPIPE" }))
  await vi.waitFor(() => expect(errors()).toContain("EPIPE"))
  const next = pipe.reader()
  await vi.waitFor(() => expect(read(next.fd)).toContain('"msg":"request"'))
  expect((await ready()).body).not.toHaveProperty("log")
  expect(await stop()).toBe(0)
  expect(read(next.fd)).toContain('"msg":"stopped"')
})

test("a gateway whose log is a socket that nobody reads goes on answering, and stops with 0", async () => {
  const { child, ask, stop } = await start("pipe", "pipe", { LOG_LEVEL: "debug" })
  child.stdout?.pause()
  const requests = 600
  for (let sent = 0; sent < requests; sent += 50) {
    const answers = await Promise.all(Array.from({ length: 50 }, ask))
    expect(answers).toContainEqual(answer)
  }
  expect(await stop()).toBe(0)
  let log = ""
  for await (const chunk of child.stdout ?? []) log += chunk
  expect(log.split('"msg":"request"').length - 1, "lines that were written before nothing more fitted in").toBeLessThan(
    requests,
  )
})

test("a gateway without standard output goes on answering, and stops with 0", async () => {
  const { ask, stop } = await start("pipe", "pipe", { command: 'exec "$NODE" src/main.ts >&-' })
  expect(await ask()).toEqual(answer)
  expect(await stop()).toBe(0)
})
