import { nullIfMissing } from "../../errors.ts"
import { builder } from "../builder.ts"
import type { Context } from "../context.ts"
import { cost } from "../cost.ts"
import { wireEnum } from "../enums.ts"
import { always, bool, float, list, object, objects, readableString, text, texts } from "../fields.ts"
import { loaderByKey } from "../loader.ts"
import * as rest from "./rest.ts"

const schema = loaderByKey((context) => nullIfMissing(rest.getCustomMetadata(context.upstream)))

/** The deployment's custom metadata fields; null where it knows none. One call for each request. */
export function customMetadataSchema(context: Context): Promise<rest.CustomMetadataSchema | null> {
  return schema(context).load("")
}

/** The fields by name. The first of those with the same name counts. */
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

/** The field with this name; null where the deployment has none. One call for each request, whatever the names. */
async function customMetadataField(context: Context, name: string): Promise<rest.CustomMetadataField | null> {
  const byName = await fieldsByName(context).load("")
  return byName.get(name) ?? null
}

const fieldsOf = objects<rest.CustomMetadataField>("fields")

const CustomMetadataType = wireEnum("CustomMetadataType", "What a custom metadata field's values are.", {
  string: "Texts.",
  number: "Numbers.",
  date: "Dates, as epoch seconds.",
})

const CustomMetadataRange = builder.objectRef<{ min?: number; max?: number }>("CustomMetadataRange").implement({
  description: "The span that a custom metadata field's values are in, in the field's unit; for dates, epoch seconds.",
  fields: (t) => ({
    min: t.float({ description: "The least; null: there is no least.", resolve: float("min") }),
    max: t.float({ description: "The most; null: there is no most.", resolve: float("max") }),
  }),
})

const CustomMetadataField = builder.objectRef<rest.CustomMetadataField>("CustomMetadataField").implement({
  description: "A field that admins have defined for what people are to say of their objects.",
  fields: (t) => ({
    name: t.string({
      nullable: false,
      description: "The field's name, as it is, spaces and all: the `key` of its values.",
      resolve: always("name", text),
    }),
    type: t.field({
      type: CustomMetadataType.ref,
      nullable: false,
      description: "What its values are.",
      resolve: CustomMetadataType.always("type"),
    }),
    range: t.field({
      type: CustomMetadataRange,
      description: "The span its values are in; null: there is none.",
      resolve: object<{ min?: number; max?: number }>("range"),
    }),
    allowedValues: t.field({
      type: ["JSON"],
      description: "The only values it takes, texts or numbers; null: any.",
      resolve: list("allowed_values"),
    }),
    multiple: t.boolean({ description: "Whether it takes several values at once.", resolve: bool("multiple") }),
    units: t.string({ description: "The unit of its values.", resolve: text("units") }),
    category: t.string({ description: "The category it belongs to.", resolve: text("category") }),
    required: t.boolean({ description: "Whether every object must have it.", resolve: bool("required") }),
  }),
})

export const CustomMetadataSchema = builder.objectRef<rest.CustomMetadataSchema>("CustomMetadataSchema").implement({
  description: "The custom metadata fields of the deployment.",
  fields: (t) => ({
    fields: t.field({
      type: [CustomMetadataField],
      description: "The fields; empty where there are none.",
      resolve: (found) => fieldsOf(found) ?? [],
    }),
    categories: t.stringList({
      description: "The categories that fields can belong to; empty where there are none.",
      resolve: (found) => texts("categories")(found) ?? [],
    }),
  }),
})

export const CustomMetadataEntry = builder.objectRef<{ key: string; value: unknown }>("CustomMetadataEntry").implement({
  description: "One value that a person gave to a custom metadata field of the deployment.",
  fields: (t) => ({
    key: t.exposeString("key", { nullable: false, description: "The field's name, as it is, spaces and all." }),
    value: t.expose("value", {
      type: "JSON",
      description: "A text, a number, or a list of these; a date is epoch seconds.",
    }),
    type: t.field({
      type: CustomMetadataType.ref,
      description:
        "What the field's values are; null where the deployment has no such field any more. One call for all entries of a request.",
      extensions: cost({ oncePerRequest: "customMetadata" }),
      resolve: async ({ key }, args, context) => {
        const field = await customMetadataField(context, key)
        return field && CustomMetadataType.at("type")(field, args, context)
      },
    }),
    units: t.string({
      description:
        "The unit of the value; null where the field has none, or the deployment no such field any more. One call for all entries of a request.",
      extensions: cost({ oncePerRequest: "customMetadata" }),
      resolve: async ({ key }, _args, context) => {
        const field = await customMetadataField(context, key)
        return field && text("units")(field)
      },
    }),
  }),
})
