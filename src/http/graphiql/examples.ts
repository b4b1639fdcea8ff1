import type { Example } from "../plugins/useGraphiql.ts"

/** The operations that GraphiQL opens with, each in its own tab. They contain no ids, so they run on any deployment. */
export const examples: Example[] = [
  {
    query: `# Capsules with their app panels, runs and data assets: one request, instead of dozens of REST calls.
# Press the run button, or Ctrl+Enter.
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
  {
    query: `# Runs of pipelines that ended with an error, with the capsule of each process.
query FailedPipelineRuns {
  searchPipelines(first: 10) {
    nodes {
      name
      computations(filter: {endStatus: FAILED}) {
        nodes {
          name created runTime exitCode
          parameters { paramName value }
          processes { name version capsule { name } }
        }
      }
    }
  }
}
`,
  },
  {
    query: `# Releases, with what they were released from. Page on with the variable "after".
query Releases($first: Int = 10, $after: String) {
  searchCapsules(first: $first, after: $after, status: RELEASE) {
    nodes {
      name slug owner
      versions { majorVersion minorVersion releaseTime doi }
      article { name journalName doi }
      originalCapsule { name capsule { id } }
    }
    pageInfo { hasNextPage endCursor }
  }
}
`,
    variables: { first: 10 },
  },
]
