import type { Example } from "./useGraphiql.ts"

/** The operations that GraphiQL opens with, a tab each. */
export const examples: Example[] = [
  {
    query: `# Press the run button: one request, instead of dozens of REST calls.
query CapsulePage {
  searchCapsules(first: 50, query: "tag:ecephys", orderBy: {field: LAST_ACCESSED, direction: DESC}) {
    nodes {
      id name status lastAccessed tags
      appPanel {
        general { title }
        parameters { name type defaultValue }
        dataAssets { mount dataAsset { name size state } }
      }
      computations(first: 5) {
        nodes { id name state endStatus runTime dataAssets { mount dataAsset { id name size } } }
      }
    }
    pageInfo { hasNextPage endCursor }
  }
}
`,
  },
]
