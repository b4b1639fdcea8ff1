import { globSync, readFileSync } from "node:fs"
import { availableParallelism } from "node:os"
import { join } from "node:path"
import { defineConfig } from "vitest/config"
import { BaseSequencer, type TestSpecification } from "vitest/node"

// Where to leave a report for machines, if anyone wants one.
const report = process.env.VITEST_JSON

/**
 * What a test file contains that measures its process, or that slows down all that follows in it. Such a file has a process of its own.
 * The other files share a few processes: to start one and to import the gateway takes 0.8 s of CPU time. They restore what they change
 * in them, which `test/support/setup.ts` verifies.
 */
const ownProcess = /countWork|process\.(memoryUsage|getActive)/
/** What a test file contains that uses other processes: a browser, Redis, gateways. Most of these files take long. */
const otherProcesses = /node:child_process|support\/(process|browser|explorer|redis|deploy|replicas|agents)/

const files = globSync("test/**/*.test.ts", { cwd: import.meta.dirname })
const textOf = new Map(
  files.map((file) => [join(import.meta.dirname, file), readFileSync(new URL(file, import.meta.url), "utf8")]),
)
const own = files.filter((file) => ownProcess.test(textOf.get(join(import.meta.dirname, file)) ?? ""))

/** Where Vitest does not know yet how long each file takes, the long ones would come at the end, when the other workers have nothing to do. */
class LongFilesFirst extends BaseSequencer {
  override async sort(specifications: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(specifications)
    const isLong = ({ moduleId }: TestSpecification) => otherProcesses.test(textOf.get(moduleId) ?? "")
    const ofOwn = sorted.filter(({ project }) => project.config.isolate)
    const shared = sorted.filter(({ project }) => !project.config.isolate)
    return [...ofOwn, ...shared.filter(isLong), ...shared.filter((file) => !isLong(file))]
  }
}

export default defineConfig({
  test: {
    setupFiles: ["test/support/setup.ts"],
    // Node loads all files, as for `npm start`. Vite's loader would translate the stack of every error that reaches a client.
    experimental: { viteModuleRunner: false, nodeLoader: false },
    // A wait ends with its cause. Its time limit is for tests that fail, so it is long enough for a loaded machine.
    expect: { poll: { timeout: 50_000, interval: 10 } },
    // Many tests wait for sockets and other processes, so two workers more than there are cores keep all of them busy.
    maxWorkers: availableParallelism() + 2,
    sequence: { sequencer: LongFilesFirst },
    // The first as `npm start` sets it. Tests allocate much that is soon garbage. V8 begins with a young generation that it has to
    // collect every few milliseconds, and lets it grow only slowly.
    execArgv: ["--max-semi-space-size=128", "--min-semi-space-size=16"],
    // For tests that never end. None waits that long, also on a machine with much else to do.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    projects: [
      { extends: true, test: { name: "own process", include: own } },
      {
        extends: true,
        test: { name: "shared process", include: files.filter((file) => !own.includes(file)), isolate: false },
      },
    ],
    ...(report && { reporters: ["default", ["json", { outputFile: report }]] }),
  },
})
