import { Refusal, toRefusal } from "../../errors.ts"
import type { Context } from "../context.ts"
import { dataAssetById } from "./loader.ts"
import * as rest from "./rest.ts"
import { DataAssetState } from "./type.ts"

/**
 * Sends a write to a data asset. Code Ocean may refuse to change a draft. So if the write is refused while the data asset is a
 * draft, the refusal says so. Costs one more REST call then, unless the data asset has been read already. Afterwards, even after a
 * failure, the request loads the data asset again.
 */
export async function changeDataAsset<T>(
  context: Context,
  id: string,
  write: () => Promise<T>,
  read?: rest.DataAsset,
): Promise<T> {
  try {
    return await write()
  } catch (error) {
    const refusal = toRefusal(error)
    if (refusal === undefined || refusal.code === "NOT_FOUND") throw error
    const dataAsset = read ?? (await rest.getDataAsset(context.upstream, id).catch(() => undefined))
    if (dataAsset === undefined || DataAssetState.read(dataAsset.state, context) !== "draft") throw error
    const { code, message, details, requiredScope } = refusal
    throw new Refusal(code, `${message.replace(/\.$/, "")}. ${advice}`, details, { requiredScope })
  } finally {
    dataAssetById(context).clear(id)
  }
}

const advice =
  "The data asset is still a draft, which may be the reason. Wait until it is READY, with the subscription `dataAsset(id)`. The permissions of a result are set at the right time by `captureResult`."
