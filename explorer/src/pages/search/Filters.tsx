import { CloseButton, Menu, UnstyledButton } from "@mantine/core"
import { lazy, Suspense, useState } from "react"
import type { SearchFilterInput } from "../../data/schema.generated.ts"
import classes from "./Filters.module.css"
import { describeFilter, type MetadataField } from "./fieldFilters.ts"
import { dataAssetTypes } from "./Rows.tsx"
import { type SearchState, writeFilters } from "./state.ts"

/** Its inputs are large, and few visitors need them. */
const FieldFilter = lazy(() => import("./FieldFilter.tsx"))

type Change = (changes: Record<string, string | null>) => void

/** What a search can be narrowed by besides its text: one menu for each parameter, and conditions on fields. */
export function Filters({
  state,
  fields,
  areFieldsHidden = false,
  change,
  without = [],
}: {
  state: SearchState
  fields: readonly (MetadataField | null)[]
  /** Whether the token may not see the fields. */
  areFieldsHidden?: boolean
  change: Change
  /** What the page does not offer. */
  without?: readonly ("origin" | "unused")[]
}) {
  const [editing, setEditing] = useState<{ index: number; filter?: SearchFilterInput } | undefined>()
  const setFilters = (filters: readonly SearchFilterInput[]) => change({ filters: writeFilters(filters) })
  const known = fields.filter((field) => field !== null)

  return (
    <>
      <Choice
        label="Owner"
        name="owned"
        value={state.ownership}
        change={change}
        options={{ CREATED: "Created by me", SHARED: "Shared with me", PRIVATE: "Only visible to me" }}
      />
      {state.kind === "data-assets" ? (
        <>
          <Choice
            label="Type"
            name="data"
            value={state.dataType}
            change={change}
            options={Object.fromEntries(Object.entries(dataAssetTypes).filter(([type]) => type !== "UNRECOGNIZED"))}
          />
          {!without.includes("origin") && (
            <Choice
              label="Storage"
              name="origin"
              value={state.origin}
              change={change}
              options={{ INTERNAL: "In Code Ocean", EXTERNAL: "In an external bucket" }}
            />
          )}
        </>
      ) : (
        <Choice
          label="Status"
          name="status"
          value={state.status}
          change={change}
          options={{ NON_RELEASE: "Work in progress", RELEASE: "Releases" }}
        />
      )}
      <Toggle label="Favorites" name="favorite" on={state.favorite} change={change} />
      <Toggle label="Archived" name="archived" on={state.archived} change={change} />
      {state.kind === "data-assets" && !without.includes("unused") && (
        <Toggle label="Unused" name="unused" on={state.unused} change={change} />
      )}
      <Menu position="bottom-start" shadow="md" width={240}>
        <Menu.Target>
          <UnstyledButton className={classes.choice}>Add a condition</UnstyledButton>
        </Menu.Target>
        <Menu.Dropdown className={classes.fields}>
          <Menu.Label>Of every object</Menu.Label>
          {["name", "description", "tags"].map((key) => (
            <Menu.Item key={key} onClick={() => setEditing({ index: state.filters.length, filter: { key } })}>
              {key}
            </Menu.Item>
          ))}
          {known.length > 0 && <Menu.Label>Custom metadata</Menu.Label>}
          {areFieldsHidden && <Menu.Label>Your token may not see the fields for custom metadata</Menu.Label>}
          {known.map(({ name }) => (
            <Menu.Item key={name} onClick={() => setEditing({ index: state.filters.length, filter: { key: name } })}>
              {name}
            </Menu.Item>
          ))}
        </Menu.Dropdown>
      </Menu>
      {state.filters.length > 0 && (
        <ul className={classes.chips} aria-label="Conditions">
          {state.filters.map((filter, index) => (
            <li key={JSON.stringify(filter)} className={classes.chip}>
              <UnstyledButton fz="sm" onClick={() => setEditing({ index, filter })}>
                {describeFilter(filter, known)}
              </UnstyledButton>
              <CloseButton
                size="xs"
                aria-label={`Remove: ${describeFilter(filter, known)}`}
                onClick={() => setFilters(state.filters.filter((_, other) => other !== index))}
              />
            </li>
          ))}
        </ul>
      )}
      {editing?.filter !== undefined && (
        <Suspense>
          <FieldFilter
            filter={editing.filter}
            field={known.find(({ name }) => name === editing.filter?.key)}
            onClose={() => setEditing(undefined)}
            onApply={(filter) => {
              setFilters(state.filters.toSpliced(editing.index, 1, filter))
              setEditing(undefined)
            }}
          />
        </Suspense>
      )}
    </>
  )
}

function Choice({
  label,
  name,
  value,
  options,
  change,
}: {
  label: string
  name: string
  value: string | undefined
  options: Readonly<Record<string, string>>
  change: Change
}) {
  return (
    <Menu position="bottom-start" shadow="md">
      <Menu.Target>
        <UnstyledButton className={classes.choice} data-on={value !== undefined || undefined}>
          {value === undefined ? label : (options[value] ?? label)}
        </UnstyledButton>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.RadioGroup value={value ?? ""} onChange={(next) => change({ [name]: next })}>
          <Menu.RadioItem value="" closeMenuOnClick>
            Any {label.toLowerCase()}
          </Menu.RadioItem>
          {Object.entries(options).map(([option, text]) => (
            <Menu.RadioItem key={option} value={option} closeMenuOnClick>
              {text}
            </Menu.RadioItem>
          ))}
        </Menu.RadioGroup>
      </Menu.Dropdown>
    </Menu>
  )
}

function Toggle({ label, name, on, change }: { label: string; name: string; on: boolean; change: Change }) {
  return (
    <UnstyledButton
      className={classes.choice}
      aria-pressed={on}
      data-on={on || undefined}
      onClick={() => change({ [name]: on ? null : "true" })}
    >
      {label}
    </UnstyledButton>
  )
}
