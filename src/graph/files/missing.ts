import { badUserInput, nullIfMissing } from "../../errors.ts"
import type { Context } from "../context.ts"
import { dataAssetById } from "../dataAsset/loader.ts"
import type { DataAsset } from "../dataAsset/rest.ts"
import { boolean, object, string } from "../fields.ts"
import type { FileOwner } from "./rest.ts"

/**
 * Same as `nullIfMissing`, for the files of an owner. Throws BAD_USER_INPUT if Code Ocean has no files of the data asset because they are
 * in a bucket of its own: an answer of null would say that they do not exist. Then the data asset is read, unless the request has read it.
 */
export async function nullIfNoFile<T>(context: Context, owner: FileOwner, lookup: Promise<T>): Promise<T | null> {
  const found = await nullIfMissing(lookup)
  if (found !== null || owner.kind !== "data_assets") return found
  const asset = await dataAssetById(context)
    .loadOrNull(owner.id)
    .catch(() => null)
  if (asset !== null && isExternal(asset)) {
    throw badUserInput(
      "The files of this data asset are in a bucket outside Code Ocean, and Code Ocean neither lists nor sends them. Its `sourceBucket`, or that of its `containedDataAssets`, says where they are.",
    )
  }
  return null
}

/** A combined data asset consists of external ones. A value that can't be read says nothing. */
function isExternal(asset: DataAsset): boolean {
  try {
    const bucket = object("source_bucket")(asset)
    return (
      string("type")(asset)?.toLowerCase() === "combined" || (bucket !== null && boolean("external")(bucket) === true)
    )
  } catch {
    return false
  }
}
