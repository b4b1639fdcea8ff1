import { defineLookups } from "../lookup.ts"
import { DataAsset, dataAssetById } from "./type.ts"

defineLookups({ one: "dataAsset", many: "dataAssets", type: DataAsset, loader: dataAssetById })
