import { memo } from "react"
import { dataAssetPath, runnablePath, searchPath } from "../../app/paths.ts"
import { linkTo } from "../../app/router.ts"
import { Size, Time } from "../../parts/Facts.tsx"
import { CapsuleIcon, DataIcon, PipelineIcon } from "../../parts/icons.tsx"
import { Tags } from "../../parts/Tags.tsx"
import classes from "./Search.module.css"
import type { DataAssetItem, Item, RunnableItem } from "./searches.ts"

/** Scrolling draws the list again, but only the rows that come into it. */
export const Row = memo(function Row({ item, withUse = false }: { item: Item; withUse?: boolean }) {
  return item.__typename === "DataAsset" ? <DataAssetRow item={item} withUse={withUse} /> : <RunnableRow item={item} />
})

function RunnableRow({ item }: { item: RunnableItem }) {
  const isPipeline = item.__typename === "Pipeline"
  const Icon = isPipeline ? PipelineIcon : CapsuleIcon
  return (
    <div className={classes.row}>
      <Name path={runnablePath(item)} name={item.name} icon={<Icon />} />
      <Tags of={item.tags} pathOf={(tag) => searchPath(isPipeline ? "pipelines" : "capsules", "tags", tag)} />
      <span className={classes.meta}>{item.status === "RELEASE" ? "Release" : ""}</span>
      <span className={`${classes.meta} truncate`}>{item.ownerEmail}</span>
      <span className={`${classes.meta} ${classes.when}`}>
        <Time of={item.lastAccessed} missing="never opened" />
      </span>
    </div>
  )
}

export const dataAssetTypes: Readonly<Record<DataAssetItem["type"], string>> = {
  DATASET: "Dataset",
  RESULT: "Result",
  COMBINED: "Combined",
  MODEL: "Model",
  UNRECOGNIZED: "Other",
}

function DataAssetRow({ item, withUse }: { item: DataAssetItem; withUse: boolean }) {
  return (
    <div className={`${classes.row} ${classes.dataAsset}`}>
      <Name path={dataAssetPath(item.id)} name={item.name} icon={<DataIcon />} />
      <Tags of={item.tags} pathOf={(tag) => searchPath("data-assets", "tags", tag)} />
      <span className={classes.meta}>
        {item.state === "DRAFT" && "Draft, "}
        {item.state === "FAILED" && <span className={classes.failed}>Failed, </span>}
        {dataAssetTypes[item.type]}
      </span>
      <span className={`${classes.meta} ${classes.size}`}>{item.size !== null && <Size of={item.size} />}</span>
      <span className={`${classes.meta} ${classes.when}`}>
        {withUse ? (
          <>
            {item.lastUsed && "used "}
            <Time of={item.lastUsed} missing="never used" />
          </>
        ) : (
          <Time of={item.created} />
        )}
      </span>
    </div>
  )
}

function Name({ path, name, icon }: { path: string; name: string; icon: React.ReactNode }) {
  return (
    <span className={classes.name}>
      {icon}
      <a {...linkTo(path)} className="text-link truncate" title={name}>
        {name}
      </a>
    </span>
  )
}
