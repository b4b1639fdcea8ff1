import { builder } from "../builder.ts"
import { CustomMetadataSchema, customMetadataSchema } from "./type.ts"

builder.queryField("customMetadata", (t) =>
  t.field({
    type: CustomMetadataSchema,
    description: "The deployment's custom metadata fields; null: it knows none. One call.",
    resolve: (_root, _args, context) => customMetadataSchema(context),
  }),
)
