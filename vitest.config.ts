import { defineConfig } from "vitest/config"

// Where to leave a report for machines, if anyone wants one.
const report = process.env.VITEST_JSON

export default defineConfig({
  // Vite would otherwise load graphql's CommonJS and ESM builds side by side, and instanceof GraphQLError would lie.
  resolve: { alias: [{ find: /^graphql$/, replacement: "graphql/index.js" }] },
  test: {
    include: ["test/**/*.test.ts"],
    setupFiles: "test/support/frozenAnswers.ts",
    testTimeout: 20_000,
    hookTimeout: 60_000,
    ...(report && { reporters: ["default", ["json", { outputFile: report }]] }),
  },
})
