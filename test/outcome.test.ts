import { describe, expect, test } from "vitest"
import { seed } from "../sandbox/seed.ts"
import { type Outcome, outcomeOf } from "../src/graph/computation/outcome.ts"
import type { Computation } from "../src/graph/computation/rest.ts"
import { startStorage } from "./support/faultyUpstream.ts"
import { callsOf, startGateway, startGatewayOn } from "./support/gateway.ts"

/** The values of each sign as in the table. "none" means that it is missing. */
const signs = {
  state: {
    initializing: "initializing",
    running: "running",
    finalizing: "finalizing",
    completed: "completed",
    failed: "failed",
    unheard: "hibernated",
    none: undefined,
  },
  end: { succeeded: "succeeded", failed: "failed", stopped: "stopped", unheard: "preempted", none: undefined },
  exit: { zero: 0, bad: 137, none: undefined },
  results: { yes: true, no: false, none: undefined },
  workstation: { yes: true, no: false },
}

/** State, end status, exit code, results, workstation, and the outcome. Each combination is in exactly one row. */
const table: [string, string, string, string, string, Outcome][] = [
  ["initializing running finalizing", "*", "*", "*", "*", "IN_PROGRESS"],
  ["unheard none", "*", "*", "*", "*", "SUSPECT"],
  ["completed failed", "unheard", "*", "*", "*", "SUSPECT"],
  ["completed failed", "stopped", "*", "*", "*", "STOPPED"],
  ["completed failed", "failed", "*", "*", "*", "FAILED"],
  ["failed", "none", "*", "*", "*", "FAILED"],
  ["failed", "succeeded", "*", "*", "*", "SUSPECT"],
  ["completed", "succeeded", "bad", "*", "*", "SUSPECT"],
  ["completed", "succeeded", "zero none", "yes", "*", "SUCCEEDED"],
  ["completed", "succeeded", "zero none", "no none", "no", "SUSPECT"],
  ["completed", "succeeded", "zero none", "no none", "yes", "SUCCEEDED"],
  ["completed", "none", "bad", "*", "*", "FAILED"],
  ["completed", "none", "none", "*", "*", "SUSPECT"],
  ["completed", "none", "zero", "yes", "*", "SUCCEEDED"],
  ["completed", "none", "zero", "no none", "no", "SUSPECT"],
  ["completed", "none", "zero", "no none", "yes", "SUCCEEDED"],
]

const words = (sign: keyof typeof signs) => Object.keys(signs[sign])
const combinations = words("state").flatMap((state) =>
  words("end").flatMap((end) =>
    words("exit").flatMap((exit) =>
      words("results").flatMap((results) =>
        words("workstation").map((workstation) => [state, end, exit, results, workstation] as const),
      ),
    ),
  ),
)

const runWith = ([state, end, exit, results, workstation]: (typeof combinations)[number]) =>
  ({
    state: signs.state[state as keyof typeof signs.state],
    end_status: signs.end[end as keyof typeof signs.end],
    exit_code: signs.exit[exit as keyof typeof signs.exit],
    has_results: signs.results[results as keyof typeof signs.results],
    cloud_workstation: signs.workstation[workstation as keyof typeof signs.workstation],
  }) as Computation

describe("the outcome of a run", () => {
  test("the outcome of a run follows its table, for every combination of signs", () => {
    expect(combinations).toHaveLength(7 * 5 * 3 * 3 * 2)
    for (const combination of combinations) {
      const rows = table.filter((row) =>
        combination.every((word, sign) => row[sign] === "*" || row[sign]?.split(" ").includes(word)),
      )
      expect(rows, combination.join(" ")).toHaveLength(1)
      expect(outcomeOf(runWith(combination)).outcome, combination.join(" ")).toBe(rows[0]?.[5])
    }
  })

  test("the outcome of a run has reasons, as sentences, unless it is in progress or succeeded", () => {
    for (const combination of combinations) {
      const { outcome, reasons } = outcomeOf(runWith(combination))
      expect(reasons.length > 0, combination.join(" ")).toBe(outcome !== "IN_PROGRESS" && outcome !== "SUCCEEDED")
      for (const reason of reasons) expect(reason).toMatch(/^[A-Z].*\.$/)
    }
  })

  test("the outcome of a run is read from loosely typed values", () => {
    const loose = { state: "Completed", end_status: "", exit_code: "0", has_results: "true" }
    expect(outcomeOf(loose as never).outcome).toBe("SUCCEEDED")
    expect(outcomeOf({ ...loose, exit_code: "137" } as never).outcome).toBe("FAILED")
    expect(outcomeOf({ ...loose, exit_code: "oops" } as never)).toEqual({
      outcome: "SUSPECT",
      reasons: ['Its exit code, "oops", is not a number.'],
    })
  })

  test("the outcome of every run of the sandbox is known without a call of its own", async () => {
    const { ask, sandbox } = await startGateway()
    const { data, errors } = await ask(`{
      hollow: computation(id: "${seed.hollowSuccess}") { state endStatus outcome outcomeReasons }
      counted: computation(id: "${seed.countedCells}") { outcome outcomeReasons }
      stopped: computation(id: "${seed.stoppedCount}") { outcome outcomeReasons }
      failed: computation(id: "${seed.failedSorting}") { outcome outcomeReasons }
      workstation: computation(id: "${seed.workstation}") { outcome outcomeReasons }
      preempted: computation(id: "${seed.preemptedCount}") { outcome outcomeReasons }
      running: computation(id: "${seed.runningAlignment}") { outcome outcomeReasons }
    }`)
    expect(errors).toBeUndefined()
    expect(data).toEqual({
      hollow: {
        state: "COMPLETED",
        endStatus: "SUCCEEDED",
        outcome: "SUSPECT",
        outcomeReasons: ["Its end status is succeeded, but its exit code is 1."],
      },
      counted: { outcome: "SUCCEEDED", outcomeReasons: [] },
      stopped: { outcome: "STOPPED", outcomeReasons: ["It was stopped."] },
      failed: { outcome: "FAILED", outcomeReasons: ["Code Ocean reports that it failed.", "Its exit code is 137."] },
      workstation: { outcome: "SUCCEEDED", outcomeReasons: [] },
      preempted: {
        outcome: "SUSPECT",
        outcomeReasons: ['Its end status, "preempted", is unknown.', "Its exit code is 143."],
      },
      running: { outcome: "IN_PROGRESS", outcomeReasons: [] },
    })
    expect(sandbox.requests).toHaveLength(7)
  })
})

describe("the log of a run", () => {
  const log = (id: string, tail = "") => `{ computation(id: "${id}") { log${tail} } }`

  test("the log of a run is its result file `output`, for two calls", async () => {
    const { ask, sandbox } = await startGateway()
    expect(await ask(log(seed.countedCells))).toEqual({
      data: { computation: { log: "Loading 2 sections\nsection 1: 812 cells\nsection 2: 790 cells ✓\nDone\n" } },
    })
    expect(callsOf(sandbox.requests)).toEqual({
      [`GET /computations/${seed.countedCells}`]: 1,
      [`GET /computations/${seed.countedCells}/results/urls`]: 1,
    })
  })

  test("the last lines of a log tell why a completed run did not succeed", async () => {
    const { ask } = await startGateway()
    const { data } = await ask(log(seed.hollowSuccess, "(tail: 2)"))
    expect(data.computation.log).toBe('  File "sort.py", line 9\nMemoryError\n')
  })

  test("a tail of more lines than a log has is the whole log", async () => {
    const { ask } = await startGateway()
    const { data } = await ask(log(seed.sortedRun, "(tail: 1000)"))
    expect(data.computation.log).toBe("Starting Mouse 730945\nDone\n")
  })

  test("the log of a run without results is null, without a call", async () => {
    const { ask, sandbox } = await startGateway()
    expect(await ask(log(seed.stoppedCount, "(tail: 5)"))).toEqual({ data: { computation: { log: null } } })
    expect(sandbox.requests).toHaveLength(1)
  })

  test("the log of a run is null while the run goes on, and present once it has ended", async () => {
    const { ask, sandbox } = await startGateway()
    expect(await ask(log(seed.queuedSorting))).toEqual({ data: { computation: { log: null } } })
    sandbox.clock.advance(3600)
    const { data } = await ask(log(seed.queuedSorting, "(tail: 1)"))
    expect(data.computation.log).toBe("RuntimeError: stopped early\n")
  })

  test.each([0, -3])("a tail of %i lines is refused before anything is read", async (tail) => {
    const { ask, sandbox } = await startGateway()
    const { errors } = await ask(log(seed.countedCells, `(tail: ${tail})`))
    expect(errors?.[0]?.extensions.code).toBe("BAD_USER_INPUT")
    expect(errors?.[0]?.message).toContain("at least 1")
    expect(sandbox.requests).toHaveLength(1)
  })

  /** A storage with one log, which serves ranges of it as S3 does. */
  const startLog = async (content: Buffer) => {
    const storage = await startStorage(({ headers }, response) => {
      const [, length] = /^bytes=-(\d+)$/.exec(headers.range ?? "") ?? []
      const start = Math.max(0, content.length - Number(length ?? content.length))
      if (length !== undefined && content.length === 0) {
        response.writeHead(416, { "content-range": "bytes */0" }).end()
        return
      }
      const range = { "content-range": `bytes ${start}-${content.length - 1}/${content.length}` }
      response.writeHead(length === undefined ? 200 : 206, {
        "content-length": content.length - start,
        ...(length !== undefined && range),
      })
      response.end(content.subarray(start))
    })
    return { storage, ...startGatewayOn(storage.url) }
  }

  test("a log of five megabytes is refused with its size, and its end can be read with `tail`", async () => {
    const lines = Array.from({ length: 50_000 }, (_, index) => `${index}`.padEnd(100, ".")).join("\n")
    const { ask, storage } = await startLog(Buffer.from(`${lines}\n`))
    const { errors } = await ask(log("c1"))
    expect(errors?.[0]?.extensions.code).toBe("BAD_USER_INPUT")
    expect(errors?.[0]?.message).toContain(String(50_000 * 101))
    expect(errors?.[0]?.message).toContain("`tail`")

    const { data } = await ask(log("c1", "(tail: 3)"))
    expect(data.computation.log.match(/\d+/g)).toEqual(["49997", "49998", "49999"])
    expect(storage.reads()).toHaveLength(2)
    expect(storage.reads()[1]?.headers.range).toBe("bytes=-65536")
  })

  test("a tail of long lines reads further back, and shows no line without its beginning", async () => {
    const lines = Array.from({ length: 100 }, (_, index) => `${index}:${"ü".repeat(10_000)}`).join("\n")
    const { ask, storage } = await startLog(Buffer.from(lines))
    const { data } = await ask(log("c1", "(tail: 20)"))
    expect(data.computation.log).toBe(lines.split("\n").slice(-20).join("\n"))
    expect(storage.reads().map(({ headers }) => headers.range)).toEqual(["bytes=-65536", "bytes=-1048576"])

    const all = await ask(log("c1", "(tail: 100)"))
    expect(all.data.computation.log).toBe(lines.split("\n").slice(-52).join("\n"))
  })

  test("a tail of one endless line starts at the first whole character within the last mebibyte", async () => {
    const { ask } = await startLog(Buffer.from(`${"€".repeat(500_000)}!!`))
    const { data } = await ask(log("c1", "(tail: 1)"))
    expect(data.computation.log).toBe(`${"€".repeat(Math.floor((1024 * 1024 - 2) / 3))}!!`)
  })

  test("an empty log is an empty text", async () => {
    const { ask } = await startLog(Buffer.alloc(0))
    expect((await ask(log("c1", "(tail: 5)"))).data.computation.log).toBe("")
    expect((await ask(log("c1"))).data.computation.log).toBe("")
  })

  test("bytes of a log that are no UTF-8 are shown as replacement characters", async () => {
    const { ask } = await startLog(Buffer.from([0x61, 0xff, 0x62, 0x0a]))
    expect((await ask(log("c1"))).data.computation.log).toBe("a\ufffdb\n")
  })

  test("a log that the storage sends only whole is read, and refused if it is too large", async () => {
    const sizes: Record<string, number> = { small: 50, large: 3_000_000 }
    for (const [name, size] of Object.entries(sizes)) {
      const content = "0123456789abcdefghijklm\n\n".repeat(Math.ceil(size / 25)).slice(0, size)
      const storage = await startStorage((_request, response) => {
        response.writeHead(200, { "content-length": size }).end(content)
      })
      const { ask } = startGatewayOn(storage.url)
      const { data, errors } = await ask(log("c1", "(tail: 1)"))
      if (name === "small") expect(data.computation.log).toBe("\n")
      else expect(errors?.[0]?.message).toContain("3000000")
    }
  })
})
