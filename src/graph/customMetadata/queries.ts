import { builder } from "../builder.ts"
import { cost } from "../cost.ts"
import { CustomMetadataSchema, customMetadataSchema } from "./type.ts"

builder.queryField("customMetadata", (t) =>
  t.field({
    type: CustomMetadataSchema,
    description:
      "The custom metadata fields of the deployment. Null if it has no custom metadata. Costs one REST call.",
    extensions: cost({ oncePerRequest: "customMetadata" }),
    resolve: (_root, _args, context) => customMetadataSchema(context),
  }),
)
