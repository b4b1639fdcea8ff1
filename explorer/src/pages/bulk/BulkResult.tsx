import { Alert, Button, Group, Progress, Table, Text } from "@mantine/core"
import { count } from "../../parts/format.ts"
import { type FieldKind, showValue } from "../../parts/metadata.ts"
import classes from "./Bulk.module.css"
import type { BulkItem, BulkRun } from "./useBulk.ts"

const statuses: Readonly<Record<BulkItem["status"], { label: string; color: string }>> = {
  WOULD_CHANGE: { label: "Would change", color: "var(--busy)" },
  CHANGED: { label: "Changed", color: "var(--good)" },
  UNCHANGED: { label: "Already so", color: "var(--quiet)" },
  FAILED: { label: "Failed", color: "var(--bad)" },
}

/** What an edit would do or has done, for each data asset, with its progress. */
export function BulkResult({
  run,
  fields,
  onCancel,
}: {
  run: BulkRun
  fields: readonly FieldKind[]
  onCancel(): void
}) {
  const rest = run.state === "running" ? [] : restOf(run)
  return (
    <section className={classes.result} aria-label="Result">
      <Group justify="space-between" mb="xs">
        <Text size="sm" role="status">
          {summaryOf(run)}
        </Text>
        {run.state === "running" && (
          <Button variant="default" size="compact-sm" onClick={onCancel}>
            Cancel
          </Button>
        )}
      </Group>
      <Progress
        value={(100 * run.items.length) / Math.max(1, run.ids.length)}
        aria-label="Progress"
        mb="sm"
        size="sm"
        transitionDuration={0}
      />
      {run.problem !== undefined && (
        <Alert color="red" variant="light" mb="sm" role="alert" title="It has stopped">
          {run.problem} Show the differences again to go on with the rest.
        </Alert>
      )}
      {run.items.length + rest.length > 0 && (
        <Table.ScrollContainer minWidth={560} scrollAreaProps={{ viewportProps: { tabIndex: 0 } }}>
          <Table>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>Data asset</Table.Th>
                <Table.Th>Outcome</Table.Th>
                <Table.Th>Differences</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {run.items.map((item) => (
                <Table.Tr key={item.dataAssetId}>
                  <Table.Td>{run.names[item.dataAssetId] ?? item.dataAssetId}</Table.Td>
                  <Table.Td style={{ color: statuses[item.status].color, whiteSpace: "nowrap" }}>
                    {statuses[item.status].label}
                  </Table.Td>
                  <Table.Td>
                    {item.failure ? (
                      <>
                        {item.failure.message}
                        {item.failure.outcomeUnknown && " It may have changed all the same."}
                      </>
                    ) : (
                      <Differences item={item} fields={fields} />
                    )}
                  </Table.Td>
                </Table.Tr>
              ))}
              {rest.map((id) => (
                <Table.Tr key={id}>
                  <Table.Td>{run.names[id] ?? id}</Table.Td>
                  <Table.Td style={{ color: "var(--quiet)", whiteSpace: "nowrap" }}>
                    {run.unknown.includes(id) ? "Not known" : run.dryRun ? "Not read" : "Not sent"}
                  </Table.Td>
                  <Table.Td>
                    {run.unknown.includes(id) && "The answer was lost. It may have changed all the same."}
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      )}
    </section>
  )
}

/** The data assets without an outcome. */
function restOf({ ids, items }: BulkRun): string[] {
  const done = new Set(items.map(({ dataAssetId }) => dataAssetId))
  return ids.filter((id) => !done.has(id))
}

function summaryOf(run: BulkRun): string {
  const { dryRun, ids, items, state, unknown } = run
  const of = (status: BulkItem["status"]) => items.filter((item) => item.status === status).length
  const failed = of("FAILED") > 0 ? `, ${of("FAILED")} failed` : ""
  if (state === "running")
    return `${dryRun ? "Looking at" : "Changing"} ${items.length} of ${count(ids.length, "data asset")}…`
  const rest = restOf(run).length - unknown.length
  const untouched = rest > 0 ? ` ${rest} ${rest === 1 ? "was" : "were"} not ${dryRun ? "read" : "touched"}.` : ""
  const cancelled = state === "cancelled" ? " Cancelled:" : ""
  if (dryRun) {
    return `${count(of("WOULD_CHANGE"), "data asset")} would change${failed}.${cancelled}${untouched} Nothing was changed yet.`
  }
  const lost = unknown.length > 0 ? ` ${unknown.length} may have changed.` : ""
  return `${count(of("CHANGED"), "data asset")} changed${failed}.${lost}${cancelled}${untouched}`
}

function Differences({ item: { before, after }, fields }: { item: BulkItem; fields: readonly FieldKind[] }) {
  if (!before || !after) return null
  const [oldTags, newTags] = [new Set(before.tags), new Set(after.tags)]
  const old = new Map(before.customMetadata.map((entry) => [entry?.key, entry?.value]))
  const values = after.customMetadata.flatMap((entry) => {
    if (!entry || JSON.stringify(old.get(entry.key)) === JSON.stringify(entry.value)) return []
    const field = fields.find(({ name }) => name === entry.key)
    return [{ key: entry.key, before: showValue(old.get(entry.key), field), after: showValue(entry.value, field) }]
  })
  return (
    <span className={classes.differences}>
      {[...oldTags].filter((tag) => !newTags.has(tag)).map((tag) => tag && <del key={tag}>{tag}</del>)}
      {[...newTags].filter((tag) => !oldTags.has(tag)).map((tag) => tag && <ins key={tag}>{tag}</ins>)}
      {values.map((value) => (
        <span key={value.key}>
          {value.key}: {value.before !== "" && <del>{value.before}</del>} <ins>{value.after}</ins>
        </span>
      ))}
    </span>
  )
}
