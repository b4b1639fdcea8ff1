import { ActionIcon, Button, Text } from "@mantine/core"
import { useState } from "react"
import { DataAssetPicker } from "../../../parts/DataAssetPicker.tsx"
import { CrossIcon, DataIcon } from "../../../parts/icons.tsx"
import classes from "../Runnable.module.css"
import type { RunnablePageFragment } from "../runnable.generated.ts"

/** A data asset for one run. */
export interface RunData {
  id: string
  name: string
  /** The folder. "" takes the data asset's own. */
  mount: string
}

interface RunDataFieldsProps {
  runnable: RunnablePageFragment
  added: readonly RunData[]
  onChange(added: RunData[]): void
}

/** The inputs of the run: what is attached, and what is added for this run alone. */
export function RunDataFields({ runnable, added, onChange }: RunDataFieldsProps) {
  const [choosing, setChoosing] = useState(false)
  const attached = (runnable.appPanel?.dataAssets ?? []).filter((input) => input !== null)
  return (
    <fieldset className={classes.section}>
      <legend>Data</legend>
      <ul className={classes.inputs}>
        {attached.map((input, index) => (
          <li key={input.dataAssetId ?? index}>
            <DataIcon />
            <span className="truncate">{input.dataAsset?.name ?? input.name ?? input.dataAssetId}</span>
            <Text span size="xs" c="dimmed" className="truncate">
              {input.mount ? `/data/${input.mount}` : ""} attached
            </Text>
          </li>
        ))}
        {added.map(({ id, name, mount }) => (
          <li key={id}>
            <DataIcon />
            <span className="truncate">{name}</span>
            <Text span size="xs" c="dimmed" className="truncate">
              {mount ? `/data/${mount}` : ""} for this run
            </Text>
            <ActionIcon
              variant="subtle"
              color="gray"
              size="sm"
              aria-label={`Run without ${name}`}
              onClick={() => onChange(added.filter((other) => other.id !== id))}
            >
              <CrossIcon width="12" height="12" />
            </ActionIcon>
          </li>
        ))}
      </ul>
      {attached.length + added.length === 0 && (
        <Text size="sm" c="dimmed" mb="xs">
          The run has no data.
        </Text>
      )}
      <Button size="compact-sm" variant="default" onClick={() => setChoosing(true)}>
        Add data for this run
      </Button>
      {choosing && (
        <DataAssetPicker
          title="Data for this run"
          action="Add"
          present={[...attached.map(({ dataAssetId }) => dataAssetId), ...added.map(({ id }) => id)]}
          onChoose={(chosen) => {
            onChange([...added, ...chosen])
            return true
          }}
          onClose={() => setChoosing(false)}
        />
      )}
    </fieldset>
  )
}
