import { NativeSelect, TextInput } from "@mantine/core"
import type { FieldKind } from "./metadata.ts"
import { TagsField } from "./TagsField.tsx"

/** The input of one custom metadata field, by its type. */
export function MetadataInput({
  field,
  values,
  onChange,
}: {
  field: FieldKind
  values: readonly string[]
  onChange(values: string[]): void
}) {
  const label = field.units ? `${field.name} (${field.units})` : field.name
  const options = field.allowedValues?.map(String)
  if (field.multiple) {
    return <TagsField label={label} value={[...values]} onChange={onChange} data={options ?? []} acceptValueOnBlur />
  }
  const value = values[0] ?? ""
  const set = (text: string) => onChange(text === "" ? [] : [text])
  if (options) {
    const all = value !== "" && !options.includes(value) ? [value, ...options] : options
    return (
      <NativeSelect
        label={label}
        value={value}
        onChange={(event) => set(event.currentTarget.value)}
        data={[{ value: "", label: "–" }, ...all]}
      />
    )
  }
  return (
    <TextInput
      label={label}
      type={field.type === "DATE" ? "date" : "text"}
      inputMode={field.type === "NUMBER" ? "decimal" : undefined}
      value={value}
      onChange={(event) => set(event.currentTarget.value)}
    />
  )
}
