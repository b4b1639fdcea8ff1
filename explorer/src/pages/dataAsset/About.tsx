import { Stack } from "@mantine/core"
import { dataAssetPath, searchPath } from "../../app/paths.ts"
import { linkTo } from "../../app/router.ts"
import { DataIcon } from "../../parts/icons.tsx"
import { Markdown } from "../../parts/Markdown.tsx"
import { type FieldKind, showValue } from "../../parts/metadata.ts"
import { TagList } from "../../parts/Tags.tsx"
import { Values } from "../../parts/Values.tsx"
import classes from "./DataAsset.module.css"
import type { Asset } from "./DataAssetPage.tsx"
import { None, Section } from "./parts.tsx"

/** What a data asset is: description, tags, metadata, and what it was made of. */
export function About({ asset, fields }: { asset: Asset; fields: readonly FieldKind[] }) {
  const entries = (asset.customMetadata ?? []).filter((entry) => entry !== null)
  return (
    <>
      <Stack gap="sm" className={classes.section}>
        {asset.description ? <Markdown text={asset.description} /> : <None>It has no description.</None>}
        <TagList of={asset.tags} pathOf={(tag) => searchPath("data-assets", "tags", tag)} />
      </Stack>
      <Section title="Metadata">
        {entries.length === 0 && <None>It has no custom metadata.</None>}
        <Values
          of={entries.map(({ key, value }) => ({
            name: key,
            value: <MetadataValue name={key} value={value} field={fields.find((field) => field.name === key)} />,
          }))}
        />
      </Section>
      {(asset.appParameters?.length ?? 0) > 0 && (
        <Section title="Made with">
          <Values
            of={(asset.appParameters ?? []).map((parameter, index) => ({
              name: parameter?.name ?? parameter?.paramName ?? `Parameter ${index + 1}`,
              value: parameter?.value,
            }))}
          />
        </Section>
      )}
      {(asset.containedDataAssets?.length ?? 0) > 0 && (
        <Section title="Consists of">
          <ul className={classes.list}>
            {asset.containedDataAssets?.map((part, index) => (
              <li key={`${index} ${part?.dataAssetId}`}>
                <DataIcon />
                {part?.dataAsset ? (
                  <a {...linkTo(dataAssetPath(part.dataAsset.id))} className="text-link truncate">
                    {part.dataAsset.name}
                  </a>
                ) : (
                  <span>{part?.dataAssetId ? "Not visible to you" : "Unknown data asset"}</span>
                )}
                {part?.mount && <span className={`truncate ${classes.end}`}>{part.mount}</span>}
              </li>
            ))}
          </ul>
        </Section>
      )}
    </>
  )
}

/** A value leads to the search for all data assets that have it. A date is searched for as a range, and stays text. */
function MetadataValue({ name, value, field }: { name: string; value: unknown; field: FieldKind | undefined }) {
  const values = (Array.isArray(value) ? value : [value]) as unknown[]
  const isSought = field?.type !== "DATE" && values.every((one) => typeof one === "string" || typeof one === "number")
  if (!isSought) return showValue(value, field)
  return values.map((one, index) => (
    <span key={`${index} ${one}`}>
      {index > 0 && ", "}
      <a {...linkTo(searchPath("data-assets", name, one))} className="text-link">
        {showValue(one, field)}
      </a>
    </span>
  ))
}
