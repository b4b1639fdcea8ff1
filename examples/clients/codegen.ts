import type { CodegenConfig } from "@graphql-codegen/cli"
import { addTypenameSelectionDocumentTransform } from "@graphql-codegen/client-preset"

const config: CodegenConfig = {
  importExtension: ".ts",
  schema: "schema.graphql",
  documents: ["src/operations.ts", { "../../docs/jobs.md": { loader: "./codegen/markdown.ts" } }],
  generates: {
    "src/generated/": {
      preset: "client",
      // Persisted operations are executed unchanged, so they must contain the fields that a cache needs.
      documentTransforms: [addTypenameSelectionDocumentTransform],
      presetConfig: {
        fragmentMasking: false,
        // Writes persisted-documents.json, for the gateway's PERSISTED_OPERATIONS.
        persistedDocuments: { hashAlgorithm: "sha256" },
      },
      config: {
        useTypeImports: true,
        strictScalars: true,
        scalars: {
          // ISO 8601 text. As input, a date without a time is allowed.
          DateTime: "string",
          // Exact: the gateway sends no size above 2^53.
          ByteCount: "number",
          JSON: "unknown",
        },
      },
    },
    // The possible types of interfaces and unions, for Apollo Client.
    "src/generated/possibleTypes.ts": { plugins: ["fragment-matcher"] },
    // The same for urql, whose cache needs all types.
    "src/generated/introspection.ts": { plugins: ["./codegen/introspection.ts"] },
    // The types without an id, which both caches keep inside their parents.
    "src/generated/embeddedTypes.ts": { plugins: ["./codegen/embeddedTypes.ts"] },
  },
}

export default config
