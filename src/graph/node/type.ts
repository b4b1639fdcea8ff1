import { builder } from "../builder.ts"

/** Every type with an id of its own. */
export const Node = builder.interfaceRef<{ id: string }>("Node").implement({
  description: "An object with an id of its own in Code Ocean.",
  fields: (t) => ({
    id: t.exposeID("id", {
      nullable: false,
      description: "The id, the same as in Code Ocean's REST API and URLs.",
    }),
  }),
})
