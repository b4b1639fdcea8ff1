import { once } from "node:events"
import { readFileSync } from "node:fs"
import { createServer } from "node:net"
import { expect, onTestFinished, test } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { startSandbox } from "../sandbox/server.ts"
import { createExamples } from "../src/http/graphiql/examples.ts"
import { startGatewayOn } from "./support/gateway.ts"
import { follow } from "./support/live.ts"
import { run } from "./support/process.ts"

const gateway = (env: Record<string, string>) => run(process.execPath, ["src/main.ts"], { PORT: "0", ...env })

const ask = (url: string, query: string) =>
  fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${tokens.ada}` },
    body: JSON.stringify({ query }),
  }).then((response) => response.json())

/** A port on which another server listens. */
async function takenPort(): Promise<string> {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  onTestFinished(() => void server.close())
  return String((server.address() as { port: number }).port)
}

test("a gateway with wrong settings names all of them and exits with 1", async () => {
  const { exited, output } = gateway({ PORT: "many", GRAPHIQL: "perhaps" })
  expect(await exited).toBe(1)
  for (const name of ["CODEOCEAN_URL", "PORT", "GRAPHIQL"]) expect(output()).toContain(name)
  expect(output()).not.toContain("    at ")
})

test("a gateway whose port is taken says so and exits with 1", async () => {
  const { exited, output } = gateway({ CODEOCEAN_URL: "http://127.0.0.1:9", PORT: await takenPort() })
  expect(await exited).toBe(1)
  expect(output()).toMatch(
    /can't listen on 127\.0\.0\.1:\d+: the port is taken\. Stop what listens there, or set PORT\./,
  )
})

/** Whether a process without privileges can't listen on this port. */
const isPrivileged = (port: number) => {
  try {
    return port < Number(readFileSync("/proc/sys/net/ipv4/ip_unprivileged_port_start", "utf8"))
  } catch {
    return true
  }
}

test.skipIf(!isPrivileged(80))("a gateway that may not listen on port 80 says why, and what to set", async () => {
  const nobody = process.getuid?.() === 0 ? { uid: 65_534 } : {}
  const { exited, output } = run(
    process.execPath,
    ["src/main.ts"],
    { CODEOCEAN_URL: "http://127.0.0.1:9", PORT: "80" },
    nobody,
  )
  expect(await exited).toBe(1)
  expect(output()).toContain(
    "can't listen on 127.0.0.1:80: ports below 1024 need privileges. Set PORT to 1024 or more.",
  )
})

test.each([
  ["another machine's address", "192.0.2.1", "HOST is not an address of this machine. Set HOST to"],
  ["another machine's IPv6 address", "2001:db8::1", "HOST is not an address of this machine|no addresses of that kind"],
  ["no name that exists", "nowhere.invalid", "HOST is (neither an IP address nor a name|a name, and the name server)"],
  [
    "an address with a scheme",
    "http://127.0.0.1",
    "HOST is (neither an IP address nor a name|a name, and the name server)",
  ],
  ["an address in brackets", "[::1]", "HOST is (neither an IP address nor a name|a name, and the name server)"],
])("a gateway whose HOST is %s says that, and what to set", async (_what, host, reason) => {
  const listening = startGatewayOn("http://127.0.0.1:9", { config: { host } }).gateway.listen()
  await expect(listening).rejects.toThrow(new RegExp(reason))
  await expect(listening).rejects.not.toThrow("the port is taken")
})

test("a gateway with errors that nothing catches goes on, with a few bounded lines in its log; told to stop, it is not ready, loses none of 50 slow requests, completes its streams, and then exits with 0", async () => {
  const sandbox = await startSandbox()
  onTestFinished(() => sandbox.close())
  const { child, said, exited, output } = run(
    process.execPath,
    ["--import", "./test/support/uncaught.ts", "src/main.ts"],
    { PORT: "0", CODEOCEAN_URL: sandbox.url, LOG_PRETTY: "false" },
  )
  const url = await said(/"url":"([^"]+)"/)
  child.kill("SIGUSR2")
  await said(/uncaught error/)
  expect(await ask(url, `{ capsule(id: "${seed.cellCounter}") { name } }`)).toEqual({
    data: { capsule: { name: "Cell Counter" } },
  })
  const events = await follow(
    new URL(url).origin,
    `subscription { computation(id: "${seed.runningAlignment}") { state } }`,
  )
  expect(await events.next()).toBeDefined()
  const hold = sandbox.hold()
  // Each has another page size, because equal ones would share a call.
  const answers = Array.from({ length: 50 }, (_, at) =>
    ask(url, `{ searchCapsules(first: ${at + 1}) { nodes { id } pageInfo { hasNextPage } } }`),
  )
  await hold.waitFor(50)
  child.kill("SIGTERM")
  await said(/stopping/)
  expect((await fetch(new URL("/ready", url))).status).toBe(503)
  expect(await events.next()).toBeUndefined()
  hold.end()
  for (const [at, { data, errors }] of (await Promise.all(answers)).entries()) {
    expect(errors).toBeUndefined()
    expect(data.searchCapsules.nodes.length, `first: ${at + 1}`).toBeGreaterThan(0)
  }
  expect(await exited).toBe(0)
  expect(output()).toContain('"finished":true')
  expect(output()).not.toContain(tokens.ada)
  const lines = output()
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line))
  const uncaught = lines.filter(({ msg }) => msg.startsWith("uncaught error"))
  expect(uncaught).toHaveLength(5)
  expect(uncaught).toContainEqual(
    expect.objectContaining({
      level: "error",
      err: expect.objectContaining({ type: "TypeError", message: "rejected" }),
    }),
  )
  expect(lines.filter(({ msg }) => msg === "Node.js warning")).toHaveLength(1)
  for (const line of uncaught) expect(JSON.stringify(line).length).toBeLessThan(8 * 1024)
})

test("the start warns of a token for everyone who can reach the gateway, and of removed settings; a second signal stops it at once, whatever is in flight", async () => {
  const sandbox = await startSandbox()
  onTestFinished(() => sandbox.close())
  const everyone = { CODEOCEAN_TOKEN: "cop_everyones", HOST: "0.0.0.0" }
  const env = { CODEOCEAN_URL: sandbox.url, REQUEST_DEADLINE_MS: "3600000", ...everyone, PLAIN_PATH: "false" }
  const { child, said, exited, output } = gateway(env)
  const { port } = new URL(await said(/"url":"([^"]+)"/))
  expect(output().match(/"level":"warn"/g)).toHaveLength(2)
  expect(output()).toContain(
    "no longer settings and are ignored (the values that are used are in parentheses): PLAIN_PATH (always on).",
  )
  expect(output()).toMatch(/CODEOCEAN_TOKEN is set and HOST is 0\.0\.0\.0/)
  const hold = sandbox.hold()
  const url = `http://127.0.0.1:${port}/graphql`
  const answer = ask(url, `{ capsule(id: "${seed.cellCounter}") { name } }`).catch(() => "cut off")
  await hold.waitFor(1)
  child.kill("SIGTERM")
  await said(/stopping/)
  // Signals within the first second are ignored: a terminal and npm send several for one Ctrl+C.
  const again = setInterval(() => child.kill("SIGTERM"), 100)
  onTestFinished(() => clearInterval(again))
  expect(await exited).toBe(1)
  expect(await answer).toBe("cut off")
  expect(output()).not.toContain("cop_everyones")
})

test("a gateway that fails while it starts says why and exits with 1", async () => {
  const breaking = "process.on('newListener', (name) => name === 'warning' && delete globalThis.WeakMap)"
  const { exited, output } = run(process.execPath, ["--import", `data:text/javascript,${breaking}`, "src/main.ts"], {
    PORT: "0",
    CODEOCEAN_URL: "http://127.0.0.1:9",
  })
  expect(await exited).toBe(1)
  expect(output()).toContain("WeakMap is not defined")
})

test("a gateway told to stop while it starts exits with 0", async () => {
  const { child, said, exited } = gateway({ CODEOCEAN_URL: "http://127.0.0.1:9" })
  await said(/starting/)
  child.kill("SIGTERM")
  expect(await exited).toBe(0)
})

test("npm start with LOG_PRETTY=true writes readable lines, hands the signal on, and leaves no process behind", async () => {
  const env = { CODEOCEAN_URL: "http://127.0.0.1:9", PORT: "0", LOG_PRETTY: "true" }
  const { child, said, exited, output } = run("npm", ["start"], env)
  const [url] = /http:[^"]+/.exec(await said(/INFO.*listening.*"url".*/)) as unknown as [string]
  expect(output()).not.toContain('{"level"')
  child.kill("SIGTERM")
  await exited
  await expect.poll(() => fetch(url).catch(() => "gone")).toBe("gone")
})

test("the demo answers GraphiQL's examples that need no ids, and stops when told", async () => {
  const { child, said, exited, output } = run(process.execPath, ["sandbox/demo.ts"], { PORT: "0" })
  const url = await said(/GraphiQL\s+(http\S+)/)
  await said(/Ctrl\+C/)
  expect((await fetch(await said(/Explorer\s+(http\S+)/))).status).toBe(200)
  for (const token of Object.values(tokens)) expect(output()).toContain(token)
  const examples = createExamples().filter(({ variables = {} }) => !Object.values(variables).includes(""))
  expect(examples).toHaveLength(3)
  for (const { query } of examples) expect(Object.keys(await ask(url, query)), query).toEqual(["data"])
  child.kill("SIGINT")
  expect(await exited).toBe(0)
})

test("the demo says what to do when its port is taken", async () => {
  const port = await takenPort()
  const { exited, output } = run(process.execPath, ["sandbox/demo.ts"], { PORT: port })
  expect(await exited).toBe(1)
  expect(output()).toContain(`can't listen on 127.0.0.1:${port}: the port is taken`)
})
