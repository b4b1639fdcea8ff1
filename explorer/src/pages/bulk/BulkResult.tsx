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
  names,
  fields,
  onCancel,
}: {
  run: BulkRun
  names: Readonly<Record<string, string>>
  fields: readonly FieldKind[]
  onCancel(): void
}) {
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
        value={(100 * run.items.length) / Math.max(1, run.total)}
        aria-label="Progress"
        mb="sm"
        size="sm"
        transitionDuration={0}
      />
      {run.problem !== undefined && (
        <Alert color="red" variant="light" mb="sm" role="alert" title="It has stopped">
          {run.problem}
          {run.unknown && " Whether the last part was carried out is not known: show the differences again to see it."}
        </Alert>
      )}
      {run.items.length > 0 && (
        <Table.ScrollContainer minWidth={560} scrollAreaProps={{ viewportProps: { tabIndex: 0 } }}>
          <Table>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>Data asset</Table.Th>
                <Table.Th>{run.dryRun ? "Would be" : "Result"}</Table.Th>
                <Table.Th>Differences</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {run.items.map((item) => (
                <Table.Tr key={item.dataAssetId}>
                  <Table.Td>{names[item.dataAssetId] ?? item.dataAssetId}</Table.Td>
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
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      )}
    </section>
  )
}

function summaryOf({ dryRun, items, total, state }: BulkRun): string {
  const of = (status: BulkItem["status"]) => items.filter((item) => item.status === status).length
  const failed = of("FAILED") > 0 ? `, ${of("FAILED")} failed` : ""
  if (state === "running")
    return `${dryRun ? "Looking at" : "Changing"} ${items.length} of ${count(total, "data asset")}…`
  if (dryRun) return `${count(of("WOULD_CHANGE"), "data asset")} would change${failed}. Nothing was changed yet.`
  const changed = `${count(of("CHANGED"), "data asset")} changed${failed}.`
  return state === "cancelled" ? `${changed} Cancelled: ${total - items.length} were not touched.` : changed
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
