import { availableParallelism } from "node:os"
import { defineConfig } from "vitest/config"

// Where to leave a report for machines, if anyone wants one.
const report = process.env.VITEST_JSON

export default defineConfig({
  // Vite would otherwise load graphql's CommonJS and ESM builds side by side, and instanceof GraphQLError would lie.
  resolve: { alias: [{ find: /^graphql$/, replacement: "graphql/index.js" }] },
  test: {
    include: ["test/**/*.test.ts"],
    setupFiles: ["test/support/frozenAnswers.ts", "test/support/longWaits.ts"],
    // A wait ends with its cause. Its time limit is for tests that fail, so it is long enough for a loaded machine.
    expect: { poll: { timeout: 50_000, interval: 10 } },
    // Most tests wait for sockets, so one worker more than there are cores keeps all of them busy.
    maxWorkers: availableParallelism() + 1,
    // As `npm start` sets it. Tests allocate much that is soon garbage.
    execArgv: ["--max-semi-space-size=128"],
    // For tests that never end. None waits that long, also on a machine with much else to do.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    ...(report && { reporters: ["default", ["json", { outputFile: report }]] }),
  },
})
