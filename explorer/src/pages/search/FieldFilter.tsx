import { Button, Checkbox, Group, NumberInput, Stack, TextInput } from "@mantine/core"
import { type FormEvent, useState } from "react"
import type { SearchFilterInput } from "../../data/schema.generated.ts"
import { Dialog } from "../../parts/Dialog.tsx"
import { TagsField } from "../../parts/TagsField.tsx"
import { dateOf, lastSecondOf, type MetadataField, secondsOf } from "./fieldFilters.ts"

/** Edits the condition on one field: its values, or for numbers and dates a range. */
export default function FieldFilter({
  filter,
  field,
  onApply,
  onClose,
}: {
  filter: SearchFilterInput
  field: MetadataField | undefined
  onApply(filter: SearchFilterInput): void
  onClose(): void
}) {
  const [values, setValues] = useState(
    (filter.values ?? (filter.value === undefined ? [] : [filter.value])).map(String),
  )
  /** What is in the field, and not yet one of the values. */
  const [typed, setTyped] = useState("")
  const [min, setMin] = useState(filter.range?.min ?? undefined)
  const [max, setMax] = useState(filter.range?.max ?? undefined)
  const [exclude, setExclude] = useState(filter.exclude ?? false)
  const isRange = field?.type === "DATE" || (field?.type === "NUMBER" && !field.allowedValues)
  const isEmpty = isRange ? min === undefined && max === undefined : values.length === 0 && typed.trim() === ""

  function apply(event: FormEvent) {
    event.preventDefault()
    const texts = typed.trim() === "" ? values : [...new Set([...values, typed.trim()])]
    const chosen = field?.type === "NUMBER" ? texts.map(Number) : texts
    onApply({
      key: filter.key,
      ...(isRange ? { range: { min, max } } : chosen.length === 1 ? { value: chosen[0] } : { values: chosen }),
      ...(exclude && { exclude }),
    })
  }

  return (
    <Dialog opened onClose={onClose} title={`Condition: ${filter.key}`} size="sm">
      <form onSubmit={apply}>
        <Stack gap="md">
          {field?.type === "DATE" ? (
            <Group grow>
              <TextInput
                type="date"
                label="From"
                data-autofocus
                defaultValue={min === undefined ? "" : dateOf(min)}
                onChange={({ currentTarget: { value } }) => setMin(value === "" ? undefined : secondsOf(value))}
              />
              <TextInput
                type="date"
                label="To"
                defaultValue={max === undefined ? "" : dateOf(max)}
                onChange={({ currentTarget: { value } }) => setMax(value === "" ? undefined : lastSecondOf(value))}
              />
            </Group>
          ) : isRange ? (
            <Group grow>
              <NumberInput
                label={`At least${field?.units ? ` (${field.units})` : ""}`}
                data-autofocus
                value={min ?? ""}
                placeholder={field?.range?.min?.toString()}
                onChange={(value) => setMin(value === "" ? undefined : Number(value))}
              />
              <NumberInput
                label={`At most${field?.units ? ` (${field.units})` : ""}`}
                value={max ?? ""}
                placeholder={field?.range?.max?.toString()}
                onChange={(value) => setMax(value === "" ? undefined : Number(value))}
              />
            </Group>
          ) : (
            <TagsField
              label="Any of these values"
              description="Enter separates values."
              data-autofocus
              value={values}
              onChange={setValues}
              data={field?.allowedValues?.map(String) ?? []}
              searchValue={typed}
              onSearchChange={setTyped}
            />
          )}
          <Checkbox
            label="Find objects without these"
            checked={exclude}
            onChange={(event) => setExclude(event.currentTarget.checked)}
          />
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" disabled={isEmpty}>
              Apply
            </Button>
          </Group>
        </Stack>
      </form>
    </Dialog>
  )
}
