import { builder } from "../builder.ts"
import { cost } from "../cost.ts"
import { CustomMetadataSchema, customMetadataSchema } from "./type.ts"

builder.queryField("customMetadata", (t) =>
  t.field({
    type: CustomMetadataSchema,
    description: "The deployment's custom metadata fields; null: it knows none. One call.",
    extensions: cost({ oncePerRequest: "customMetadata" }),
    resolve: (_root, _args, context) => customMetadataSchema(context),
  }),
)
