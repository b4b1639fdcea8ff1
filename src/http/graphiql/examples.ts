import type { Example } from "../plugins/useGraphiql.ts"

/** The ids in the variables of examples. */
export interface ExampleIds {
  capsuleId: string
  /** A run that has not ended. */
  activeComputationId: string
  /** A run that has succeeded. */
  computationId: string
  dataAssetId: string
}

const unknownIds: ExampleIds = { capsuleId: "", activeComputationId: "", computationId: "", dataAssetId: "" }

/**
 * The operations that GraphiQL opens with, each in its own tab. The first ones need no ids, so they run on any deployment. Those of the
 * others are variables.
 */
export const createExamples = (ids = unknownIds): Example[] => [
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
  {
    query: `# Starts a run with the defaults of the app panel. Values that do not fit it are "problems", and nothing is started.
# Then paste the id of the run into the variables of the tab WatchRun.
mutation Run($capsuleId: ID!) {
  runCapsule(input: {capsuleId: $capsuleId}) {
    ... on RunCapsulePayload { computation { id name state } }
    ... on MutationRefused { code message problems { parameter message } }
  }
}
`,
    variables: { capsuleId: ids.capsuleId },
  },
  {
    query: `# Follows a run until it has ended: an event for each change.
subscription WatchRun($computationId: ID!) {
  computation(id: $computationId) {
    name state outcome endStatus exitCode runTime hasResults
  }
}
`,
    variables: { computationId: ids.activeComputationId },
  },
  {
    query: `# Waits for the end of a run, and makes a data asset from its results. Running it again makes no second one.
subscription Capture($computationId: ID!, $name: String!) {
  captureResult(input: {computationId: $computationId, name: $name, tags: ["graphiql"], mount: "captured"}) {
    steps { step status failure { message } }
    computation { state outcome }
    dataAsset { id name state }
    refusal { code message }
  }
}
`,
    variables: { computationId: ids.computationId, name: "Captured with GraphiQL" },
  },
  {
    query: `# Where a data asset comes from, and what was made from it.
query Lineage($dataAssetId: ID!) {
  dataAsset(id: $dataAssetId) {
    name
    lineage(depth: 3, direction: BOTH) {
      nodes {
        nodeId kind distance restricted
        node {
          ... on DataAsset { name type }
          ... on Computation { name outcome }
          ... on Capsule { name }
        }
      }
      edges { from to relation }
      truncated
    }
  }
}
`,
    variables: { dataAssetId: ids.dataAssetId },
  },
]
