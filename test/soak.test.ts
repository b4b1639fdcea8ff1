import { expect, test } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { startSandbox } from "../sandbox/server.ts"
import { expectationsOf, wrongIn } from "./soak/expected.ts"
import { soak } from "./soak/soak.ts"

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
