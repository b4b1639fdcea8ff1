import type { TypedDocumentNode } from "urql"
import type { Connection } from "../../data/usePages.ts"
import type { MetadataFieldsFragment } from "./metadataFields.generated.ts"
import { SearchCapsulesDocument, type SearchCapsulesQuery } from "./searchCapsules.generated.ts"
import { SearchDataAssetsDocument, type SearchDataAssetsQuery } from "./searchDataAssets.generated.ts"
import { SearchPipelinesDocument, type SearchPipelinesQuery } from "./searchPipelines.generated.ts"
import { type Kind, orderOf, type SearchState, variablesOf } from "./state.ts"

type Answer = Partial<SearchCapsulesQuery & SearchPipelinesQuery & SearchDataAssetsQuery> & {
  customMetadata?: MetadataFieldsFragment | null
}

type Nodes<Field extends keyof Answer> = NonNullable<
  NonNullable<Answer[Field]> extends { nodes: (infer Node)[] } ? Node : never
>
export type RunnableItem = Nodes<"searchCapsules"> | Nodes<"searchPipelines">
export type DataAssetItem = Nodes<"searchDataAssets">
export type Item = RunnableItem | DataAssetItem

/** The data assets of a search that are to be shown: all of them, or those that are not attached to anything. */
export function shownOf<Shown extends Item>(nodes: readonly Shown[], { unused }: SearchState): readonly Shown[] {
  return unused ? nodes.filter((item) => item.__typename === "DataAsset" && isUnused(item)) : nodes
}

const isUnused = ({ attachedTo, attachedToPipelines }: DataAssetItem): boolean =>
  attachedTo?.nodes.length === 0 && attachedToPipelines?.nodes.length === 0

/** Whether it could not be read what a data asset is attached to. */
export const isUseUnknown = (item: Item): boolean =>
  item.__typename === "DataAsset" && !(item.attachedTo && item.attachedToPipelines) && !isUsed(item)

const isUsed = ({ attachedTo, attachedToPipelines }: DataAssetItem): boolean =>
  (attachedTo?.nodes.length ?? 0) > 0 || (attachedToPipelines?.nodes.length ?? 0) > 0

type Variables = ReturnType<typeof variablesOf> & Record<string, unknown> & { after?: string | null }

interface Search {
  document: TypedDocumentNode<Answer, Variables>
  select(answer: Answer): Connection<Item> | null | undefined
  /** What this kind can be narrowed by in addition. */
  variables(state: SearchState): Variables
}

const runnableVariables = (state: SearchState): Variables => ({
  ...variablesOf(state),
  status: state.status,
  orderBy: orderOf(state.sort),
})

/** The request of each kind. The three differ in their root field and in a few arguments. */
export const searches: Readonly<Record<Kind, Search>> = {
  capsules: {
    document: SearchCapsulesDocument as unknown as Search["document"],
    select: ({ searchCapsules }) => searchCapsules,
    variables: runnableVariables,
  },
  pipelines: {
    document: SearchPipelinesDocument as unknown as Search["document"],
    select: ({ searchPipelines }) => searchPipelines,
    variables: runnableVariables,
  },
  "data-assets": {
    document: SearchDataAssetsDocument as unknown as Search["document"],
    select: ({ searchDataAssets }) => searchDataAssets,
    variables: (state) => ({
      ...variablesOf(state),
      // What is attached where takes two calls for each data asset.
      ...(state.unused && { first: 25 }),
      withUses: state.unused,
      type: state.dataType,
      origin: state.origin,
      orderBy: orderOf(state.sort),
    }),
  },
}
