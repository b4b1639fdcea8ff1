import { builder } from "../builder.ts"
import { link, listOf } from "../cost.ts"
import { dataAssetById } from "../dataAsset/loader.ts"
import { DataAsset } from "../dataAsset/type.ts"
import { wireEnum } from "../enums.ts"
import { boolean, float, object, objectItems, string, stringItems, stringOrEmpty } from "../fields.ts"
import { linkAt } from "../loader.ts"
import type * as rest from "./rest.ts"

const DataAssetKind = wireEnum("AppPanelDataAssetKind", "How the files of an attached data asset are stored.", {
  internal: "In Code Ocean.",
  external: "In an external bucket.",
  combined: "A combination of several data assets.",
})

const ParameterType = wireEnum("AppPanelParameterType", "How a parameter's value is entered.", {
  text: "Entered as text.",
  list: "Chosen from `valueOptions`.",
  file: "A file's path.",
})

const General = builder.objectRef<object>("AppPanelGeneral").implement({
  description: "The title and instructions of an app panel.",
  fields: (t) => ({
    title: t.string({ description: "The title.", resolve: string("title") }),
    instructions: t.string({ description: "The instructions.", resolve: string("instructions") }),
    helpText: t.string({ description: "Further help.", resolve: string("help_text") }),
  }),
})

const PanelDataAsset = builder.objectRef<rest.PanelDataAsset>("AppPanelDataAsset").implement({
  description: "A data asset attached to a capsule or pipeline, as the panel shows it.",
  fields: (t) => ({
    dataAssetId: t.id({ description: "The data asset's id.", resolve: string("id") }),
    mount: t.string({ description: "The folder it is mounted in.", resolve: string("mount") }),
    name: t.string({ description: "The panel's label for it.", resolve: string("name") }),
    description: t.string({ description: "What it is for.", resolve: string("description") }),
    helpText: t.string({ description: "Further help.", resolve: string("help_text") }),
    kind: t.field({
      type: DataAssetKind.ref,
      description: "How its files are stored.",
      resolve: DataAssetKind.at("kind"),
    }),
    accessible: t.boolean({ description: "Whether the caller may read it.", resolve: boolean("accessible") }),
    dataAsset: t.field({
      type: DataAsset,
      description: "The data asset. Costs one REST call, or none if only its id is selected.",
      extensions: link,
      resolve: linkAt(dataAssetById, "id"),
    }),
  }),
})

const Category = builder.objectRef<object>("AppPanelCategory").implement({
  description: "A heading that groups parameters.",
  fields: (t) => ({
    categoryId: t.id({ description: "The id. A parameter's `category` refers to it.", resolve: string("id") }),
    name: t.string({ description: "The heading.", resolve: string("name") }),
    description: t.string({ description: "The description.", resolve: string("description") }),
    helpText: t.string({ description: "Further help.", resolve: string("help_text") }),
  }),
})

const Parameter = builder.objectRef<object>("AppPanelParameter").implement({
  description: "A parameter of a run. All values are text.",
  fields: (t) => ({
    name: t.string({ description: "The label.", resolve: string("name") }),
    type: t.field({
      type: ParameterType.ref,
      description: "How its value is entered.",
      resolve: ParameterType.at("type"),
    }),
    category: t.string({ description: "The id of its category.", resolve: string("category") }),
    paramName: t.string({
      description: "The name by which a run identifies the parameter. Null if it has only a position.",
      resolve: string("param_name"),
    }),
    description: t.string({ description: "What it is for.", resolve: string("description") }),
    helpText: t.string({ description: "Further help.", resolve: string("help_text") }),
    valueType: t.string({
      description: "The type of the value, such as `string`, `integer` or `float`.",
      resolve: string("value_type"),
    }),
    defaultValue: t.string({
      description: "The value if none is given. May be empty.",
      resolve: stringOrEmpty("default_value"),
    }),
    required: t.boolean({ description: "Whether a run needs a value.", resolve: boolean("required") }),
    hidden: t.boolean({ description: "Whether the panel hides it.", resolve: boolean("hidden") }),
    minimum: t.float({ description: "The smallest value.", resolve: float("minimum") }),
    maximum: t.float({ description: "The largest value.", resolve: float("maximum") }),
    pattern: t.string({ description: "The regular expression that a value must match.", resolve: string("pattern") }),
    valueOptions: t.stringList({ description: "The values to choose from.", resolve: stringItems("value_options") }),
  }),
})

const Result = builder.objectRef<object>("AppPanelResult").implement({
  description: "A result file that the panel shows.",
  fields: (t) => ({
    fileName: t.string({ description: "The file's path in the results.", resolve: string("file_name") }),
  }),
})

const Process = builder.objectRef<object>("AppPanelProcess").implement({
  description: "One process of a pipeline, with the parameters of its capsule.",
  fields: (t) => ({
    name: t.string({ description: "The process's name.", resolve: string("name") }),
    categories: t.field({ type: [Category], description: "Its headings.", resolve: objectItems("categories") }),
    parameters: t.field({ type: [Parameter], description: "Its parameters.", resolve: objectItems("parameters") }),
  }),
})

export const AppPanel = builder.objectRef<rest.AppPanel>("AppPanel").implement({
  description: "The form for the parameters of a run of a capsule or pipeline.",
  fields: (t) => ({
    general: t.field({ type: General, description: "Its title and instructions.", resolve: object("general") }),
    dataAssets: t.field({
      type: [PanelDataAsset],
      description:
        "The attached data assets. Code Ocean lists them only here. What is attached to a capsule without an app panel shows only in its runs, as their `dataAssets`.",
      extensions: listOf(5),
      resolve: objectItems<rest.PanelDataAsset>("data_assets"),
    }),
    categories: t.field({
      type: [Category],
      description: "The headings that group its parameters.",
      resolve: objectItems("categories"),
    }),
    parameters: t.field({
      type: [Parameter],
      description: "Its parameters, in order.",
      resolve: objectItems("parameters"),
    }),
    results: t.field({ type: [Result], description: "The result files it shows.", resolve: objectItems("results") }),
    processes: t.field({
      type: [Process],
      description: "The processes of a pipeline of capsules. Such a panel has no parameters of its own.",
      resolve: objectItems("processes"),
    }),
  }),
})
