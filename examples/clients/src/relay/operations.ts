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

/** Objects that are selected in several places, each time with other fields beside their ids. */
export const runsAndPanels = graphql`
  query operationsRunsAndPanelsQuery {
    searchCapsules(first: 100) {
      edges {
        node {
          id
          article { articleId name }
          originalCapsule { capsuleId name }
          appPanel { categories { categoryId name } dataAssets { dataAssetId mount } parameters { name category } }
          computations(first: 100) { edges { node { id dataAssets { dataAssetId mount } parameters { name value } } } }
        }
      }
    }
    searchPipelines(first: 100) {
      edges {
        node {
          id
          appPanel { categories { categoryId name } processes { name categories { categoryId name } } }
          computations(first: 100) { edges { node { id dataAssets { dataAssetId mount } processes { name } } } }
        }
      }
    }
    searchDataAssets(first: 100) {
      edges { node { id containedDataAssets { dataAssetId mount size } customMetadata { key value } } }
    }
  }
`

/** Other fields of the same objects. */
export const panelTitles = graphql`
  query operationsPanelTitlesQuery {
    searchCapsules(first: 100) {
      edges { node { id originalCapsule { public } appPanel { general { title } } } }
    }
    searchPipelines(first: 100) {
      edges { node { id appPanel { general { title } } } }
    }
  }
`
