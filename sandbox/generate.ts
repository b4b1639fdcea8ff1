import { users } from "./seed.ts"
import {
  type AppPanel,
  addComputation,
  addDataAsset,
  addRunnable,
  type Capsule,
  type Computation,
  fillPanels,
  type Kind,
  type World,
} from "./world.ts"

const poolSize = 40
const runsEach = 5
/** One pipeline to this many capsules. */
const capsulesPerPipeline = 10
const processName = "capsule_generated_1"
const firstCreated = 1_640_000_000
const day = 86_400

const adjectives = ["Rapid", "Quiet", "Layered", "Sparse", "Bright", "Robust", "Tiny", "Parallel"]
const subjects = ["Cortex", "Calcium", "Genome", "Retina", "Behavior", "Spike", "Tissue", "Protein"]
const verbs = ["Segmentation", "Alignment", "Decoding", "Registration", "Denoising", "Statistics", "Explorer"]
const fields = ["Neuroscience", "Genomics", "Cell Biology", "Machine Learning"]
const tagPool = ["ecephys", "ophys", "imaging", "behavior", "rna-seq", "qc", "demo"]

/**
 * Adds `count` made-up capsules with a panel and five runs each, one pipeline for ten of them, a pool of forty data assets
 * that the runs share, and a result of each capsule's last run. The same numbers give the same objects, ids included.
 */
export function addGenerated(world: World, count: number): void {
  for (let index = 0; index < poolSize; index += 1) addPoolAsset(world, index)
  for (let index = 0; index < count; index += 1) addOne(world, "capsules", index)
  for (let index = 0; index < Math.ceil(count / capsulesPerPipeline); index += 1) addOne(world, "pipelines", index)
  fillPanels(world)
}

/** A number below `below` that depends on nothing but its arguments. */
function pick(kind: string, index: number, draw: number, below: number): number {
  return hash(kind, index, draw) % below
}

function hash(kind: string, index: number, draw: number): number {
  let mixed = 2_166_136_261
  for (let at = 0; at < kind.length; at += 1) mixed = Math.imul(mixed ^ kind.charCodeAt(at), 16_777_619)
  mixed = Math.imul(mixed ^ index, 0x85ebca6b) ^ Math.imul(draw + 1, 0xc2b2ae35)
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x7feb352d)
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x846ca68b)
  return (mixed ^ (mixed >>> 16)) >>> 0
}

function uuid(kind: string, index: number): string {
  const hex = [11, 12, 13, 14].map((draw) => hash(`${kind} id`, index, draw).toString(16).padStart(8, "0")).join("")
  const variant = "89ab"[Number.parseInt(hex[16]!, 16) % 4]
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20)}`
}

function addPoolAsset(world: World, index: number): void {
  const created = firstCreated + pick("asset", index, 0, 700) * day
  addDataAsset(world, {
    id: uuid("asset", index),
    created,
    name: `Generated recording ${index + 1}`,
    mount: `recording_${index + 1}`,
    owner: users.ada.id,
    owner_email: users.ada.email,
    last_used: created + pick("asset", index, 1, 300) * day,
    state: "ready",
    type: "dataset",
    files: 1 + pick("asset", index, 2, 5000),
    size: 1_000_000 + pick("asset", index, 3, 4_000_000_000) * (1 + pick("asset", index, 4, 90)),
    tags: ["generated", tagPool[pick("asset", index, 5, tagPool.length)]!],
    custom_metadata: { "subject id": String(600_000 + index), "data level": "raw" },
  })
}

function addOne(world: World, kind: Kind, index: number): void {
  const draw = (number: number, below: number) => pick(kind, index, number, below)
  const title = `${adjectives[draw(0, 8)]} ${subjects[draw(1, 8)]} ${verbs[draw(2, 7)]}`
  const owner = draw(3, 4) === 0 ? users.grace : users.ada
  const created = firstCreated + draw(4, 1400) * day + draw(5, day)
  const wire: Capsule = {
    id: uuid(kind, index),
    created,
    name: `${title} ${index + 1}`,
    status: "non_release",
    owner: owner.id,
    slug: String(20_000_000 + (kind === "pipelines" ? 5_000_000 : 0) + index),
    owner_email: owner.email,
    last_accessed: created + draw(6, 100) * day,
    description: `${title} of generated data.\n\nNumber **${index + 1}**.`,
    field: fields[draw(7, fields.length)]!,
    tags: ["generated", tagPool[draw(8, tagPool.length)]!],
  }
  const inputs = [0, 1].map((place) => {
    const first = draw(9, poolSize)
    const number = place === 0 ? first : (first + 1 + draw(10, poolSize - 1)) % poolSize
    return { id: uuid("asset", number), mount: `recording_${number + 1}` }
  })
  const parent = addRunnable(world, kind, wire, {
    panel: panelOf(kind, title, index),
    attachments: inputs,
    authors: [{ name: "Ada Byron", affiliation: "Institute for Example Neuroscience" }],
    ...(kind === "pipelines" ? { processes: [processOf(index)] } : {}),
  })
  for (let run = 0; run < runsEach; run += 1) {
    const number = index * runsEach + run
    const failed = pick(`${kind} run`, number, 0, 6) === 0
    const computation: Computation = {
      id: uuid(`${kind} run`, number),
      created: created + (run + 1) * day,
      name: `Run ${run + 1}`,
      owner: owner.id,
      run_time: 5 + pick(`${kind} run`, number, 1, 9000),
      state: failed ? "failed" : "completed",
      end_status: failed ? "failed" : "succeeded",
      exit_code: failed ? 1 : 0,
      has_results: true,
      parameters: [{ name: "Threshold", param_name: "threshold", value: `0.${1 + run}` }],
      data_assets: inputs,
    }
    if (kind === "pipelines") computation.processes = [processOf(index)]
    addComputation(world, parent, computation)
    if (kind === "capsules" && run === runsEach - 1) addResult(world, index, computation)
  }
}

function processOf(pipeline: number): { name: string; capsule_id: string } {
  return { name: processName, capsule_id: uuid("capsules", pipeline * capsulesPerPipeline) }
}

function addResult(world: World, index: number, run: Computation): void {
  const { id, owner, created, data_assets = [], parameters = [] } = run
  addDataAsset(world, {
    id: uuid("result", index),
    created: created + run.run_time + 60,
    name: `Generated result ${index + 1}`,
    mount: `result_${index + 1}`,
    owner,
    last_used: 0,
    state: "ready",
    type: "result",
    files: 2,
    size: 1000 + pick("result", index, 0, 900_000_000),
    tags: ["generated", tagPool[pick("result", index, 1, tagPool.length)]!],
    provenance: { run_script: "code/run", computation: id, data_assets: data_assets.map((input) => input.id) },
    app_parameters: parameters.map(({ name = "", value = "" }) => ({ name, value })),
    custom_metadata: { "subject id": String(600_000 + (index % poolSize)), "data level": "derived" },
  })
}

function panelOf(kind: Kind, title: string, index: number): AppPanel {
  const categories = [{ id: "basic", name: "Basic" }]
  const parameters = [
    {
      name: "Threshold",
      type: "text",
      category: "basic",
      param_name: "threshold",
      value_type: "float",
      default_value: `0.${1 + (index % 9)}`,
      minimum: 0,
      maximum: 1,
    },
    { name: "Mode", type: "list", param_name: "mode", default_value: "fast", value_options: ["fast", "exact"] },
  ]
  const general = { title, instructions: `Choose a threshold for number ${index + 1}, then run.` }
  if (kind === "pipelines") return { general, processes: [{ name: processName, categories, parameters }] }
  return { general, categories, parameters, results: [{ file_name: "summary.csv" }] }
}
