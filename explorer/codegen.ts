import type { CodegenConfig } from "@graphql-codegen/cli"

/** Types and documents of each `.graphql` file, written beside it. */
const config: CodegenConfig = {
  schema: "../schema.graphql",
  documents: "src/**/*.graphql",
  importExtension: ".ts",
  generates: {
    "src/data/schema.generated.ts": { plugins: ["typescript"] },
    "src/": {
      preset: "near-operation-file",
      presetConfig: { extension: ".generated.ts", baseTypesPath: "data/schema.generated.ts" },
      plugins: ["typescript-operations", "typed-document-node"],
    },
    "src/data/introspection.generated.ts": { plugins: ["./build/introspection.js"] },
  },
  config: {
    useTypeImports: true,
    enumsAsTypes: true,
    strictScalars: true,
    scalars: {
      // ISO 8601 text. As input, a date without a time is allowed.
      DateTime: "string",
      // Exact: the gateway sends no size above 2^53.
      ByteCount: "number",
      JSON: "unknown",
    },
  },
}

export default config
