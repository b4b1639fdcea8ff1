import { NativeSelect, Text, TextInput } from "@mantine/core"
import { memo } from "react"
import { limitsOf } from "./check.ts"
import type { Field } from "./panel.ts"

interface ParameterFieldProps {
  field: Field
  value: string
  problem: string | undefined
  onChange(field: Field, value: string): void
  onLeave(field: Field): void
}

/** The id of the control of a field, to which problems lead. */
export const controlId = ({ key }: Field): string => `parameter ${key}`

/** One parameter. Values are text, as Code Ocean has them: 0.40 stays 0.40. */
export const ParameterField = memo(function ParameterField({
  field,
  value,
  problem,
  onChange,
  onLeave,
}: ParameterFieldProps) {
  const { parameter, label } = field
  const { defaultValue, description, helpText, type, required, valueType } = parameter
  const options = (parameter.valueOptions ?? []).filter((option) => option !== null)
  const texts = [description, helpText === description ? undefined : helpText, limitsOf(field)]
  if (value === "" && defaultValue) texts.push(`Empty: the default, ${defaultValue}`)
  if (!field.settable) texts.push("It has no name, so that Code Ocean takes its value only in its own app panel.")
  const shown = texts.filter(Boolean)
  const common = {
    id: controlId(field),
    label,
    description:
      shown.length === 0
        ? undefined
        : shown.map((text) => (
            <Text key={text} span inherit display="block" style={{ overflowWrap: "anywhere" }}>
              {text}
            </Text>
          )),
    error: problem,
    value,
    disabled: !field.settable,
    required: Boolean(required) && !defaultValue,
    "aria-required": Boolean(required) && !defaultValue,
    onBlur: () => onLeave(field),
    inputWrapperOrder: ["label", "input", "error", "description"] as ("label" | "input" | "error" | "description")[],
    styles: { label: { overflowWrap: "anywhere" as const } },
  }
  if (type === "LIST" && options.length > 0) {
    const isListed = options.includes(value)
    const data = [
      // A value of an earlier run, or of an older panel, is not dropped silently.
      ...(value !== "" && !isListed
        ? [{ value, label: value === defaultValue ? value : `${value} (not offered)` }]
        : []),
      { value: "", label: defaultValue ? `Default (${defaultValue})` : "None" },
      ...options.map((option) => ({ value: option, label: option === "" ? "(empty)" : option })),
    ]
    return (
      <NativeSelect
        {...common}
        data={data.filter((option, index) => data.findIndex((other) => other.value === option.value) === index)}
        onChange={(event) => onChange(field, event.currentTarget.value)}
      />
    )
  }
  const kind = valueType?.toLowerCase()
  return (
    <TextInput
      {...common}
      onChange={(event) => onChange(field, event.currentTarget.value)}
      placeholder={type === "FILE" ? "/data/…" : defaultValue || undefined}
      inputMode={kind === "integer" ? "numeric" : kind === "number" || kind === "float" ? "decimal" : undefined}
      autoComplete="off"
      spellCheck={false}
    />
  )
})
