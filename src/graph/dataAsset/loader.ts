import { loaderById } from "../loader.ts"
import * as rest from "./rest.ts"

export const dataAssetById = loaderById("DataAsset", (context, id) => rest.getDataAsset(context.upstream, id))
