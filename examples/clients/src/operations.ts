import { graphql } from "./generated/gql.ts"

/** One page of capsules by their names. */
export const CapsulePage = graphql(`
  query CapsulePage($first: Int!, $after: String, $query: String) {
    searchCapsules(first: $first, after: $after, query: $query, orderBy: { field: NAME }) {
      edges { cursor node { id name tags computations(first: 5) { nodes { id name dataAssets { dataAssetId mount } } } } }
      pageInfo { hasNextPage endCursor }
    }
  }
`)

export const RenameRun = graphql(`
  mutation RenameRun($id: ID!, $name: String!) {
    renameComputation(input: { id: $id, name: $name }) {
      ... on RenameComputationPayload { computation { id name } }
      ... on MutationRefused { code message }
    }
  }
`)

export const RunState = graphql(`
  subscription RunState($id: ID!) {
    computation(id: $id) { id state runTime }
  }
`)
