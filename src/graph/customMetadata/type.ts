import { nullIfMissing } from "../../errors.ts"
import { builder } from "../builder.ts"
import type { Context } from "../context.ts"
import { cost } from "../cost.ts"
import { wireEnum } from "../enums.ts"
import {
  boolean,
  float,
  items,
  object,
  objectItems,
  readableObjects,
  readableString,
  required,
  string,
  stringItems,
} from "../fields.ts"
import { loaderByKey } from "../loader.ts"
import * as rest from "./rest.ts"

const schema = loaderByKey((context) => nullIfMissing(rest.getCustomMetadata(context.upstream)))

/** The custom metadata fields of the deployment. Null if it has no custom metadata. One call per request. */
export function customMetadataSchema(context: Context): Promise<rest.CustomMetadataSchema | null> {
  return schema(context).load("")
}

/** The fields by name. Of fields with the same name the first is used. */
const fieldsByName = loaderByKey(async (context) => {
  const found = await customMetadataSchema(context)
  const byName = new Map<string, rest.CustomMetadataField>()
  for (const field of (found && fieldsOf(found)) ?? []) {
    const name = nameOf(field)
    if (name !== null && !byName.has(name)) byName.set(name, field)
  }
  return byName
})

const nameOf = readableString("name")

/** The field with this name. Null if the deployment has none. One call per request, whatever the names. */
async function customMetadataField(context: Context, name: string): Promise<rest.CustomMetadataField | null> {
  const byName = await fieldsByName(context).load("")
  return byName.get(name) ?? null
}

const fieldsOf = readableObjects<rest.CustomMetadataField>("fields")
const fieldItemsOf = objectItems<rest.CustomMetadataField>("fields")

const CustomMetadataType = wireEnum("CustomMetadataType", "The type of a custom metadata field's values.", {
  string: "Strings.",
  number: "Numbers.",
  date: "Dates, as epoch seconds.",
})

const CustomMetadataRange = builder.objectRef<{ min?: number; max?: number }>("CustomMetadataRange").implement({
  description: "The range of a custom metadata field's values, in the field's unit. Dates are epoch seconds.",
  fields: (t) => ({
    min: t.float({ description: "The minimum. Null if there is none.", resolve: float("min") }),
    max: t.float({ description: "The maximum. Null if there is none.", resolve: float("max") }),
  }),
})

const CustomMetadataField = builder.objectRef<rest.CustomMetadataField>("CustomMetadataField").implement({
  description: "A custom metadata field that admins have defined.",
  fields: (t) => ({
    name: t.string({
      nullable: false,
      description: "The field's exact name, including spaces. It is the `key` of its values.",
      resolve: required("name", string),
    }),
    type: t.field({
      type: CustomMetadataType.ref,
      nullable: false,
      description: "The type of its values.",
      resolve: CustomMetadataType.required("type"),
    }),
    range: t.field({
      type: CustomMetadataRange,
      description: "The range of its values. Null if there is none.",
      resolve: object<{ min?: number; max?: number }>("range"),
    }),
    allowedValues: t.field({
      type: ["JSON"],
      description: "The allowed values, strings or numbers. Null if any value is allowed.",
      resolve: items("allowed_values"),
    }),
    multiple: t.boolean({
      description: "Whether an object can have several values of it.",
      resolve: boolean("multiple"),
    }),
    units: t.string({ description: "The unit of its values.", resolve: string("units") }),
    category: t.string({ description: "The category it belongs to.", resolve: string("category") }),
    required: t.boolean({ description: "Whether every object must have a value of it.", resolve: boolean("required") }),
  }),
})

export const CustomMetadataSchema = builder.objectRef<rest.CustomMetadataSchema>("CustomMetadataSchema").implement({
  description: "The custom metadata fields of the deployment.",
  fields: (t) => ({
    fields: t.field({
      type: [CustomMetadataField],
      description: "The fields. Empty if there are none.",
      resolve: (found) => fieldItemsOf(found) ?? [],
    }),
    categories: t.stringList({
      description: "The categories that fields can belong to. Empty if there are none.",
      resolve: (found) => stringItems("categories")(found) ?? [],
    }),
  }),
})

export const CustomMetadataEntry = builder.objectRef<{ key: string; value: unknown }>("CustomMetadataEntry").implement({
  description: "The value of one custom metadata field.",
  fields: (t) => ({
    key: t.exposeString("key", { nullable: false, description: "The field's exact name, including spaces." }),
    value: t.expose("value", {
      type: "JSON",
      description: "A string, a number, or a list of these. A date is epoch seconds.",
    }),
    type: t.field({
      type: CustomMetadataType.ref,
      description:
        "The type of the field's values. Null if the deployment no longer has the field. Costs one REST call per request, shared by all entries.",
      extensions: cost({ oncePerRequest: "customMetadata" }),
      resolve: async ({ key }, args, context) => {
        const field = await customMetadataField(context, key)
        return field && CustomMetadataType.at("type")(field, args, context)
      },
    }),
    units: t.string({
      description:
        "The unit of the value. Null if the field has none, or the deployment no longer has the field. Costs one REST call per request, shared by all entries.",
      extensions: cost({ oncePerRequest: "customMetadata" }),
      resolve: async ({ key }, _args, context) => {
        const field = await customMetadataField(context, key)
        return field && string("units")(field)
      },
    }),
  }),
})
