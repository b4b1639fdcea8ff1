import type { InputProblem } from "../../errors.ts"
import { DecodeError } from "../../upstream/decoders.ts"
import type { Kind } from "../capsule/rest.ts"
import { boolean, float, objectItems, string, stringOrEmpty, strings } from "../fields.ts"
import type { Patterns } from "./pattern.ts"
import type { AppPanel, PanelParameter } from "./rest.ts"

/*
 * A panel is read by the field readers, as everywhere. What they cannot read is not checked: the run is sent, and Code Ocean
 * decides.
 */
const parametersOf = readable(objectItems<PanelParameter>("parameters"))
const processesOf = readable(objectItems("processes"))
const nameOf = readable(string("name"))
const paramNameOf = readable(string("param_name"))
const isRequired = readable(boolean("required"))
const defaultOf = readable(stringOrEmpty("default_value"))
const valueTypeOf = readable(string("value_type"))
const minimumOf = readable(float("minimum"))
const maximumOf = readable(float("maximum"))
const patternOf = readable(string("pattern"))
const optionsOf = readable(strings("value_options"))

/** The reader's result, or undefined where it throws a DecodeError or the object is an unreadable item of a list, which is one. */
function readable<T>(read: (parent: object) => T): (parent: object) => T | undefined {
  return (parent) => {
    if (parent instanceof DecodeError) return undefined
    try {
      return read(parent)
    } catch (error) {
      if (error instanceof DecodeError) return undefined
      throw error
    }
  }
}

/** The values for a run, of a capsule or pipeline itself or of one process of a pipeline. */
export interface GivenParameters {
  /** In the panel's order. */
  parameters?: readonly string[] | null | undefined
  namedParameters?: readonly { paramName: string; value: string }[] | null | undefined
}

export interface GivenProcess extends GivenParameters {
  name: string
}

/** A run reports at most this many problems. */
const maxProblems = 100

/**
 * What is wrong with the values of a run: first in themselves, whatever the panel is, then those that the app panel's form would
 * not take. At most 100 problems.
 * @param panel null if the values are not checked against it
 */
export function problemsOfRun(
  kind: Kind,
  panel: AppPanel | null,
  given: GivenParameters,
  processes: readonly GivenProcess[],
  patterns: Patterns,
): InputProblem[] {
  const problems: InputProblem[] = []
  for (const problem of problemsOfValues(kind, given, processes))
    if (problems.push(problem) === maxProblems) return problems
  if (panel === null) return problems
  for (const problem of problemsWithPanel(panel, given, processes, patterns))
    if (problems.push(problem) === maxProblems) return problems
  return problems
}

function* problemsOfValues(
  kind: Kind,
  given: GivenParameters,
  processes: readonly GivenProcess[],
): Iterable<InputProblem> {
  if (kind === "pipelines" && given.parameters?.length) {
    const message = `\`parameters\` (${given.parameters.slice(0, 3).map(quoted).join(", ")}): Code Ocean ignores the ordered parameters of a pipeline. Give them by name in \`namedParameters\`, or for each process in \`processes\`.`
    yield { message }
  }
  for (const name of duplicates(processes.map((process) => process.name))) {
    yield { process: name, message: `The process ${quoted(name)} is given twice. Give each once.` }
  }
  for (const { process, values } of [{ process: undefined, values: given }, ...processes.map(byProcess)]) {
    for (const name of duplicates((values.namedParameters ?? []).map(({ paramName }) => paramName))) {
      yield problemOf(name, process, "is given twice. Give each once.")
    }
  }
}

function* problemsWithPanel(
  panel: AppPanel,
  given: GivenParameters,
  processes: readonly GivenProcess[],
  patterns: Patterns,
): Iterable<InputProblem> {
  yield* problemsOfParameters(parametersOf(panel), given, undefined, patterns)
  const panelProcesses = processesOf(panel)
  // A list that cannot be read may name any process.
  if (panelProcesses === undefined) return
  const byName = new Map((panelProcesses ?? []).map((process) => [nameOf(process) ?? undefined, process]))
  const givenByName = new Map(processes.map((process) => [process.name, process]))
  const unknown = byName.has(undefined) ? [] : processes.filter(({ name }) => !byName.has(name))
  for (const { name } of unknown) {
    const message = `There is no process ${quoted(name)} in the app panel. ${listed("Its processes", [...byName.keys()] as string[])}`
    yield { process: name, message }
  }
  // A process that the input does not name may have required parameters too.
  for (const [name, process] of byName) {
    if (!name) continue
    yield* problemsOfParameters(parametersOf(process), givenByName.get(name) ?? {}, name, patterns)
  }
}

function* problemsOfParameters(
  parameters: readonly PanelParameter[] | null | undefined,
  given: GivenParameters,
  process: string | undefined,
  patterns: Patterns,
): Iterable<InputProblem> {
  if (parameters === undefined) return
  const known = parameters ?? []
  const ordered = given.parameters ?? []
  if (ordered.length > known.length) {
    const where = process === undefined ? "" : ` of process ${quoted(process)}`
    const message = `There are ${ordered.length} ordered parameters${where}, but the app panel has ${known.length}. ${listed("They are", known.map(labelOf))}`
    yield { process, message }
  }
  const named = new Map((given.namedParameters ?? []).map(({ paramName, value }) => [paramName, value]))
  const names = new Set(known.map(paramNameOf).filter((name) => name !== null))
  // A parameter whose name cannot be read may have any name.
  const unknown = names.has(undefined) ? [] : [...named.keys()].filter((name) => !names.has(name))
  for (const name of unknown) {
    const present = listed("Its named parameters", [...names] as string[])
    yield problemOf(name, process, `is not in the app panel. ${present}`)
  }
  for (const [index, parameter] of known.entries()) {
    const name = paramNameOf(parameter)
    const value = (name && named.get(name)) || ordered[index] || ""
    const problem = value === "" ? missingValue(parameter) : invalidValue(parameter, value, patterns)
    if (problem !== undefined) yield problemOf(labelOf(parameter), process, problem)
  }
}

function missingValue(parameter: PanelParameter): string | undefined {
  const defaultValue = defaultOf(parameter)
  if (isRequired(parameter) !== true || defaultValue === undefined || defaultValue) return undefined
  return "is required and has no default. Give it a value."
}

/** What is wrong with the value. The panel's own default value is always right. */
function invalidValue(parameter: PanelParameter, value: string, patterns: Patterns): string | undefined {
  if (value === defaultOf(parameter)) return undefined
  const [minimum, maximum] = [minimumOf(parameter), maximumOf(parameter)]
  const valueType = valueTypeOf(parameter)?.toLowerCase()
  const [pattern, options] = [patternOf(parameter), optionsOf(parameter)]
  const number = value.trim() === "" ? Number.NaN : Number(value)
  if (valueType === "integer" && !Number.isInteger(number)) return `must be an integer, not ${quoted(value)}.`
  if ((valueType === "number" || minimum != null || maximum != null) && Number.isNaN(number)) {
    return `must be a number, not ${quoted(value)}.`
  }
  if (minimum != null && number < minimum) return `must be at least ${minimum}, not ${quoted(value)}.`
  if (maximum != null && number > maximum) return `must be at most ${maximum}, not ${quoted(value)}.`
  if (options != null && options.length > 0 && !options.includes(value)) {
    return `can't be ${quoted(value)}. ${listed("Its values", options)}`
  }
  // Where Code Ocean anchors its patterns, it rejects more than this does. What is not known here is left to Code Ocean.
  if (pattern != null && patterns.matches(pattern, value) === false) {
    return `must match the pattern ${quoted(pattern)}, and ${quoted(value)} does not.`
  }
  return undefined
}

function byProcess(values: GivenProcess) {
  return { process: values.name, values }
}

function problemOf(parameter: string, process: string | undefined, problem: string): InputProblem {
  const where = process === undefined ? "" : ` of process ${quoted(process)}`
  return { parameter, process, message: `Parameter ${quoted(parameter)}${where} ${problem}` }
}

function labelOf(parameter: PanelParameter): string {
  return paramNameOf(parameter) ?? nameOf(parameter) ?? ""
}

function duplicates(names: readonly string[]): Set<string> {
  const seen = new Set<string>()
  return new Set(names.filter((name) => seen.has(name) || !seen.add(name)))
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text)
}

function listed(what: string, names: readonly string[]): string {
  if (names.length === 0) return `${what}: none.`
  const more = names.length > 20 ? `, and ${names.length - 20} more` : ""
  return `${what}: ${names.slice(0, 20).map(quoted).join(", ")}${more}.`
}
