import { graphql, usePaginationFragment } from "react-relay"
import type { CapsuleList_query$key } from "./__generated__/CapsuleList_query.graphql.ts"
import type { CapsuleListPaginationQuery } from "./__generated__/CapsuleListPaginationQuery.graphql.ts"
import { CapsuleRow } from "./CapsuleRow.tsx"

/** Capsules page by page. */
export const capsuleList = graphql`
  fragment CapsuleList_query on Query
  @refetchable(queryName: "CapsuleListPaginationQuery")
  @argumentDefinitions(first: { type: "Int", defaultValue: 20 }, after: { type: "String" }, query: { type: "String" }) {
    searchCapsules(first: $first, after: $after, query: $query, orderBy: { field: NAME })
      @connection(key: "CapsuleList_searchCapsules") {
      edges {
        node {
          id
          ...CapsuleRow_capsule
        }
      }
      pageInfo {
        endCursor
      }
    }
  }
`

export function CapsuleList({ query }: { query: CapsuleList_query$key }) {
  const { data, loadNext, hasNext } = usePaginationFragment<CapsuleListPaginationQuery, CapsuleList_query$key>(
    capsuleList,
    query,
  )
  return (
    <>
      {/* A node is null where Code Ocean sent something unreadable. */}
      {data.searchCapsules?.edges.map(({ node }) => node && <CapsuleRow key={node.id} capsule={node} />)}
      <button type="button" disabled={!hasNext} onClick={() => loadNext(20)}>
        More
      </button>
    </>
  )
}
