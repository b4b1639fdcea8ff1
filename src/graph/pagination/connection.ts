import { type GraphQLObjectType, type GraphQLResolveInfo, getNamedType } from "graphql"
import type { DecodeError } from "../../upstream/decoders.ts"
import { builder, type ObjectType } from "../builder.ts"
import { type Count, cost } from "../cost.ts"
import { limitLength, maxLength } from "../inputLimits.ts"
import { everyField, selectionSetsOf } from "../selection.ts"
import { defaultFirst, maxFirst, type Page } from "./page.ts"

const PageInfo = builder.objectRef<Page<unknown>>("PageInfo").implement({
  description: "The position of a page in the whole result.",
  fields: (t) => ({
    hasNextPage: t.exposeBoolean("hasNextPage", {
      nullable: false,
      description:
        "Whether there are more items after this page. False if Code Ocean has more but does not send them. Then `endCursor` is an error; without `endCursor` in the selection, the whole page is.",
    }),
    hasPreviousPage: t.exposeBoolean("hasPreviousPage", {
      nullable: false,
      description: "Whether the page was requested with `after`.",
    }),
    startCursor: t.string({
      description: "The cursor of the first item.",
      resolve: (page) => (page.nodes.length > 0 ? page.cursorAt(0) : null),
    }),
    endCursor: t.string({
      description:
        "Pass it as `after` to get the next page. Present even on a page without items if there is a next page.",
      resolve: (page) => page.endCursor(),
    }),
  }),
})

/** An item of a page. */
interface EdgeOf<T> {
  page: Page<T | DecodeError>
  index: number
}

/** The edge type for pages of this type: `{cursor node}`. */
export function edgeOf<T>(name: string, node: ObjectType<T>): ObjectType<EdgeOf<T>> {
  return builder.objectRef<EdgeOf<T>>(`${name}Edge`).implement({
    description: `An item of a page of ${name} objects, with its cursor.`,
    fields: (t) => ({
      cursor: t.string({
        nullable: false,
        description: "Pass it as `after` to get the items after this one.",
        extensions: cost({ bytes: 300 }),
        resolve: ({ page, index }) => page.cursorAt(index),
      }),
      node: t.field({
        type: node,
        description: "The item. Null, with an error, if Code Ocean sent an unreadable value.",
        resolve: ({ page, index }) => page.nodes[index] as never,
      }),
    }),
  })
}

/** The connection type for pages of this type: `{edges {cursor node} nodes pageInfo}`. */
export function connectionOf<T>(name: string, node: ObjectType<T>, edge = edgeOf(name, node)) {
  const connection = builder.objectRef<Page<T | DecodeError>>(`${name}Connection`)
  connection.implement({ description: `A page of ${name} objects.` })
  addConnectionFields(connection, node, edge)
  return connection
}

/** Adds the fields of a connection to a type whose values are pages. */
export function addConnectionFields<T, P extends Page<T | DecodeError>>(
  connection: ObjectType<P>,
  node: ObjectType<T>,
  edge: ObjectType<EdgeOf<T>>,
): void {
  builder.objectFields(connection, (t) => ({
    edges: t.field({
      type: [edge],
      nullable: { list: false, items: false },
      description: "The items, each with its cursor.",
      resolve: (page) => page.nodes.map((_node, index) => ({ page, index })) as never,
    }),
    nodes: t.field({
      type: [node],
      nullable: { list: false, items: true },
      description: "The items. An item is null, with an error, if Code Ocean sent an unreadable value.",
      resolve: (page) => page.nodes as never,
    }),
    pageInfo: t.field({
      type: PageInfo,
      nullable: false,
      description: "The position of the page in the whole result.",
      resolve: (page) => page as Page<unknown>,
    }),
  }))
}

/** The number of items of a page, for the cost of its field. */
export const pageItems: Count = { argument: "first", assumed: defaultFirst, max: maxFirst }

/** The arguments of every connection field. */
export const pageArguments = builder.args((t) => ({
  first: t.int({
    // Read from the schema by the demand control of routers.
    defaultValue: defaultFirst,
    description: `The number of items, from 1 to ${maxFirst}. Null means ${defaultFirst}.`,
  }),
  after: t.string({
    description: "A cursor. The page starts after its item.",
    extensions: limitLength(maxLength.cursor),
  }),
}))

/**
 * The page of a search for its field. Throws its failure if the selection does not show it: `endCursor` would, and without it a client
 * would take `hasNextPage: false`, or a page without items, for the end of the list.
 */
export function shownPage<P extends Page<unknown>>(page: P, info: GraphQLResolveInfo): P {
  if (page.failure === undefined || selectsPageInfo(info, "endCursor")) return page
  if (page.nodes.length === 0 || selectsPageInfo(info, "hasNextPage")) throw page.failure
  return page
}

function selectsPageInfo(info: GraphQLResolveInfo, field: "endCursor" | "hasNextPage"): boolean {
  const connection = getNamedType(info.returnType) as GraphQLObjectType
  const pageInfo = info.schema.getType("PageInfo") as GraphQLObjectType
  return !everyField(info, connection, selectionSetsOf(info.fieldNodes), (node) => {
    if (node.name.value !== "pageInfo") return true
    return everyField(info, pageInfo, selectionSetsOf([node]), ({ name }) => name.value !== field)
  })
}
