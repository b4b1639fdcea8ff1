import type { CodegenConfig } from "@graphql-codegen/cli"
import { addTypenameSelectionDocumentTransform } from "@graphql-codegen/client-preset"

const config: CodegenConfig = {
  importExtension: ".ts",
  schema: "schema.graphql",
  documents: ["src/operations.ts", { "../../docs/jobs.md": { loader: "./codegen/markdown.ts" } }],
  generates: {
    "src/generated/": {
      preset: "client",
      // Persisted operations are answered as they are written down: what a cache needs must stand in them.
      documentTransforms: [addTypenameSelectionDocumentTransform],
      presetConfig: {
        fragmentMasking: false,
        // Writes persisted-documents.json, which the gateway's PERSISTED_OPERATIONS takes.
        persistedDocuments: { hashAlgorithm: "sha256" },
      },
      config: {
        useTypeImports: true,
        strictScalars: true,
        scalars: {
          // ISO 8601 text; as input, a bare date will do.
          DateTime: "string",
          // Exact: the gateway sends no size above 2^53.
          ByteCount: "number",
          JSON: "unknown",
        },
      },
    },
    // Which objects an interface or a union may be, for Apollo Client.
    "src/generated/possibleTypes.ts": { plugins: ["fragment-matcher"] },
    // The same for urql, whose cache wants to know of all types.
    "src/generated/introspection.ts": { plugins: ["./codegen/introspection.ts"] },
    // The types without an id, which both caches keep inside their parents.
    "src/generated/embeddedTypes.ts": { plugins: ["./codegen/embeddedTypes.ts"] },
  },
}

export default config
