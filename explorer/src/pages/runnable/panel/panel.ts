import type { PanelParameterFragment, RunnablePageFragment, RunnablePageQuery } from "../runnable.generated.ts"

/*
 * The form that an app panel describes: its parameters with the keys by which values, problems and drafts name them, and what is
 * sent for a run.
 */

export type Panel = NonNullable<RunnablePageFragment["appPanel"]>
export type EarlierRun = NonNullable<RunnablePageQuery["computation"]>

export interface Field {
  /** Unique in the form. */
  key: string
  parameter: PanelParameterFragment
  /** The process of a pipeline that the parameter belongs to. */
  process: string | undefined
  /** Its place among the parameters of the panel, or of its process. */
  position: number
  label: string
  /** Whether a run takes a value for it. A pipeline ignores its own parameters without a name. */
  settable: boolean
  /** The name by which the gateway's problems name it. */
  problemName: string
}

/** Fields under one heading. */
export interface Section {
  key: string
  title: string | undefined
  description: string | undefined
  fields: Field[]
}

/** Values by the key of their field. "" selects the default. */
export type Values = Readonly<Record<string, string>>

interface Group {
  name: string | undefined
  categories: Panel["categories"] | undefined
  parameters: Panel["parameters"] | undefined
}

/** The sections of a panel: its own and those of its processes, each by category, in the panel's order. */
export function sectionsOf(panel: Panel | null | undefined, isPipeline: boolean): Section[] {
  if (!panel) return []
  const own: Group = { name: undefined, categories: panel.categories, parameters: panel.parameters }
  const processes = (panel.processes ?? []).map(
    (process): Group => ({
      name: process?.name ?? undefined,
      categories: process?.categories,
      parameters: process?.parameters,
    }),
  )
  return [own, ...processes].flatMap((group, index) => {
    const fields = fieldsOf(group, isPipeline)
    const known = new Map((group.categories ?? []).map((category) => [category?.categoryId ?? "", category]))
    const loose = fields.filter(({ parameter }) => !known.has(parameter.category ?? ""))
    const sections: Section[] = []
    const add = (key: string, name: string | undefined, description: string | undefined, members: Field[]) => {
      if (members.length === 0) return
      const title = [group.name, name].filter(Boolean).join(": ")
      sections.push({ key: `${index}/${key}`, title: title || undefined, description, fields: members })
    }
    add("", undefined, undefined, loose)
    for (const [id, category] of known) {
      const members = fields.filter(({ parameter }) => (parameter.category ?? "") === id)
      const description = [category?.description, category?.helpText].filter(Boolean).join(" – ")
      add(id, category?.name ?? undefined, description || undefined, members)
    }
    return sections
  })
}

function fieldsOf({ name: process, parameters }: Group, isPipeline: boolean): Field[] {
  return (parameters ?? []).flatMap((parameter, position) => {
    if (parameter === null) return []
    const { name, paramName } = parameter
    return [
      {
        key: JSON.stringify([process ?? null, paramName ?? position]),
        parameter,
        process,
        position,
        label: name ?? paramName ?? `Parameter ${position + 1}`,
        settable: !isPipeline || process !== undefined || Boolean(paramName),
        problemName: paramName ?? name ?? "",
      },
    ]
  })
}

/** The default value of each field. */
export function defaultsOf(fields: readonly Field[]): Values {
  return Object.fromEntries(fields.map(({ key, parameter }) => [key, parameter.defaultValue ?? ""]))
}

/** The values that a run has, as far as the panel has their parameters. */
export function valuesOfRun(run: Pick<EarlierRun, "parameters" | "processes">, fields: readonly Field[]): Values {
  const values: Record<string, string> = {}
  for (const { key, process, parameter, position } of fields) {
    const given =
      process === undefined ? run.parameters : run.processes?.find((part) => part?.name === process)?.parameters
    const byName = given?.find(
      (value) => value !== null && parameter.paramName !== null && value.paramName === parameter.paramName,
    )
    const byLabel = given?.find((value) => value !== null && value.paramName === null && value.name === parameter.name)
    const byPosition = given?.every((value) => value?.name == null && value?.paramName == null)
      ? given[position]
      : undefined
    const value = byName ?? byLabel ?? byPosition
    if (value?.value != null) values[key] = value.value
  }
  return values
}

export interface RunValues {
  namedParameters?: { paramName: string; value: string }[]
  parameters?: string[]
  processes?: { name: string; namedParameters?: { paramName: string; value: string }[]; parameters?: string[] }[]
}

/**
 * What is sent for the values. Parameters are sent by name, except where one has none: then all of that panel or process are sent
 * in their order, with "" for those that keep the default.
 */
export function runValuesOf(all: readonly Field[], values: Values): RunValues {
  const fields = all.filter(({ settable }) => settable)
  const names = new Set(fields.map(({ process }) => process))
  const parts = [...names].flatMap((name) => {
    const part = given(
      fields.filter(({ process }) => process === name),
      values,
    )
    return part === undefined ? [] : [{ name, ...part }]
  })
  const { name: _, ...own } = parts.find(({ name }) => name === undefined) ?? { name: undefined }
  const processes = parts.flatMap((part) => (part.name === undefined ? [] : [{ ...part, name: part.name }]))
  return { ...own, ...(processes.length > 0 && { processes }) }
}

function given(fields: readonly Field[], values: Values): Omit<RunValues, "processes"> | undefined {
  const givenTo = ({ key }: Field) => values[key] ?? ""
  if (fields.every((field) => givenTo(field) === "")) return undefined
  if (fields.some(({ parameter }) => parameter.paramName === null)) {
    const parameters: string[] = []
    for (const field of fields) parameters[field.position] = givenTo(field)
    return { parameters: Array.from(parameters, (value) => value ?? "") }
  }
  const namedParameters = fields.flatMap((field) => {
    const value = givenTo(field)
    return value === "" ? [] : [{ paramName: field.parameter.paramName!, value }]
  })
  return { namedParameters }
}
