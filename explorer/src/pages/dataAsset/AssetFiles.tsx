import { Code, Skeleton } from "@mantine/core"
import { useQueryState } from "../../app/router.ts"
import type { Problem } from "../../data/problem.ts"
import { Files } from "../../parts/files/Files.tsx"
import type { Asset } from "./DataAssetPage.tsx"
import { None, Unread } from "./parts.tsx"

const schemes: Readonly<Record<string, string>> = { AWS: "s3", GCP: "gs" }

/** Where the files of a data asset came from, such as `s3://bucket/folder`. Undefined if that is unknown. */
export function addressOf(bucket: Asset["sourceBucket"]): string | undefined {
  if (!bucket?.bucket) return undefined
  const path = [bucket.bucket, bucket.prefix].filter(Boolean).join("/")
  const scheme = schemes[bucket.origin ?? ""]
  return scheme === undefined ? path : `${scheme}://${path}`
}

/** The files of a data asset, or why Code Ocean does not list them. */
export function AssetFiles({
  asset,
  loading,
  problems,
}: {
  asset: Asset
  loading: boolean
  problems: readonly Problem[]
}) {
  const [query] = useQueryState()
  const entries = asset.files?.entries
  const address = addressOf(asset.sourceBucket)
  if (entries && (entries.length > 0 || query.has("file")))
    return <Files owner={{ is: "dataAsset", id: asset.id }} label="Files" root={entries} />
  if (entries) return <None>It has no files.</None>
  if (loading) return <Skeleton height={150} />
  if (asset.state === "DRAFT") return <None>They are listed when the data asset is ready.</None>
  if (asset.state === "FAILED") return <None>Its creation failed.</None>
  if (asset.sourceBucket?.external)
    return (
      <None>
        Code Ocean does not list the files of an external data asset.
        {address !== undefined && (
          <>
            {" "}
            They are in <Code style={{ overflowWrap: "anywhere" }}>{address}</Code>.
          </>
        )}
      </None>
    )
  return <Unread problems={problems} path="dataAsset.files" />
}
