import { createHash } from "node:crypto"
import { findReadable } from "./attachments.ts"
import { resultsOf, sizeOf, trimSlashes } from "./files.ts"
import { type Call, optionalText, readObject, refuse, requiredText } from "./route.ts"
import {
  type Computation,
  type ComputationRecord,
  computationNow,
  type DataAsset,
  dataAssetNow,
  type Files,
  hasRole,
  type RunnableRecord,
} from "./world.ts"

type Fields = Record<string, unknown>

/** A data asset that is created from a source: its values at first and when it is ready, and its files if it keeps them. */
export interface Made {
  wire: Pick<DataAsset, "type"> & Partial<DataAsset>
  becomes: Partial<DataAsset>
  files?: Files
}

/** A bucket of this name can be neither read nor written. */
const missingBucket = "missing-bucket"

/** The problem of a bucket. Undefined if there is none. */
export function bucketProblem(bucket: string | undefined): string | undefined {
  return bucket === missingBucket ? `NoSuchBucket: the bucket ${bucket} does not exist` : undefined
}

/** The source in the body of a creation. Refuses an invalid one. */
export function makeFrom(call: Call, body: Fields): Made {
  const ids = body.data_asset_ids
  if ((ids === undefined) === (body.source === undefined))
    return refuse(400, "exactly one of source and data_asset_ids is required")
  const info = body.results_info === undefined ? undefined : readObject(body.results_info)
  const made = ids === undefined ? fromSource(call, readObject(body.source), info) : combine(call, ids)
  return body.target === undefined ? made : inBucket(made, readTarget(body.target))
}

/** A target's bucket as the source bucket of the data asset. */
export function readTarget(given: unknown): NonNullable<DataAsset["source_bucket"]> {
  return { ...readBucket("aws", readObject(readObject(given).aws)), external: true }
}

function readBucket(origin: "aws" | "gcp", given: Fields): NonNullable<DataAsset["source_bucket"]> {
  const prefix = optionalText(given, "prefix")
  return { origin, bucket: requiredText(given, "bucket"), ...(prefix ? { prefix } : {}) }
}

/** Files that are written into a customer's bucket can't be listed from then on. */
function inBucket({ wire, becomes }: Made, source_bucket: NonNullable<DataAsset["source_bucket"]>): Made {
  return { wire: { ...wire, source_bucket }, becomes: { ...becomes, ...failureOf(source_bucket.bucket) } }
}

function failureOf(bucket: string | undefined): Partial<DataAsset> {
  const failure_reason = bucketProblem(bucket)
  return failure_reason === undefined ? {} : { state: "failed", failure_reason, files: 0, size: 0 }
}

function fromSource(call: Call, source: Fields, info: Fields | undefined): Made {
  const [kind, ...others] = Object.keys(source)
  if (kind === undefined || others.length > 0) return refuse(400, "exactly one source is required")
  const given = readObject(source[kind])
  if (kind === "aws" || kind === "gcp") return fromBucket(call, kind, given, info)
  if (info) return refuse(400, "results_info goes with a source of aws or gcp")
  if (kind === "computation") return fromComputation(call, given)
  if (kind === "cloud_workstation") return fromWorkstation(call, given)
  return refuse(400, `unknown source ${kind}`)
}

function fromBucket(call: Call, origin: "aws" | "gcp", given: Fields, info: Fields | undefined): Made {
  const usesInput = given.use_input_bucket === true
  if (usesInput && !call.caller.user.admin) return refuse(403, "only admins may use the input bucket")
  const source_bucket = readBucket(origin, usesInput ? { ...given, bucket: "input" } : given)
  const wire = { type: info ? "result" : "dataset", source_bucket, ...(info ? exported(call, info) : {}) }
  if (given.keep_on_external_storage === true)
    return {
      wire: { ...wire, source_bucket: { ...source_bucket, external: true } },
      becomes: { files: 12, size: 6_442_450_944, ...failureOf(source_bucket.bucket) },
    }
  const files = {
    "manifest.json": `${JSON.stringify({ bucket: source_bucket.bucket, prefix: source_bucket.prefix ?? "" })}\n`,
    "data/table.csv": "item,value\n1,3\n",
  }
  return { wire, files, becomes: { ...counted(files), ...failureOf(source_bucket.bucket) } }
}

/** The given information about results that were exported to a bucket. */
function exported(call: Call, info: Fields): Partial<DataAsset> {
  const ids = [optionalText(info, "capsule_id"), optionalText(info, "pipeline_id")]
  if (ids[0] && ids[1]) return refuse(400, "results_info names a capsule and a pipeline")
  const capsule = ids[0] || ids[1]
  const runnable = capsule ? call.world.runnables.get(capsule) : undefined
  if (capsule && (!runnable || !hasRole(call.caller.user, runnable, "viewer")))
    return refuse(404, `${ids[0] ? "capsule" : "pipeline"} not found`)
  const [commit, run_script] = [optionalText(info, "commit"), optionalText(info, "run_script")]
  const profile = optionalText(info, "nextflow_profile")
  const inputs = info.data_assets ?? []
  const parameters = info.parameters ?? []
  if (!Array.isArray(inputs) || !Array.isArray(parameters)) return refuse(400, "invalid request body")
  return {
    provenance: {
      ...(commit ? { commit } : {}),
      ...(run_script ? { run_script } : {}),
      ...(capsule ? { capsule } : {}),
      ...(inputs.length > 0 ? { data_assets: inputs.map(String) } : {}),
    },
    ...(parameters.length > 0 ? { app_parameters: appParameters(parameters.map(readObject)) } : {}),
    ...(profile ? { nextflow_profile: profile } : {}),
  }
}

function appParameters(parameters: Computation["parameters"]): NonNullable<DataAsset["app_parameters"]> {
  return (parameters ?? []).map(({ name, param_name, value }) => {
    const label = name ?? param_name
    return { ...(label ? { name: label } : {}), ...(value === undefined ? {} : { value }) }
  })
}

function counted(files: Files): Required<Pick<DataAsset, "files" | "size">> {
  const sizes = Object.values(files).map(sizeOf)
  return { files: sizes.length, size: sizes.reduce((sum, size) => sum + size, 0) }
}

function findRun({ world, caller }: Call, id: string): { record: ComputationRecord; parent: RunnableRecord } {
  const record = world.computations.get(id)
  const parent = record && world.runnables.get(record.parent)
  if (!record || !parent || !hasRole(caller.user, parent, "viewer")) return refuse(404, "computation not found")
  return { record, parent }
}

/** The code that ran, as in provenance. The same capsule always has the same commit. */
function codeOf({ wire, kind }: RunnableRecord): NonNullable<DataAsset["provenance"]> {
  const commit = createHash("sha1").update(wire.id).digest("hex")
  return {
    commit,
    run_script: kind === "pipelines" ? "pipeline/main.nf" : "code/run",
    docker_image: `images.example.org/${wire.slug}:${commit.slice(0, 7)}`,
  }
}

function inputsOf({ data_assets = [] }: Computation): NonNullable<DataAsset["provenance"]> {
  return data_assets.length > 0 ? { data_assets: data_assets.map(({ id }) => id) } : {}
}

/** A result of a run names the run and not its capsule: only one of the two is filled in, depending on the source. */
function fromComputation(call: Call, given: Fields): Made {
  const { record, parent } = findRun(call, requiredText(given, "id"))
  const now = computationNow(call.world, record)
  if (!now.has_results) return refuse(400, "computation has no results")
  const folder = trimSlashes(optionalText(given, "path") ?? "")
  const prefix = folder === "" ? "" : `${folder}/`
  const files: Files = {}
  for (const [path, content] of Object.entries(resultsOf(call.world, now.id)))
    if (path.startsWith(prefix)) files[path.slice(prefix.length)] = content
  if (Object.keys(files).length === 0) return refuse(400, `there are no results at ${folder}`)
  const parameters = [
    ...(now.parameters ?? []),
    ...(now.processes ?? []).flatMap((process) => process.parameters ?? []),
  ]
  return {
    wire: {
      type: "result",
      provenance: { ...codeOf(parent), computation: now.id, ...inputsOf(now) },
      ...(parameters.length > 0 ? { app_parameters: appParameters(parameters) } : {}),
      ...(now.nextflow_profile ? { nextflow_profile: now.nextflow_profile } : {}),
    },
    files,
    becomes: counted(files),
  }
}

/** Files saved from a cloud workstation are a result if the script that made them is named. */
function fromWorkstation(call: Call, given: Fields): Made {
  const { record, parent } = findRun(call, requiredText(given, "id"))
  if (!record.wire.cloud_workstation) return refuse(400, "computation is no cloud workstation")
  const path = requiredText(given, "path")
  const run_script = optionalText(given, "run_script")
  const files = { "notes.md": `# ${record.wire.name}\n\nSaved from ${path}.\n`, "tables/cells.csv": "cell,x\n1,4\n" }
  const provenance = { ...codeOf(parent), capsule: parent.wire.id, ...inputsOf(record.wire) }
  return {
    wire: run_script ? { type: "result", provenance: { ...provenance, run_script } } : { type: "dataset" },
    files,
    becomes: counted(files),
  }
}

function combine(call: Call, ids: unknown): Made {
  if (!Array.isArray(ids) || ids.length === 0 || ids.some((id) => typeof id !== "string"))
    return refuse(400, "data_asset_ids must be a list of ids")
  if (new Set(ids).size < ids.length) return refuse(400, "data_asset_ids must not name a data asset twice")
  const contained = findReadable(call, ids).map((asset) => {
    const { id, mount, size, state } = dataAssetNow(call.world, asset)
    if (state !== "ready") return refuse(400, "data asset is not ready", { datasets: [{ id, name: asset.wire.name }] })
    return { id, mount, ...(size === undefined ? {} : { size: Number(size) }) }
  })
  const size = contained.reduce((sum, part) => sum + (part.size ?? 0), 0)
  return { wire: { type: "combined", contained_data_assets: contained }, becomes: { size } }
}
