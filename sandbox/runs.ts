import { randomUUID } from "node:crypto"
import { type Attachment, admitted, attachResults, readAttachments, readDetachments } from "./attachments.ts"
import { chart } from "./chart.ts"
import { findOwnComputation } from "./computations.ts"
import { type Answer, type Call, noContent, ok, optionalText, type Route, readObject, refuse } from "./route.ts"
import { findRunnable } from "./runnables.ts"
import {
  type AppPanelParameter,
  addComputation,
  type Computation,
  type ComputationRecord,
  computationNow,
  type Param,
  type RunnableRecord,
} from "./world.ts"

/** Seconds that a new run spends in each of its phases. */
const phases = { initializing: 5, running: 30, finalizing: 5 }
const longestValue = 4096

/** Starting runs, and what can be attached to a cloud workstation. */
export const runRoutes: Route[] = [
  { method: "POST", path: "/computations", scope: "capsules:write", handle: run },
  { method: "POST", path: "/computations/:id/data_assets", scope: "capsules:write", handle: attach },
  { method: "DELETE", path: "/computations/:id/data_assets", scope: "capsules:write", handle: detach },
]

/** Everyone who may view a capsule or pipeline may run it. */
function run(call: Call): Answer {
  const { world, caller } = call
  const body = readObject(call.body)
  const ids = [optionalText(body, "capsule_id"), optionalText(body, "pipeline_id")]
  const id = ids[0] || ids[1]
  if (!id || (ids[0] && ids[1])) return refuse(400, "exactly one of capsule_id and pipeline_id is required")
  const parent = findRunnable({ ...call, params: { id } }, ids[0] ? "capsules" : "pipelines")
  const { version } = body
  if (version !== undefined && !parent.wire.versions?.some(({ major_version }) => major_version === version))
    return refuse(404, `version ${version} not found`)
  const resumed = optionalText(body, "resume_run_id")
  if (resumed !== undefined && !parent.computations.includes(resumed))
    return refuse(400, "resume_run_id names no run of this")

  const profile = optionalText(body, "nextflow_profile")
  const ofPipeline = parent.kind === "pipelines"
  const ordered = readValues(body.parameters)
  const named = readNamed(body.named_parameters)
  // A pipeline ignores ordered parameters silently.
  const parameters = landed(parent.panel?.parameters, ofPipeline ? [] : ordered, named)
  const processes = ofPipeline ? processesOf(parent, readProcesses(body.processes)) : []
  const inputs = inputsOf(call, parent, body.data_assets)
  const isRelease = parent.wire.status === "release"
  const wire: Computation = {
    id: randomUUID(),
    created: Math.floor(world.clock.now()),
    name: `Run ${parent.computations.length + 1}`,
    owner: isRelease ? "release" : caller.user.id,
    ...(isRelease ? {} : { owner_email: caller.user.email }),
    run_time: 0,
    state: "initializing",
    cloud_workstation: false,
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(inputs.length > 0 ? { data_assets: inputs } : {}),
    ...(processes.length > 0 ? { processes } : {}),
    ...(ofPipeline && profile ? { nextflow_profile: profile } : {}),
  }
  for (const input of inputs) {
    const asset = world.dataAssets.get(input.id)
    if (asset) asset.wire = { ...asset.wire, last_used: wire.created }
  }
  const life = {
    started: world.clock.now(),
    ...phases,
    end: { state: "completed", end_status: "succeeded", exit_code: 0, has_results: true },
  }
  addComputation(world, parent, wire, { startedBy: caller.user.id, life, files: resultsOf(parent, wire) })
  return ok(computationNow(world, world.computations.get(wire.id)!))
}

const counts = chart([3, 5, 8, 6, 4, 2])

/** The results of the run. `parameters.json` has the parameters that it was run with. */
function resultsOf(parent: RunnableRecord, { parameters = [], processes = [], data_assets = [] }: Computation) {
  const lines = parameters.map(({ param_name, name, value }) => `${param_name ?? name ?? "argument"}: ${value}\n`)
  const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`
  return {
    output: `Starting ${parent.wire.name}\n${lines.join("")}Done\n`,
    "processing.json": json({ processing: { name: parent.wire.name } }),
    "parameters.json": json({ parameters, processes, data_assets }),
    "tables/summary.csv": "item,count\n1,2\n",
    "figures/counts.png": counts,
  }
}

/**
 * The inputs of the run: the attached data assets and the given ones. Those that are attached to a pipeline may not be given
 * again; those of a capsule may, with another mount.
 */
function inputsOf(call: Call, parent: RunnableRecord, given: unknown): Attachment[] {
  const wanted = given === undefined || (Array.isArray(given) && given.length === 0) ? [] : readAttachments(given)
  const fixed =
    parent.kind === "pipelines"
      ? parent.attachments
      : parent.attachments.filter((attachment) => !wanted.some(({ id }) => id === attachment.id))
  return [...fixed, ...admitted(call, wanted, fixed, ["draft", "failed"])]
}

/** Values as in the computation: with the labels of the panel, if it has the parameter. */
function landed(panel: AppPanelParameter[] = [], ordered: string[], named: NamedValue[]): Param[] {
  return [
    ...ordered.map((value, at) => ({ ...labels(panel[at]), value })),
    ...named.map((given) => ({ ...labels(panel.find(({ param_name }) => param_name === given.param_name)), ...given })),
  ]
}

function labels(parameter: AppPanelParameter | undefined): Param {
  if (!parameter) return {}
  return { name: parameter.name, ...(parameter.param_name ? { param_name: parameter.param_name } : {}) }
}

/** Every process of the pipeline, with its own values. Of a pipeline whose processes are not known, nothing is shown. */
function processesOf(parent: RunnableRecord, given: GivenProcess[]): NonNullable<Computation["processes"]> {
  const known = parent.processes ?? parent.panel?.processes?.map(({ name }) => ({ name, capsule_id: "" }))
  if (!known) return []
  const stranger = given.find(({ name }) => !known.some((process) => process.name === name))
  if (stranger) return refuse(400, `unknown process ${stranger.name}`)
  return known.map((process) => {
    const { ordered = [], named = [] } = given.find(({ name }) => name === process.name) ?? {}
    const panel = parent.panel?.processes?.find(({ name }) => name === process.name)
    const parameters = landed(panel?.parameters, ordered, named)
    return { ...process, ...(parameters.length > 0 ? { parameters } : {}) }
  })
}

interface NamedValue {
  param_name: string
  value: string
}

interface GivenProcess {
  name: string
  ordered: string[]
  named: NamedValue[]
}

function readList(given: unknown): unknown[] {
  if (given === undefined) return []
  return Array.isArray(given) ? given : refuse(400, "invalid request body")
}

function readProcesses(given: unknown): GivenProcess[] {
  return readList(given).map((entry) => {
    const { name, parameters, named_parameters } = readObject(entry)
    if (typeof name !== "string") return refuse(400, "invalid request body")
    return { name, ordered: readValues(parameters), named: readNamed(named_parameters) }
  })
}

function readValues(given: unknown): string[] {
  return readList(given).map(readValue)
}

function readNamed(given: unknown): NamedValue[] {
  return readList(given).map((entry) => {
    const { param_name, value } = readObject(entry)
    if (typeof param_name !== "string") return refuse(400, "invalid request body")
    return { param_name, value: readValue(value) }
  })
}

function readValue(value: unknown): string {
  if (typeof value !== "string") return refuse(400, "invalid request body")
  return value.length > longestValue
    ? refuse(400, `a parameter's value may have at most ${longestValue} characters`)
    : value
}

function findWorkstation(call: Call): ComputationRecord {
  const record = findOwnComputation(call)
  return record.wire.cloud_workstation ? record : refuse(400, "data assets can be attached to a cloud workstation only")
}

function attach(call: Call): Answer {
  const record = findWorkstation(call)
  const present = record.wire.data_assets ?? []
  const added = admitted(call, readAttachments(call.body), present, ["failed"])
  record.wire = { ...record.wire, data_assets: [...present, ...added] }
  return ok(attachResults(call.world, added))
}

function detach(call: Call): Answer {
  const record = findWorkstation(call)
  const present = record.wire.data_assets ?? []
  const ids = readDetachments(call.body, present)
  record.wire = { ...record.wire, data_assets: present.filter(({ id }) => !ids.includes(id)) }
  return noContent
}
