import { globSync, readFileSync } from "node:fs"
import { availableParallelism } from "node:os"
import { defineConfig } from "vitest/config"

// Where to leave a report for machines, if anyone wants one.
const report = process.env.VITEST_JSON

/**
 * What a test file contains that changes its process, measures it, or spends its time in other processes. Such a file has a process
 * of its own. The other files share a few processes, in which the gateway is imported once: that takes 0.4 s of CPU time.
 */
const ownProcess =
  /useFakeTimers|stopTime|vi\.(spyOn|mock|stub)|countWork|cpuMs|watchProcess|process\.(on|once|exit|kill|chdir|emit|env|memoryUsage|getActive)|node:(v8|child_process)|globalThis|support\/(process|browser|explorer|redis|deploy|replica)/
const files = globSync("test/**/*.test.ts", { cwd: import.meta.dirname })
const own = files.filter((file) => ownProcess.test(readFileSync(new URL(file, import.meta.url), "utf8")))

export default defineConfig({
  // Vite would otherwise load graphql's CommonJS and ESM builds side by side, and instanceof GraphQLError would lie.
  resolve: { alias: [{ find: /^graphql$/, replacement: "graphql/index.js" }] },
  test: {
    setupFiles: ["test/support/setup.ts"],
    // A wait ends with its cause. Its time limit is for tests that fail, so it is long enough for a loaded machine.
    expect: { poll: { timeout: 50_000, interval: 10 } },
    // Most tests wait for sockets, so one worker more than there are cores keeps all of them busy.
    maxWorkers: availableParallelism() + 1,
    // As `npm start` sets it. Tests allocate much that is soon garbage.
    execArgv: ["--max-semi-space-size=128"],
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
