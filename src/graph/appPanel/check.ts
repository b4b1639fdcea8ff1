import { badUserInput } from "../../errors.ts"
import { firstDuplicate } from "../defineMutation.ts"
import { boolean, float, objects, string, stringOrEmpty, strings } from "../fields.ts"
import type { Patterns } from "./pattern.ts"
import type { AppPanel, PanelParameter } from "./rest.ts"

/*
 * A panel is read by the field readers, as everywhere: a value that they can't read fails the mutation with
 * UPSTREAM_INVALID_RESPONSE before the run is started. With `checkParameters: false` the panel is not read.
 */
const parametersOf = objects<PanelParameter>("parameters")
const processesOf = objects("processes")
const nameOf = string("name")
const paramNameOf = string("param_name")
const isRequired = boolean("required")
const defaultOf = stringOrEmpty("default_value")
const minimumOf = float("minimum")
const maximumOf = float("maximum")
const patternOf = string("pattern")
const optionsOf = strings("value_options")

/** The values for a run, of a capsule or pipeline itself or of one process of a pipeline. */
export interface GivenParameters {
  /** In the panel's order. */
  parameters?: readonly string[] | null | undefined
  namedParameters?: readonly { paramName: string; value: string }[] | null | undefined
}

export interface GivenProcess extends GivenParameters {
  name: string
}

/** Throws BAD_USER_INPUT with the parameter's name if a named parameter is given twice, which no panel allows. */
export function checkValues({ namedParameters }: GivenParameters): void {
  const twice = firstDuplicate((namedParameters ?? []).map(({ paramName }) => paramName))
  if (twice !== undefined) reject(twice, "is given twice: give each once")
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
  checkAgainst(parametersOf(panel) ?? [], given, "", patterns)
  const panelProcesses = new Map((processesOf(panel) ?? []).map((process) => [nameOf(process) ?? "", process]))
  for (const process of processes) {
    if (!panelProcesses.has(process.name)) {
      throw badUserInput(
        `There is no process ${quoted(process.name)} in the app panel. ${listed("Its processes", [...panelProcesses.keys()])}`,
      )
    }
  }
  const givenProcesses = new Map(processes.map((process) => [process.name, process]))
  // A process that the input does not name may have required parameters too.
  for (const [name, process] of panelProcesses) {
    checkAgainst(parametersOf(process) ?? [], givenProcesses.get(name) ?? {}, ` of process ${quoted(name)}`, patterns)
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
  const names = new Set(known.map(paramNameOf).filter((name) => name !== null))
  for (const name of named.keys()) {
    if (!names.has(name)) {
      reject(name, `is not in the app panel${where}. ${listed("Its named parameters", [...names])}`)
    }
  }
  for (const [index, parameter] of known.entries()) {
    const name = paramNameOf(parameter)
    const value = (name !== null && named.get(name)) || ordered[index] || ""
    if (value !== "") checkValue(parameter, value, where, patterns)
    else if (isRequired(parameter) && !defaultOf(parameter)) {
      reject(labelOf(parameter), `${where ? `${where.trim()} ` : ""}is required and has no default: give it a value`)
    }
  }
}

function checkValue(parameter: PanelParameter, value: string, where: string, patterns: Patterns): void {
  const [minimum, maximum] = [minimumOf(parameter), maximumOf(parameter)]
  const [pattern, options] = [patternOf(parameter), optionsOf(parameter)]
  const wrong = (problem: string) => reject(labelOf(parameter), `${where ? `${where.trim()} ` : ""}${problem}`)
  if (minimum !== null || maximum !== null) {
    const number = value.trim() === "" ? Number.NaN : Number(value)
    if (Number.isNaN(number)) wrong(`must be a number, not ${quoted(value)}`)
    if (minimum !== null && number < minimum) wrong(`must be at least ${minimum}, not ${value}`)
    if (maximum !== null && number > maximum) wrong(`must be at most ${maximum}, not ${value}`)
  }
  if (options !== null && options.length > 0 && !options.includes(value)) {
    wrong(`can't be ${quoted(value)}. ${listed("Its values", options)}`)
  }
  // Where upstream anchors its patterns, it refuses more than this does. What isn't known here is upstream's to judge.
  if (pattern !== null && patterns.matches(pattern, value) === false)
    wrong(`must match the pattern ${pattern}; ${quoted(value)} doesn't`)
}

function labelOf(parameter: PanelParameter): string {
  return paramNameOf(parameter) ?? nameOf(parameter) ?? ""
}

function reject(name: string, problem: string): never {
  throw badUserInput(`Parameter ${quoted(name)} ${problem.endsWith(".") ? problem : `${problem}.`}`)
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text)
}

function listed(what: string, names: readonly string[]): string {
  return names.length === 0 ? `${what}: none.` : `${what}: ${names.slice(0, 50).map(quoted).join(", ")}.`
}
