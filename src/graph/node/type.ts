import { builder } from "../builder.ts"

/** Whatever has an id of its own. */
export const Node = builder.interfaceRef<{ id: string }>("Node").implement({
  description: "An object that Code Ocean knows by an id.",
  fields: (t) => ({
    id: t.exposeID("id", {
      nullable: false,
      description: "Code Ocean's own id, the same as in its REST API and its addresses.",
    }),
  }),
})
