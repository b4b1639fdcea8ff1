import { badUserInput } from "../../errors.ts"
import { firstRepeated } from "../defineMutation.ts"
import type { Patterns } from "./pattern.ts"
import type { AppPanel, PanelParameter } from "./rest.ts"

/** The values that a run is to have, for a capsule or pipeline itself or for one process of a pipeline. */
export interface GivenParameters {
  /** In the panel's order. */
  parameters?: readonly string[] | null | undefined
  namedParameters?: readonly { paramName: string; value: string }[] | null | undefined
}

export interface GivenProcess extends GivenParameters {
  name: string
}

/** Throws BAD_USER_INPUT, with the parameter's name, for what no panel would take: a named parameter given twice. */
export function checkValues({ namedParameters }: GivenParameters): void {
  const twice = firstRepeated((namedParameters ?? []).map(({ paramName }) => paramName))
  if (twice !== undefined) refuse(twice, "is given twice: give each once")
}

/**
 * Throws BAD_USER_INPUT, with the parameter's name, for values that the app panel's form would not take: unknown names,
 * missing required ones, values outside the minimum, maximum, pattern or options.
 */
export function checkAgainstPanel(
  panel: AppPanel,
  given: GivenParameters,
  processes: readonly GivenProcess[],
  patterns: Patterns,
): void {
  checkAgainst(panel.parameters ?? [], given, "", patterns)
  const panelProcesses = new Map((panel.processes ?? []).map((process) => [process.name ?? "", process]))
  for (const process of processes) {
    if (!panelProcesses.has(process.name)) {
      throw badUserInput(
        `There is no process ${quoted(process.name)} in the app panel. ${listed("Its processes", [...panelProcesses.keys()])}`,
      )
    }
  }
  const givenProcesses = new Map(processes.map((process) => [process.name, process]))
  // A process that nobody names may have required parameters all the same.
  for (const [name, { parameters }] of panelProcesses) {
    checkAgainst(parameters ?? [], givenProcesses.get(name) ?? {}, ` of process ${quoted(name)}`, patterns)
  }
}

function checkAgainst(
  known: readonly PanelParameter[],
  given: GivenParameters,
  where: string,
  patterns: Patterns,
): void {
  const ordered = given.parameters ?? []
  if (ordered.length > known.length) {
    throw badUserInput(
      `There are ${ordered.length} ordered parameters${where}, but the app panel has ${known.length}. ${listed("They are", known.map(labelOf))}`,
    )
  }
  const named = new Map((given.namedParameters ?? []).map(({ paramName, value }) => [paramName, value]))
  const names = new Set(known.map((parameter) => parameter.param_name).filter((name) => name !== undefined))
  for (const name of named.keys()) {
    if (!names.has(name)) {
      refuse(name, `is not in the app panel${where}. ${listed("Its named parameters", [...names])}`)
    }
  }
  for (const [index, parameter] of known.entries()) {
    const value = (parameter.param_name && named.get(parameter.param_name)) || ordered[index] || ""
    if (value !== "") checkValue(parameter, value, where, patterns)
    else if (parameter.required && !parameter.default_value) {
      refuse(labelOf(parameter), `${where ? `${where.trim()} ` : ""}is required and has no default: give it a value`)
    }
  }
}

function checkValue(parameter: PanelParameter, value: string, where: string, patterns: Patterns): void {
  const { minimum, maximum, pattern, value_options: options } = parameter
  const wrong = (problem: string) => refuse(`${labelOf(parameter)}`, `${where ? `${where.trim()} ` : ""}${problem}`)
  if (minimum != null || maximum != null) {
    const number = value.trim() === "" ? Number.NaN : Number(value)
    if (Number.isNaN(number)) wrong(`must be a number, not ${quoted(value)}`)
    if (minimum != null && number < minimum) wrong(`must be at least ${minimum}, not ${value}`)
    if (maximum != null && number > maximum) wrong(`must be at most ${maximum}, not ${value}`)
  }
  if (options != null && options.length > 0 && !options.includes(value)) {
    wrong(`can't be ${quoted(value)}. ${listed("Its values", options)}`)
  }
  // Where upstream anchors its patterns, it refuses more than this does. What isn't known here is upstream's to judge.
  if (pattern && patterns.matches(pattern, value) === false)
    wrong(`must match the pattern ${pattern}; ${quoted(value)} doesn't`)
}

function labelOf(parameter: PanelParameter): string {
  return parameter.param_name ?? parameter.name ?? ""
}

function refuse(name: string, problem: string): never {
  throw badUserInput(`Parameter ${quoted(name)} ${problem.endsWith(".") ? problem : `${problem}.`}`)
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text)
}

function listed(what: string, names: readonly string[]): string {
  return names.length === 0 ? `${what}: none.` : `${what}: ${names.slice(0, 50).map(quoted).join(", ")}.`
}
