import { Button, Checkbox, Group, Loader, Menu, Text } from "@mantine/core"
import { useState } from "react"
import { dataAssetPath } from "../../app/paths.ts"
import { linkTo, useQueryState } from "../../app/router.ts"
import { useDraft } from "../../data/useDraft.ts"
import { usePages } from "../../data/usePages.ts"
import { EmptyState } from "../../parts/EmptyState.tsx"
import { count } from "../../parts/format.ts"
import { MetadataInput } from "../../parts/MetadataInput.tsx"
import { type FieldKind, wireValueOf } from "../../parts/metadata.ts"
import { PageTitle } from "../../parts/PageTitle.tsx"
import { Problems } from "../../parts/Problems.tsx"
import { SkeletonRows } from "../../parts/SkeletonRows.tsx"
import { Tags } from "../../parts/Tags.tsx"
import { TagsField } from "../../parts/TagsField.tsx"
import { Filters } from "../search/Filters.tsx"
import { QueryField } from "../search/QueryField.tsx"
import searchClasses from "../search/Search.module.css"
import { searches, shownOf } from "../search/searches.ts"
import { readDataAssetState } from "../search/state.ts"
import classes from "./Bulk.module.css"
import { BulkResult } from "./BulkResult.tsx"
import { type Edit, textOf, useBulk } from "./useBulk.ts"

interface Draft {
  /** The names of the chosen data assets, by id. */
  chosen: Record<string, string>
  add: string[]
  remove: string[]
  /** The texts of the custom metadata fields to set. */
  set: Record<string, string[]>
}

const empty: Draft = { chosen: {}, add: [], remove: [], set: {} }

/** Changes tags and custom metadata of many data assets: choose, describe the change, look at the differences, apply. */
export default function BulkPage() {
  const [address, change] = useQueryState()
  const state = readDataAssetState(address)
  const { document, select, variables } = searches["data-assets"]
  const page = usePages(document, variables(state), select)
  const fields = (page.data?.customMetadata?.fields ?? []).filter((field) => field !== null)
  const [typed, changeDraft, drop] = useDraft<Draft>("bulk")
  const draft = typed ?? empty
  const update = (part: Partial<Draft>) => changeDraft((before) => ({ ...(before ?? empty), ...part }))
  const { bulk, run } = useBulk()
  const ids = Object.keys(draft.chosen)
  const edit = editOf(draft, fields)
  const isPreviewed = run?.dryRun === true && run.state === "done" && run.of === textOf(ids, edit)
  const isRunning = run?.state === "running"
  const hasEdit = Boolean(edit.add || edit.remove || edit.set)
  const found = shownOf(page.nodes, state)
  const allChosen = found.length > 0 && found.every(({ id }) => id in draft.chosen)

  function toggleAll() {
    const chosen = { ...draft.chosen }
    for (const { id, name } of found) {
      if (allChosen) delete chosen[id]
      else chosen[id] = name
    }
    update({ chosen })
  }

  return (
    <>
      <PageTitle title="Change many data assets" />
      <Problems page={page} />
      <div className={classes.columns}>
        <section aria-label="Choose">
          <h2 className={classes.heading}>1. Choose data assets</h2>
          <div className={searchClasses.controls}>
            <QueryField
              query={state.query}
              label="Search data assets"
              onChange={(q) => change({ q }, { replace: true })}
            />
            <Filters state={state} fields={fields} change={change} />
          </div>
          <div className="panel">
            <div className={searchClasses.summary}>
              <Checkbox
                label={
                  page.isReadingFirst ? "Searching…" : `All ${found.length}${page.hasMore ? " that are shown" : ""}`
                }
                size="xs"
                checked={allChosen}
                indeterminate={!allChosen && found.some(({ id }) => id in draft.chosen)}
                disabled={found.length === 0 || isRunning}
                onChange={toggleAll}
              />
              {page.loading && <Loader size={14} aria-label="Loading" />}
            </div>
            {page.isReadingFirst && (
              <div className={classes.list}>
                <SkeletonRows rows={8} />
              </div>
            )}
            {!page.isReadingFirst && found.length === 0 && page.problems.length === 0 && (
              <EmptyState title="No data assets found" />
            )}
            {!page.isReadingFirst && (
              <ul className={classes.list} aria-label="Data assets">
                {found.map(({ id, name, tags }) => (
                  <li key={id}>
                    <Checkbox
                      size="xs"
                      aria-label={name}
                      checked={id in draft.chosen}
                      disabled={isRunning}
                      onChange={(event) => {
                        const { [id]: _, ...others } = draft.chosen
                        update({ chosen: event.currentTarget.checked ? { ...others, [id]: name } : others })
                      }}
                    />
                    <a {...linkTo(dataAssetPath(id))} className="text-link truncate">
                      {name}
                    </a>
                    <Tags of={tags} />
                  </li>
                ))}
              </ul>
            )}
            {page.hasMore && (
              <Button variant="subtle" fullWidth loading={page.loadingMore} onClick={page.loadMore}>
                More
              </Button>
            )}
          </div>
        </section>
        <section aria-label="Change">
          <h2 className={classes.heading}>2. What to change</h2>
          <fieldset className={classes.form} disabled={isRunning}>
            <TagsField label="Add tags" value={draft.add} onChange={(add) => update({ add })} acceptValueOnBlur />
            <TagsField
              label="Remove tags"
              value={draft.remove}
              onChange={(remove) => update({ remove })}
              data={tagsOf(found)}
              acceptValueOnBlur
            />
            {fields
              .filter(({ name }) => name in draft.set)
              .map((field) => (
                <MetadataInput
                  key={field.name}
                  field={field}
                  values={draft.set[field.name] ?? []}
                  onChange={(values) => update({ set: { ...draft.set, [field.name]: values } })}
                />
              ))}
            <FieldMenu
              fields={fields.filter(({ name }) => !(name in draft.set))}
              loading={page.isReadingFirst}
              onAdd={(name) => update({ set: { ...draft.set, [name]: [] } })}
            />
          </fieldset>
          <h2 className={classes.heading}>3. Look, then apply</h2>
          <Text size="sm" c="dimmed" mb="sm" role="status">
            {ids.length === 0 ? "No data asset is chosen." : `${count(ids.length, "data asset")} chosen.`}{" "}
            {ids.length > 0 && !hasEdit && "Say what to change."}
          </Text>
          <Group gap="sm">
            <Button
              variant={isPreviewed ? "default" : "filled"}
              disabled={ids.length === 0 || !hasEdit || isRunning}
              onClick={() => void bulk.start(draft.chosen, edit, true)}
            >
              Show the differences
            </Button>
            <Button
              variant={isPreviewed ? "filled" : "default"}
              disabled={!isPreviewed}
              onClick={() => void bulk.start(draft.chosen, edit, false)}
            >
              Apply
            </Button>
            {typed !== undefined && !isRunning && (
              <Button
                variant="subtle"
                onClick={() => {
                  drop()
                  bulk.clear()
                }}
              >
                Start over
              </Button>
            )}
          </Group>
        </section>
      </div>
      {run !== undefined && <BulkResult run={run} fields={fields} onCancel={() => bulk.cancel()} />}
    </>
  )
}

interface FieldMenuProps {
  fields: readonly FieldKind[]
  /** Whether the fields are not known yet. The button has its place then, so that nothing below it moves. */
  loading: boolean
  onAdd(name: string): void
}

function FieldMenu({ fields, loading, onAdd }: FieldMenuProps) {
  const [opened, setOpened] = useState(false)
  if (fields.length === 0 && !loading) return null
  return (
    <Menu opened={opened} onChange={setOpened} position="bottom-start" shadow="md">
      <Menu.Target>
        <Button variant="default" size="compact-sm" disabled={loading}>
          Set custom metadata
        </Button>
      </Menu.Target>
      <Menu.Dropdown mah="50vh" style={{ overflowY: "auto" }}>
        {fields.map(({ name }) => (
          <Menu.Item key={name} onClick={() => onAdd(name)}>
            {name}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  )
}

function editOf({ add, remove, set }: Draft, fields: readonly FieldKind[]): Edit {
  const values = fields
    .filter(({ name }) => name in set)
    .map((field) => ({ key: field.name, value: wireValueOf(set[field.name] ?? [], field) }))
    .filter(({ value }) => value !== undefined)
  return {
    ...(add.length > 0 && { add }),
    ...(remove.length > 0 && { remove }),
    ...(values.length > 0 && { set: values }),
  }
}

const tagsOf = (items: readonly { tags: (string | null)[] | null }[]): string[] => [
  ...new Set(items.flatMap(({ tags }) => (tags ?? []).filter((tag) => tag !== null))),
]
