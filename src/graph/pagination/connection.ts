import { builder, type ObjectType } from "../builder.ts"
import { type Count, cost } from "../cost.ts"
import { atMost, longest } from "../inputLimits.ts"
import { defaultFirst, maxFirst, type Page } from "./page.ts"

const PageInfo = builder.objectRef<Page<unknown>>("PageInfo").implement({
  description: "Where a page stands in its walk.",
  fields: (t) => ({
    hasNextPage: t.exposeBoolean("hasNextPage", {
      nullable: false,
      description: "Whether `after: endCursor` has more.",
    }),
    hasPreviousPage: t.exposeBoolean("hasPreviousPage", {
      nullable: false,
      description: "Whether the walk has been elsewhere before.",
    }),
    startCursor: t.string({
      description: "The cursor of the page's first item.",
      resolve: (page) => (page.nodes.length > 0 ? page.cursorAt(0) : null),
    }),
    endCursor: t.string({
      description:
        "Pass it as `after` for the next page. There even on a page without items, where a next page is to be had.",
      resolve: (page) => page.endCursor(),
    }),
  }),
})

/** The connection type for pages of this type: `{edges {cursor node} nodes pageInfo}`. */
export function connectionOf<T>(name: string, node: ObjectType<T>) {
  const Edge = builder.objectRef<{ page: Page<T>; index: number }>(`${name}Edge`).implement({
    description: `One place in a page of ${name} objects.`,
    fields: (t) => ({
      cursor: t.string({
        nullable: false,
        description: "Pass it as `after` to go on behind this item.",
        extensions: cost({ bytes: 300 }),
        resolve: ({ page, index }) => page.cursorAt(index),
      }),
      node: t.field({
        type: node,
        description: "The item; null, with an error, where Code Ocean sent something unreadable.",
        resolve: ({ page, index }) => page.nodes[index] as never,
      }),
    }),
  })
  return builder.objectRef<Page<T>>(`${name}Connection`).implement({
    description: `A page of ${name} objects.`,
    fields: (t) => ({
      edges: t.field({
        type: [Edge],
        nullable: { list: false, items: false },
        description: "The items with a cursor each.",
        resolve: (page) => page.nodes.map((_node, index) => ({ page, index })),
      }),
      nodes: t.field({
        type: [node],
        nullable: { list: false, items: true },
        description: "The items; one is null, with an error, where Code Ocean sent something unreadable.",
        resolve: (page) => page.nodes as never,
      }),
      pageInfo: t.field({
        type: PageInfo,
        nullable: false,
        description: "Where the page stands in its walk.",
        resolve: (page) => page as Page<unknown>,
      }),
    }),
  })
}

/** How many items a page has, for its field's cost. */
export const pageItems: Count = { argument: "first", assumed: defaultFirst, most: maxFirst }

/** The two paging arguments, for a field's `args`. */
export const pageArguments = builder.args((t) => ({
  first: t.int({ description: `How many items: from 1 to ${maxFirst}, ${defaultFirst} by default.` }),
  after: t.string({ description: "A cursor; the page begins behind its item.", extensions: atMost(longest.cursor) }),
}))
