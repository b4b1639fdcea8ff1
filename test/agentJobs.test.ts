import { readFile } from "node:fs/promises"
import { expect, test } from "vitest"
import { agentJobs } from "../tools/agentJobs.ts"
import { comparisonTable, measureAgents, readTheirFigures, spendTheirs, sumOf } from "../tools/compareAgents.ts"

/** The cells of the rows of a table. */
const rowsOf = (table: string) =>
  table
    .split("\n")
    .filter((line) => line.startsWith("| ") && !line.startsWith("| ---"))
    .slice(1)
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )

const page = await readFile(new URL("../docs/agents.md", import.meta.url), "utf8")
const [, section = ""] = /<!-- comparison: .*? -->\n(.*?)<!-- comparison end -->/s.exec(page) ?? []

test("the table of docs/agents.md has the calls and the tokens of every job (else: npm run agents)", async () => {
  const measured = await measureAgents()
  const theirs = await readTheirFigures()
  const expected = rowsOf(comparisonTable(measured, theirs))
  const written = rowsOf(section)
  expect(written.map((row) => row.slice(0, 5))).toEqual(expected.map((row) => row.slice(0, 5)))
  // Ids differ between measurements, and with them the number of tokens.
  for (const [at, [name, , , , , ...tokens]] of expected.entries()) {
    for (const [side, count] of tokens.entries()) {
      const difference = Math.abs(Number(written[at]![5 + side]) - Number(count))
      expect(difference, name).toBeLessThanOrEqual(Math.max(20, Number(count) * 0.05))
    }
  }
  for (const { job, spent } of measured.jobs) {
    const other = theirs.jobs[job.name]!
    expect(spent.toolCalls, job.name).toBeLessThanOrEqual(other.toolCalls)
    expect(spent.restCalls <= other.restCalls || job.note !== undefined, job.name).toBe(true)
  }
  const [ours, all] = [sumOf(measured.jobs.map(({ spent }) => spent)), sumOf(Object.values(theirs.jobs))]
  for (const figure of ["toolCalls", "restCalls", "tokens"] as const) expect(ours[figure]).toBeLessThan(all[figure])
})

test("the page says how many REST calls there are without the jobs about many data assets", async () => {
  const few = new Set(agentJobs.filter(({ many }) => !many).map(({ name }) => name))
  const rows = rowsOf(section).filter(([name = ""]) => few.has(name.replace(/ \(.*\)$/, "")))
  expect(rows).toHaveLength(few.size)
  const [ours, theirs] = [3, 4].map((cell) => rows.reduce((sum, row) => sum + Number(row[cell]), 0))
  expect(page).toContain(`ours makes ${ours} REST calls and theirs ${theirs}.`)
})

test("the figures of the other server have the calls that it makes on the sandbox", async () => {
  const { jobs, versions } = await readTheirFigures()
  for (const version of versions.split(", ")) expect(page).toContain(version)
  expect(Object.keys(jobs)).toEqual(agentJobs.map(({ name }) => name))
  for (const job of agentJobs) {
    const { toolCalls, restCalls } = await spendTheirs(job)
    expect(jobs[job.name], job.name).toMatchObject({ toolCalls, restCalls })
  }
})

test("the table has the twelve jobs of docs/jobs.md, and one more", () => {
  expect(agentJobs).toHaveLength(13)
})
