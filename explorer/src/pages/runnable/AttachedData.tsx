import { ActionIcon, Button, Group, Skeleton, Text } from "@mantine/core"
import { useState } from "react"
import { dataAssetPath, runPath } from "../../app/paths.ts"
import { linkTo } from "../../app/router.ts"
import { useChange } from "../../data/useChange.ts"
import { Confirm } from "../../parts/Confirm.tsx"
import { DataAssetPicker } from "../../parts/DataAssetPicker.tsx"
import { EmptyState } from "../../parts/EmptyState.tsx"
import { Size } from "../../parts/Facts.tsx"
import { CrossIcon, DataIcon, LockIcon } from "../../parts/icons.tsx"
import { AttachDataDocument, DetachDataDocument } from "./changes.generated.ts"
import classes from "./Runnable.module.css"
import type { AttachedDataFragment, RunnablePageFragment } from "./runnable.generated.ts"

interface AttachedDataProps {
  runnable: RunnablePageFragment
  version: number | undefined
  loading: boolean
  /** Whether the token may not see some of the data assets themselves. */
  forbidden: boolean
  onChanged(): void
}

/** The attached data assets, as the app panel lists them. */
export function AttachedData({ runnable, version, loading, forbidden, onChanged }: AttachedDataProps) {
  const [attaching, setAttaching] = useState(false)
  const [detaching, setDetaching] = useState<AttachedDataFragment>()
  const attach = useChange(AttachDataDocument)
  const detach = useChange(DetachDataDocument)
  const { id, appPanel, name } = runnable
  const target = { id, isPipeline: runnable.__typename === "Pipeline", version: version ?? null }
  const attached = (appPanel?.dataAssets ?? []).filter((input) => input !== null)

  if (!appPanel && loading) return <Skeleton height={160} />
  return (
    <section aria-label="Attached data">
      <Group justify="space-between" mb="xs">
        <Text size="sm" c="dimmed">
          {appPanel
            ? "Every run has these data assets in its folder /data."
            : "Code Ocean lists attached data only in an app panel, and this has none."}
        </Text>
        <Button size="compact-sm" variant="default" onClick={() => setAttaching(true)}>
          Attach data
        </Button>
      </Group>
      {forbidden && attached.every(({ dataAsset }) => !dataAsset) && (
        <Text size="sm" c="dimmed" mb="xs">
          <LockIcon /> Your token may not see more of them than their names.
        </Text>
      )}
      {!appPanel && <InputsOfNewestRun runnable={runnable} />}
      {appPanel && attached.length === 0 && <EmptyState title="No data is attached" />}
      <ul className={classes.rows}>
        {attached.map((input, index) => (
          <li key={input.dataAssetId ?? index} className={classes.input}>
            {input.accessible === false ? <LockIcon /> : <DataIcon />}
            <span className={classes.inputName}>
              {input.accessible === false || !input.dataAssetId ? (
                <span title="You may not open this data asset">{input.name ?? input.dataAssetId}</span>
              ) : (
                <a {...linkTo(dataAssetPath(input.dataAssetId))} className="text-link">
                  {input.dataAsset?.name ?? input.name ?? input.dataAssetId}
                </a>
              )}
              {input.description && (
                <Text span size="xs" c="dimmed" display="block">
                  {input.description}
                </Text>
              )}
              {input.accessible === false && (
                <Text span size="xs" c="dimmed" display="block">
                  You may not open it.
                </Text>
              )}
            </span>
            <Text span size="sm" c="dimmed" className={classes.mount}>
              {input.mount && `/data/${input.mount}`}
            </Text>
            <Text span size="sm" c="dimmed">
              {input.dataAsset && input.dataAsset.state !== "READY" ? `${input.dataAsset.state.toLowerCase()} ` : ""}
              {input.kind === "EXTERNAL" ? "external" : <Size of={input.dataAsset?.size} />}
            </Text>
            {input.dataAssetId && (
              <ActionIcon
                variant="subtle"
                color="gray"
                c="dimmed"
                aria-label={`Detach ${input.dataAsset?.name ?? input.name}`}
                title="Detach"
                onClick={() => {
                  detach.clear()
                  setDetaching(input)
                }}
              >
                <CrossIcon width="14" height="14" />
              </ActionIcon>
            )}
          </li>
        ))}
      </ul>
      {attaching && (
        <DataAssetPicker
          title={`Attach data to ${name}`}
          action="Attach"
          present={attached.map(({ dataAssetId }) => dataAssetId)}
          change={attach}
          onChoose={async (chosen) => {
            const dataAssets = chosen.map(({ id: asset, mount }) => ({ id: asset, ...(mount && { mount }) }))
            const done = (await attach.send({ ...target, dataAssets })) !== undefined
            if (done) onChanged()
            return done
          }}
          onClose={() => {
            attach.clear()
            setAttaching(false)
          }}
        />
      )}
      {detaching && (
        <Confirm
          title="Detach data"
          action="Detach"
          change={detach}
          onConfirm={async () => {
            const done = await detach.send({ ...target, dataAssetIds: [detaching.dataAssetId!] })
            if (done === undefined) return
            setDetaching(undefined)
            onChanged()
          }}
          onClose={() => setDetaching(undefined)}
        >
          <Text size="sm">
            Further runs of {name} will not have <strong>{detaching.dataAsset?.name ?? detaching.name}</strong>. The
            data asset itself stays.
          </Text>
        </Confirm>
      )}
    </section>
  )
}

/** What is attached to a capsule or pipeline without an app panel, as far as it is known. */
function InputsOfNewestRun({ runnable }: { runnable: RunnablePageFragment }) {
  const run = runnable.computations?.nodes[0]
  const inputs = (run?.dataAssets ?? []).filter((input) => input?.dataAssetId)
  if (!run || inputs.length === 0) return null
  return (
    <>
      <Text size="sm">
        Its newest run, <a {...linkTo(runPath({ id: run.id, runnable }))}>{run.name}</a>, had:
      </Text>
      <ul className={classes.rows}>
        {inputs.map((input) => (
          <li key={input!.dataAssetId} className={classes.input}>
            <DataIcon />
            <a {...linkTo(dataAssetPath(input!.dataAssetId!))} className="text-link">
              {input!.mount ? `/data/${input!.mount}` : input!.dataAssetId}
            </a>
          </li>
        ))}
      </ul>
    </>
  )
}
