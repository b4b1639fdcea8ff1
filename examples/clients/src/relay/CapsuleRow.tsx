import { graphql, useRefetchableFragment } from "react-relay"
import type { CapsuleRow_capsule$key } from "./__generated__/CapsuleRow_capsule.graphql.ts"
import type { CapsuleRowRefetchQuery } from "./__generated__/CapsuleRowRefetchQuery.graphql.ts"

/** One capsule, which can be fetched again by itself. */
export const capsuleRow = graphql`
  fragment CapsuleRow_capsule on Capsule @refetchable(queryName: "CapsuleRowRefetchQuery") {
    name
    lastAccessed
    computations(first: 5) {
      nodes {
        id
        name
        dataAssets {
          dataAssetId
          mount
        }
      }
    }
  }
`

export function CapsuleRow({ capsule }: { capsule: CapsuleRow_capsule$key }) {
  const [data, refetch] = useRefetchableFragment<CapsuleRowRefetchQuery, CapsuleRow_capsule$key>(capsuleRow, capsule)
  return (
    <button type="button" onClick={() => refetch({})}>
      {data.name}, {data.computations?.nodes[0]?.name ?? "never run"}
    </button>
  )
}
