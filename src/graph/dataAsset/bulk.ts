import { mapLimit } from "../../collections/semaphore.ts"
import { badUserInput, type Failure, toFailure } from "../../errors.ts"
import type { DecodeError } from "../../upstream/decoders.ts"
import { builder } from "../builder.ts"
import type { Context } from "../context.ts"
import { type Count, link, listOf } from "../cost.ts"
import { CustomMetadataEntry } from "../customMetadata/type.ts"
import { checkIds, defineMutation, FailureType } from "../defineMutation.ts"
import { enumValues } from "../enums.ts"
import { entries, strings } from "../fields.ts"
import { limitLength, maxLength } from "../inputLimits.ts"
import { dataAssetById } from "./loader.ts"
import { CustomMetadataInput, readAgain, sendUpdate, wireMetadata } from "./mutations.ts"
import { DataAssetSearchInput, findDataAssets, maxFound } from "./queries.ts"
import type * as rest from "./rest.ts"
import { DataAsset } from "./type.ts"

/** The concurrency of a bulk edit. Each item is a read and a write, and other callers need connections too. */
const concurrency = 8

/** The change to each data asset. */
interface Edit {
  addTags: readonly string[]
  removeTags: ReadonlySet<string>
  setCustomMetadata: Readonly<Record<string, unknown>>
  /** The values of `setCustomMetadata` as JSON, which thousands of data assets are compared with. */
  metadataAsJson: ReadonlyMap<string, string>
}

interface Editable {
  tags: string[]
  customMetadata: Record<string, unknown>
}

type ItemStatus = "changed" | "would_change" | "unchanged" | "failed"

interface Item {
  id: string
  status: ItemStatus
  before?: Editable
  after?: Editable
  failure?: Failure
}

const metadataOf = entries("custom_metadata")

function editableOf(asset: rest.DataAsset): Editable {
  return {
    tags: strings("tags", "keywords")(asset) ?? [],
    customMetadata: Object.fromEntries((metadataOf(asset) ?? []).map(({ key, value }) => [key, value])),
  }
}

function edited({ tags, customMetadata }: Editable, { addTags, removeTags, setCustomMetadata }: Edit): Editable {
  return {
    tags: [...new Set([...tags.filter((tag) => !removeTags.has(tag)), ...addTags])],
    customMetadata: { ...customMetadata, ...setCustomMetadata },
  }
}

const editsTags = ({ addTags, removeTags }: Edit) => addTags.length + removeTags.size > 0
const editsMetadata = ({ setCustomMetadata }: Edit) => Object.keys(setCustomMetadata).length > 0

/** Whether the edit changes anything. Compares only the metadata keys that it sets. */
function differ(before: Editable, after: Editable, { metadataAsJson }: Edit): boolean {
  if (before.tags.length !== after.tags.length) return true
  if (before.tags.some((tag, index) => tag !== after.tags[index])) return true
  for (const [key, json] of metadataAsJson) {
    if (!Object.hasOwn(before.customMetadata, key) || JSON.stringify(before.customMetadata[key]) !== json) return true
  }
  return false
}

/** Edits one data asset, or returns what that would change. A failed call fails only this item. */
async function editOne(context: Context, id: string, edit: Edit, dryRun: boolean): Promise<Item> {
  let found: Pick<Item, "before" | "after"> = {}
  try {
    const asset = dryRun ? await dataAssetById(context).load(id) : await readAgain(context, id)
    const before = editableOf(asset)
    const after = edited(before, edit)
    found = { before, after }
    if (!differ(before, after, edit)) return { id, status: "unchanged", ...found }
    if (dryRun) return { id, status: "would_change", ...found }
    await sendUpdate(context, asset, {
      ...(editsTags(edit) && { tags: after.tags }),
      ...(editsMetadata(edit) && { custom_metadata: after.customMetadata }),
    })
    return { id, status: "changed", ...found }
  } catch (error) {
    const failure = toFailure(error)
    if (failure === undefined) throw error
    return { id, status: "failed", ...found, failure }
  }
}

const UpdateStatus = builder.enumType("DataAssetUpdateStatus", {
  description: "The result for one data asset in a bulk edit.",
  values: enumValues({
    changed: "It has changed.",
    would_change: "It would change. Nothing was sent, because this was a dry run.",
    unchanged: "It already has these values. Nothing was sent.",
    failed: "Reading or changing it failed: see `failure`.",
  }),
})

const EditableType = builder.objectRef<Editable>("DataAssetEditable").implement({
  description: "What a bulk edit can change.",
  fields: (t) => ({
    tags: t.exposeStringList("tags", { nullable: false, description: "The keywords." }),
    customMetadata: t.field({
      type: [CustomMetadataEntry],
      nullable: false,
      description: "The values of custom metadata fields.",
      extensions: listOf(10),
      resolve: ({ customMetadata }) => Object.entries(customMetadata).map(([key, value]) => ({ key, value })),
    }),
  }),
})

const ItemType = builder.objectRef<Item>("DataAssetUpdate").implement({
  description: "The result for one data asset in a bulk edit.",
  fields: (t) => ({
    dataAssetId: t.exposeID("id", { nullable: false, description: "The data asset's id." }),
    status: t.field({
      type: UpdateStatus,
      nullable: false,
      description: "The result.",
      resolve: ({ status }) => status,
    }),
    before: t.field({
      type: EditableType,
      description: "The values before the edit. Null if the data asset could not be read.",
      resolve: ({ before }) => before,
    }),
    after: t.field({
      type: EditableType,
      description: "The values after the edit, or what they would be. Null if the edit failed.",
      resolve: ({ after, status }) => (status === "failed" ? null : after),
    }),
    failure: t.field({ type: FailureType, description: "What went wrong.", resolve: ({ failure }) => failure }),
    dataAsset: t.field({
      type: DataAsset,
      description: "The data asset after the edit. Costs one REST call, or none if only its id is selected.",
      extensions: link,
      resolve: ({ id }, _args, context, info) => dataAssetById.link(context, id, info),
    }),
  }),
})

/** How many data assets an edit is estimated for. For a search the maximum, so that no edit exceeds its limit halfway. */
const targets: Count = { argument: "input.ids", assumed: maxFound }

defineMutation({
  name: "updateDataAssets",
  description:
    "Edits tags and custom metadata of many data assets and leaves everything else unchanged. A failure of one does not stop the others. Costs one read and one write for each that changes, eight at a time. Try it with `dryRun` first.",
  cost: { calls: 2, per: targets, items: targets },
  input: builder.inputType("UpdateDataAssetsInput", {
    description: "Which data assets (by `ids`, or by `search`), and what to change of each.",
    fields: (t) => ({
      ids: t.idList({ description: "1 to 1,000 ids, without duplicates." }),
      search: t.field({ type: DataAssetSearchInput, description: "Everything that this search finds, at most 1,000." }),
      addTags: t.stringList({
        description: "Tags to add where they are missing.",
        extensions: limitLength(maxLength.key),
      }),
      removeTags: t.stringList({
        description: "Tags to remove where they are present.",
        extensions: limitLength(maxLength.key),
      }),
      setCustomMetadata: t.field({
        type: [CustomMetadataInput],
        description: "Custom metadata to set. Other keys are left unchanged.",
      }),
      dryRun: t.boolean({
        required: true,
        defaultValue: false,
        description: "If true, nothing is changed, and the result says what would change.",
      }),
    }),
  }),
  payload: builder.objectRef<{ items: Item[]; unreadable: DecodeError[] }>("UpdateDataAssetsPayload").implement({
    description: "The result for each data asset.",
    fields: (t) => ({
      items: t.field({
        type: [ItemType],
        nullable: false,
        description:
          "One item per data asset, in the order of `ids` or of the search. At the end is a null, with an error, for each data asset that the search returned in an unreadable form.",
        resolve: ({ items, unreadable }) => [...items, ...(unreadable as never[])],
      }),
      changed: t.int({
        nullable: false,
        description: "How many were changed, or would be changed in a dry run.",
        resolve: ({ items }) => items.filter(({ status }) => status === "changed" || status === "would_change").length,
      }),
      failed: t.int({
        nullable: false,
        description: "How many failed, or were unreadable.",
        resolve: ({ items, unreadable }) =>
          unreadable.length + items.filter(({ status }) => status === "failed").length,
      }),
    }),
  }),
  run: async ({ ids, search, dryRun, ...input }, context) => {
    if ((ids == null) === (search == null)) throw badUserInput("Give either `ids` or `search`, and not both.")
    if (ids != null) checkIds("ids", ids)
    const setCustomMetadata = wireMetadata("setCustomMetadata", input.setCustomMetadata) ?? {}
    const edit: Edit = {
      addTags: input.addTags ?? [],
      removeTags: new Set(input.removeTags),
      setCustomMetadata,
      metadataAsJson: new Map(Object.entries(setCustomMetadata).map(([key, value]) => [key, JSON.stringify(value)])),
    }
    const both = edit.addTags.find((tag) => edit.removeTags.has(tag))
    if (both !== undefined)
      throw badUserInput(`The tag ${JSON.stringify(both)} is in \`addTags\` and in \`removeTags\`.`)
    const empty = edit.addTags.findIndex((tag) => tag.trim() === "")
    if (empty >= 0) throw badUserInput(`\`addTags[${empty}]\` is empty. Give a tag, or omit it.`)
    if (!editsTags(edit) && !editsMetadata(edit)) {
      throw badUserInput("There is nothing to change. Give `addTags`, `removeTags` or `setCustomMetadata`.")
    }
    const found = search == null ? { ids: ids ?? [], unreadable: [] } : await findDataAssets(context, search)
    const items = await mapLimit(found.ids, concurrency, (id) => editOne(context, id, edit, dryRun))
    return { items, unreadable: found.unreadable }
  },
})
