import { graphql } from "relay-runtime"

export const capsulesPage = graphql`
  query operationsCapsulesPageQuery($first: Int!) {
    ...CapsuleList_query @arguments(first: $first)
  }
`

export const renameRun = graphql`
  mutation operationsRenameRunMutation($id: ID!, $name: String!) {
    renameComputation(input: { id: $id, name: $name }) {
      ... on RenameComputationPayload { computation { id name } }
      ... on MutationRefused { code message }
    }
  }
`
