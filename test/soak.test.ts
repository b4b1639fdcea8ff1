import { expect, test } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { startSandbox } from "../sandbox/server.ts"
import { expectationsOf, type Result, wrongIn } from "./soak/expected.ts"
import { ReplicaOutput } from "./soak/replicaOutput.ts"
import { soak } from "./soak/soak.ts"
import { Writes } from "./soak/writes.ts"
import { run } from "./support/process.ts"
import { restAt } from "./support/rest.ts"

test("under load and faults no response is wrong, nothing is sent twice, and nothing stays open (npm run soak takes longer)", async () => {
  const report = await soak(3)
  expect(report.wrong).toEqual([])
  expect(report.answers).toBeGreaterThan(64)
  expect(report.writes).toBeLessThanOrEqual(report.mutations)
  expect(report.last).toMatchObject({
    unhandledRejections: 0,
    warnings: [],
    linesWithToken: 0,
    linesWithStack: 0,
    stats: { requests: 0, subscriptions: 0, connections: 0, openResponses: 0, pollers: 0, listeners: 0 },
  })
})

test("the soak detects a response that is another caller's, is incomplete, or hides a refusal", async () => {
  const sandbox = await startSandbox()
  const [adas] = await expectationsOf(sandbox.url, tokens.ada, seed.countedCells)
  const [graces, refused] = await expectationsOf(sandbox.url, tokens.grace, seed.graceRun)
  await sandbox.close()
  const errorsAt = (paths: string[]) =>
    paths.map((path) => ({ message: "", path: path.split("."), extensions: { code: "FORBIDDEN" } }))
  const forbidden = errorsAt(graces!.forbidden)
  const fault = { message: "", path: ["capsules", 0, "appPanel"], extensions: { code: "UPSTREAM_UNAVAILABLE" } }
  const lost = (value: unknown) => {
    const data = structuredClone(graces!.data) as { capsules: Record<string, unknown>[] }
    data.capsules[0]!.appPanel = value
    return data
  }
  expect(refused!.forbidden).toEqual(["capsules.0"])
  expect(wrongIn({ data: refused!.data, errors: errorsAt(refused!.forbidden) }, refused!)).toBeUndefined()
  expect(wrongIn({ data: graces!.data, errors: forbidden }, graces!)).toBeUndefined()
  expect(wrongIn({ data: lost(null), errors: [...forbidden, fault] }, graces!)).toBeUndefined()

  expect(wrongIn({ data: adas!.data, errors: forbidden }, graces!)).toMatch(/^capsules\.\d/)
  expect(wrongIn({ data: refused!.data }, refused!)).toContain("no error at")
  expect(wrongIn({ data: lost(null), errors: forbidden }, graces!)).toContain("capsules.0.appPanel")
  expect(wrongIn({ data: lost({}), errors: [...forbidden, fault] }, graces!)).toContain("capsules.0.appPanel")
  const bug = { ...fault, extensions: { code: "INTERNAL_SERVER_ERROR" } }
  expect(wrongIn({ data: lost(null), errors: [...forbidden, bug] }, graces!)).toContain("INTERNAL_SERVER_ERROR")
})

test.each([
  ["it needs redis-server, which is not installed", ["--replicas", "2", "--redis"], "apt-get install redis-server"],
  ["replicas need a Redis", ["--replicas", "2"], "Usage:"],
  ["one process needs none", ["--redis"], "Usage:"],
  ["one replica is none", ["--replicas", "1", "--redis"], "Usage:"],
  ["it is too short for the kills", ["59", "--replicas", "2", "--redis"], "Usage:"],
  ["there is a typing error", ["--replica", "2"], "Usage:"],
])("the soak says what is missing, and starts nothing: %s", async (_title, args, message) => {
  const { output, exited } = run(process.execPath, ["test/soak/main.ts", ...args], { PATH: "/nowhere" })
  expect(await exited).toBe(1)
  expect(output()).toContain(message)
})

test("the soak detects a token that a replica writes in two parts, and when a replica works without Redis", () => {
  for (const secret of [tokens.ada, btoa(`${tokens.grace}:`)]) {
    const output = new ReplicaOutput()
    output.read(Buffer.from(`fine\nnot fine: ${secret.slice(0, 5)}`))
    expect(output.hasToken).toBe(false)
    output.read(Buffer.from(secret.slice(5)))
    output.end()
    expect(output.hasToken).toBe(true)
  }
  const output = new ReplicaOutput()
  const hasEnded = () => output.outages.map(({ to }) => to !== Number.POSITIVE_INFINITY)
  output.read(Buffer.from('{"msg":"Redis is not available: this process works alone until it is"}\n'))
  expect(hasEnded()).toEqual([false])
  output.read(Buffer.from('{"msg":"Redis is available again"}\n'))
  expect(hasEnded()).toEqual([true])
  output.read(Buffer.from('{"msg":"Redis is not available: this process works alone until it is"}\n'))
  output.end()
  expect(hasEnded()).toEqual([true, true])
})

test("the soak detects a rename that is sent twice, one that is not what the response says, and two captures of a result", async () => {
  const sandbox = await startSandbox()
  const rest = restAt(sandbox.url, tokens.ada)
  const rename = (name: string) => rest(`PATCH /computations/${seed.sortedRun}`, { query: { name } })
  const done = { data: { renameComputation: { computation: { id: seed.sortedRun } } } }
  const behaviours: [sends: number, answer: object | "broken", wrong: number, doubled: number][] = [
    [1, done, 0, 0],
    [2, done, 0, 1],
    [0, done, 1, 0],
    [0, "broken", 0, 0],
    [1, "broken", 0, 0],
    [1, { errors: [{ message: "", extensions: { code: "UPSTREAM_UNAVAILABLE" } }] }, 1, 0],
    [1, { errors: [{ message: "", extensions: { code: "UPSTREAM_UNAVAILABLE", outcomeUnknown: true } }] }, 0, 0],
    [1, { errors: [{ message: "", extensions: { code: "INTERNAL_SERVER_ERROR" } }] }, 1, 0],
  ]
  for (const [sends, answer, wrong, doubled] of behaviours) {
    sandbox.requests.length = 0
    await rename("before")
    sandbox.requests.length = 0
    const writes = new Writes(async (_token, _query, variables) => {
      const { name } = variables.input as { name: string }
      for (let sent = 0; sent < sends; sent++) await rename(name)
      return answer as Result | "broken"
    }, sandbox.url)
    let turns = 0
    await writes.rename(seed.sortedRun, () => turns++ === 0)
    for (const request of sandbox.requests) writes.count(request)
    expect([writes.wrong.length, writes.renames.doubled], JSON.stringify([sends, answer])).toEqual([wrong, doubled])
  }
  const writes = new Writes(async (_token, _query, { input }) => {
    const { name } = input as { name: string }
    const source = { computation: { id: seed.countedCells } }
    const { json } = await rest("POST /data_assets", { body: { name, tags: [], mount: "soak", source } })
    return { data: { captureResult: { dataAsset: { id: json.id, name } } } }
  }, sandbox.url)
  let turns = 0
  await writes.capture(
    "test",
    () => 2,
    () => turns++ === 0,
  )
  await writes.countCaptured()
  expect(writes.captures).toMatchObject([{ created: 2, clients: 2 }])
  await sandbox.close()
})
