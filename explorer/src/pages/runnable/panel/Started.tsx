import { Alert, Anchor, Text } from "@mantine/core"
import { useEffect, useRef } from "react"
import { linkTo } from "../../../app/router.ts"
import { CheckIcon, WarningIcon } from "../../../parts/icons.tsx"
import classes from "../Runnable.module.css"
import { type EarlierRun, type Field, type Values, valuesOfRun } from "./panel.ts"

export type StartedRun = Pick<EarlierRun, "id" | "name" | "parameters" | "processes">

interface StartedProps {
  run: StartedRun
  /** The values that were sent, by the key of their field. */
  sent: Values
  fields: readonly Field[]
  /** The page of the run. */
  path: string
}

/** Says that a run has started, and with which values: Code Ocean ignores what it does not know, without an error. */
export function Started({ run, sent, fields, path }: StartedProps) {
  const place = useRef<HTMLDivElement>(null)
  useEffect(() => place.current?.scrollIntoView({ block: "nearest" }), [])
  const has = valuesOfRun(run, fields)
  const given = fields.filter(({ key, settable }) => settable && (sent[key] ?? "") !== "")
  const lost = given.filter((field) => !isSame(field, sent[field.key]!, has[field.key]))
  const Icon = lost.length === 0 ? CheckIcon : WarningIcon
  return (
    <Alert
      ref={place}
      role="status"
      className={classes.started}
      variant="light"
      color={lost.length === 0 ? "green" : "yellow"}
      icon={<Icon />}
      title={`${run.name} has started`}
      styles={{
        title: { color: "var(--mantine-color-text)" },
        icon: { color: lost.length === 0 ? "var(--good)" : "var(--odd)" },
      }}
    >
      {given.length > 0 && (
        <Text size="sm">
          {lost.length === 0 ? "Code Ocean has its values: " : "Code Ocean does not have all of its values: "}
          {(lost.length === 0 ? given : lost).map((field, index) => (
            <span key={field.key}>
              {index > 0 && ", "}
              {field.process && `${field.process}: `}
              {field.label} <strong>{has[field.key] ?? "missing"}</strong>
              {lost.length > 0 && ` instead of ${sent[field.key]}`}
            </span>
          ))}
          .
        </Text>
      )}
      <Anchor size="sm" {...linkTo(path)}>
        Follow it
      </Anchor>
    </Alert>
  )
}

/** Whether a value is the one that was sent. A number may be written in another way. */
function isSame({ parameter: { valueType } }: Field, sent: string, value: string | undefined): boolean {
  const isNumber = /^(integer|number|float)$/i.test(valueType ?? "")
  return value === sent || (isNumber && value !== undefined && value.trim() !== "" && Number(sent) === Number(value))
}
