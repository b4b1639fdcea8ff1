import { randomUUID } from "node:crypto"
import { findComputation } from "./computations.ts"
import { type Call, isObject, noContent, ok, type Route, refuse } from "./route.ts"
import { readAttachments } from "./runnables.ts"
import {
  addComputation,
  type Computation,
  type ComputationRecord,
  computationNow,
  type DataAssetRecord,
  hasRole,
  type Param,
  type RunnableRecord,
  roleOf,
} from "./world.ts"

/** Seconds that a new run spends in each of its phases. */
const phases = { initializing: 5, running: 30, finalizing: 5 }
const longestValue = 4096

/** Starting runs, and what can be attached to a session while it runs. */
export const runRoutes: Route[] = [
  { method: "POST", path: "/computations", scope: "capsules:write", handle: run },
  { method: "POST", path: "/computations/:id/data_assets", scope: "capsules:write", handle: attach },
  { method: "DELETE", path: "/computations/:id/data_assets", scope: "capsules:write", handle: detach },
]

/** Null counts as absent at the top of the body, where the official client writes every unset field. */
function run(call: Call) {
  const { world, caller } = call
  if (!isObject(call.body)) return refuse(400, "invalid request body")
  const body = Object.fromEntries(Object.entries(call.body).filter(([, value]) => value !== null))
  if ((body.capsule_id === undefined) === (body.pipeline_id === undefined))
    return refuse(400, "exactly one of capsule_id and pipeline_id is required")
  const isPipeline = body.pipeline_id !== undefined
  const id = String(body.capsule_id ?? body.pipeline_id)
  const parent = world.runnables.get(id)
  const role = parent && roleOf(caller.user, parent)
  if (!parent || !role || (isPipeline && parent.kind === "capsules"))
    return refuse(404, `${isPipeline ? "pipeline" : "capsule"} not found`)
  if (role === "discoverable") return refuse(403, "you are not allowed to run this")
  if (body.version !== undefined && !parent.wire.versions?.some(({ major_version }) => major_version === body.version))
    return refuse(404, `version ${body.version} not found`)
  if (body.resume_run_id !== undefined && !parent.computations.includes(String(body.resume_run_id)))
    return refuse(400, "resume_run_id is not a run of this")

  const inputs = readInputs(call, parent, body.data_assets)
  const parameters = readParameters(parent, isPipeline ? undefined : body.parameters, body.named_parameters)
  const processes = readProcesses(parent, body.processes)
  const wire: Computation = {
    id: randomUUID(),
    created: Math.floor(world.clock.now()),
    name: `Run ${parent.computations.length + 1}`,
    owner: caller.user.id,
    owner_email: caller.user.email,
    run_time: 0,
    state: "initializing",
    cloud_workstation: false,
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(inputs.length > 0 ? { data_assets: inputs } : {}),
    ...(processes.length > 0 ? { processes } : {}),
    ...(body.nextflow_profile !== undefined ? { nextflow_profile: String(body.nextflow_profile) } : {}),
  }
  addComputation(world, parent, wire, {
    life: {
      started: world.clock.now(),
      ...phases,
      end: { state: "completed", end_status: "succeeded", exit_code: 0, has_results: true },
    },
    files: {
      output: `Starting ${parent.wire.name}\n${parameters.map(({ param_name, name, value }) => `${param_name ?? name}=${value}\n`).join("")}Done\n`,
      "processing.json": `${JSON.stringify({ processing: { name: parent.wire.name } }, null, 2)}\n`,
      "parameters.json": `${JSON.stringify({ parameters, processes })}\n`,
      "tables/summary.csv": "item,count\n1,2\n",
    },
  })
  return ok(computationNow(world, world.computations.get(wire.id)!))
}

/** What is attached already goes in anyway, and must not be sent again. */
function readInputs(call: Call, parent: RunnableRecord, given: unknown): { id: string; mount?: string }[] {
  const wanted = given === undefined || (Array.isArray(given) && given.length === 0) ? [] : readAttachments(given)
  const again: DataAssetRecord[] = []
  for (const { id, mount } of wanted) {
    const asset = findAttachable(call, id)
    if (parent.attachments.some((attachment) => attachment.id === id)) again.push(asset)
    if (mount === undefined && asset.wire.mount === "")
      return refuse(400, "data asset has no default mount, one is required", blamed([asset]))
  }
  if (again.length > 0) return refuse(400, "data asset already attached", blamed(again))
  return [...parent.attachments, ...wanted]
}

function findAttachable({ world, caller }: Call, id: string): DataAssetRecord {
  const asset = world.dataAssets.get(id)
  if (!asset || roleOf(caller.user, asset) === undefined) return refuse(404, `data asset ${id} not found`)
  if (!hasRole(caller.user, asset, "viewer"))
    return refuse(403, "you are not allowed to attach these data assets", blamed([asset]))
  return asset
}

const blamed = (assets: DataAssetRecord[]) => ({ datasets: assets.map(({ wire: { id, name } }) => ({ id, name })) })

function readParameters(parent: RunnableRecord, ordered: unknown, named: unknown): Param[] {
  const known = parent.panel?.parameters ?? []
  const params: Param[] = readValues(ordered).map((value, at) => ({ ...labels(known[at]), value }))
  for (const { param_name, value } of readNamed(named))
    params.push({ ...labels(known.find((parameter) => parameter.param_name === param_name)), param_name, value })
  return params
}

function labels(parameter: { name: string; param_name?: string } | undefined): Param {
  if (!parameter) return {}
  return { name: parameter.name, ...(parameter.param_name ? { param_name: parameter.param_name } : {}) }
}

function readProcesses(parent: RunnableRecord, given: unknown): NonNullable<Computation["processes"]> {
  if (given === undefined) return []
  if (!Array.isArray(given)) return refuse(400, "invalid request body")
  return given.map((process: unknown) => {
    if (!isObject(process) || typeof process.name !== "string") return refuse(400, "process name is required")
    const { name } = process
    const panel = parent.panel?.processes?.find((known) => known.name === name)
    if (parent.panel?.processes && !panel) return refuse(400, `unknown process ${name}`)
    const ordered = readValues(process.parameters).map((value, at) => ({ ...labels(panel?.parameters?.[at]), value }))
    return { name, capsule_id: parent.wire.id, parameters: [...ordered, ...readNamed(process.named_parameters)] }
  })
}

function readValues(given: unknown): string[] {
  if (given == null) return []
  if (!Array.isArray(given) || given.some((value) => typeof value !== "string"))
    return refuse(400, "parameters must be strings")
  return given.map(checked)
}

function readNamed(given: unknown): { param_name: string; value: string }[] {
  if (given == null) return []
  if (!Array.isArray(given)) return refuse(400, "invalid request body")
  return given.map((parameter: unknown) => {
    if (!isObject(parameter) || typeof parameter.param_name !== "string" || typeof parameter.value !== "string")
      return refuse(400, "named parameters need param_name and value")
    return { param_name: parameter.param_name, value: checked(parameter.value) }
  })
}

function checked(value: string): string {
  return value.length > longestValue ? refuse(400, `parameter value is longer than ${longestValue} characters`) : value
}

function findSession(call: Call): ComputationRecord {
  const record = findComputation(call)
  if (!record.wire.cloud_workstation) return refuse(400, "data assets attach only to cloud workstations")
  if (record.wire.owner !== call.caller.user.id && !call.caller.user.admin)
    return refuse(403, "you are not allowed to change this computation")
  return record
}

function attach(call: Call) {
  const record = findSession(call)
  const wanted = readAttachments(call.body)
  const assets = wanted.map(({ id }) => findAttachable(call, id))
  const present = record.wire.data_assets ?? []
  const again = assets.filter(({ wire }) => present.some(({ id }) => id === wire.id))
  if (again.length > 0) return refuse(400, "data asset already attached", blamed(again))
  const added = wanted.map(({ id, mount }, at) => ({ id, mount: mount ?? assets[at]!.wire.mount }))
  record.wire = { ...record.wire, data_assets: [...present, ...added] }
  return ok(added.map((entry) => ({ ...entry, mount_state: "mounted", external: false, ready: true })))
}

function detach(call: Call) {
  const record = findSession(call)
  const { body } = call
  if (!Array.isArray(body) || body.length === 0) return refuse(400, "invalid request body")
  const present = record.wire.data_assets ?? []
  const unknown = body.find((id) => !present.some((entry) => entry.id === id))
  if (unknown !== undefined) return refuse(404, `data asset ${unknown} is not attached`)
  record.wire = { ...record.wire, data_assets: present.filter(({ id }) => !body.includes(id)) }
  return noContent
}
