import { nullIfInaccessible } from "../../errors.ts"
import { DecodeError } from "../../upstream/decoders.ts"
import { capsuleById } from "../capsule/loader.ts"
import { computationById, rememberRunnable } from "../computation/loader.ts"
import type { Context } from "../context.ts"
import { dataAssetById } from "../dataAsset/loader.ts"
import type { DataAsset } from "../dataAsset/rest.ts"
import { searchDataAssets } from "../dataAsset/rest.ts"
import { object, objects, string, strings } from "../fields.ts"
import { loaderByKey } from "../loader.ts"

export type LineageKind = "data_asset" | "computation" | "capsule"
export type LineageRelation = "input" | "produced" | "ran" | "contained"

export interface LineageNode {
  id: string
  kind: LineageKind
  /** Generations from the data asset where the walk began. */
  distance: number
  /** Null: the caller may not see it, or it is gone. */
  object: { id: string } | null
}

/** The way of the data: from what was there before to what came of it. */
export interface LineageEdge {
  from: string
  to: string
  relation: LineageRelation
}

export interface Lineage {
  nodes: LineageNode[]
  edges: LineageEdge[]
  truncated: boolean
}

/** The most nodes of one answer. */
export const maxNodes = 2000
/** The most edges that are looked at: data assets can name any number of inputs that have no room. */
const mostEdges = 100_000
/** The most ids of inputs that are looked at on the way down. */
const mostInputs = 1_000_000
const pageSize = 1000
/** How many pages of results are looked through for what came of a data asset. */
const maxPages = 10

/** The graph as it grows: each node and each edge once, whatever ways lead to it. */
class Graph {
  readonly nodes = new Map<string, LineageNode>()
  readonly edges = new Map<string, LineageEdge>()
  truncated = false

  has(id: string): boolean {
    return this.nodes.has(id)
  }

  /** Whether there was room for it. */
  add(id: string, kind: LineageKind, distance: number, found: { id: string } | null): boolean {
    if (this.nodes.has(id)) return true
    if (this.nodes.size >= maxNodes) {
      this.truncated = true
      return false
    }
    this.nodes.set(id, { id, kind, distance, object: found })
    return true
  }

  /** How many nodes may still be added. */
  get room(): number {
    return maxNodes - this.nodes.size
  }

  join(from: string, to: string, relation: LineageRelation): void {
    if (this.edges.size >= mostEdges) {
      this.truncated = true
      return
    }
    this.edges.set(`${from} ${to} ${relation}`, { from, to, relation })
  }

  /** An edge belongs to the answer if both its ends do. */
  whole(): Lineage {
    const edges = [...this.edges.values()].filter(({ from, to }) => this.nodes.has(from) && this.nodes.has(to))
    return { nodes: [...this.nodes.values()], edges, truncated: this.truncated }
  }
}

/**
 * Walks the provenance of a data asset, generation by generation: a generation is a data asset, the run and capsule that
 * made it, and what went in. Each object is read once; cycles and diamonds end where they meet what is known.
 * @param depth how many generations
 */
export async function walkLineage(
  context: Context,
  root: DataAsset,
  depth: number,
  direction: { up: boolean; down: boolean },
): Promise<Lineage> {
  const graph = new Graph()
  graph.add(root.id, "data_asset", 0, root)
  if (direction.up) await walkUp(context, graph, root, depth)
  if (direction.down) await walkDown(context, graph, root, depth)
  return graph.whole()
}

async function walkUp(context: Context, graph: Graph, root: DataAsset, depth: number): Promise<void> {
  let generation: DataAsset[] = [root]
  const walked = new Set<string>([root.id])
  for (let distance = 1; distance <= depth && generation.length > 0; distance++) {
    const sources = await Promise.all(generation.map((asset) => sourcesOf(context, graph, asset, distance - 1)))
    const next = [...new Set(sources.flat())].filter((id) => !walked.has(id))
    if (next.length > graph.room) {
      // Objects without a place in the graph are not loaded.
      next.length = graph.room
      graph.truncated = true
    }
    for (const id of next) walked.add(id)
    const found = await Promise.all(
      next.map(async (id) => ({ id, asset: await nullIfInaccessible(dataAssetById(context).load(id)) })),
    )
    generation = []
    for (const { id, asset } of found) {
      if (graph.add(id, "data_asset", distance, asset) && asset !== null) generation.push(asset)
    }
  }
  // What the last generation came from is left to a deeper walk.
  if (generation.some((asset) => hasSources(asset, graph))) graph.truncated = true
}

/** Adds the run and capsule that made an asset, and gives the ids of the assets that went in. */
async function sourcesOf(context: Context, graph: Graph, asset: DataAsset, distance: number): Promise<string[]> {
  const { runId, capsuleId, inputs, contained } = originOf(asset)
  const [run, capsule] = await Promise.all([
    runId === null ? null : nullIfInaccessible(computationById(context).load(runId)),
    capsuleId === null ? null : nullIfInaccessible(capsuleById(context).load(capsuleId)),
  ])
  if (run !== null && capsuleId !== null) rememberRunnable(context, run, { id: capsuleId, kind: "capsules" })
  const all = new Set(inputs)
  // A run knows its inputs even where the provenance of its result doesn't list them.
  for (const id of idsIn(run, "data_assets")) all.add(id)
  if (runId !== null) {
    graph.add(runId, "computation", distance, run)
    graph.join(runId, asset.id, "produced")
  }
  if (capsuleId !== null) {
    graph.add(capsuleId, "capsule", distance, capsule)
    graph.join(capsuleId, runId ?? asset.id, runId === null ? "produced" : "ran")
  }
  for (const id of all) graph.join(id, runId ?? asset.id, "input")
  for (const id of contained) graph.join(id, asset.id, "contained")
  return [...all, ...contained]
}

function originOf(asset: DataAsset) {
  const provenance = object("provenance")(asset) ?? {}
  return {
    runId: string("computation")(provenance),
    capsuleId: string("capsule")(provenance),
    inputs: strings("data_assets")(provenance) ?? [],
    contained: idsIn(asset, "contained_data_assets"),
  }
}

/** The ids of all that went into an asset. Null if they can't be read: one such asset must not fail the walks of everybody. */
function inputsOf(asset: DataAsset): Set<string> | null {
  try {
    const { inputs, contained } = originOf(asset)
    return new Set([...inputs, ...contained])
  } catch (error) {
    if (error instanceof DecodeError) return null
    throw error
  }
}

/** The ids of the objects in this list. */
function idsIn(parent: object | null, key: "data_assets" | "contained_data_assets"): string[] {
  const listed = parent === null ? null : objects<object>(key)(parent)
  return (listed ?? []).map(string("id")).filter((id) => id !== null)
}

function hasSources(asset: DataAsset, graph: Graph): boolean {
  const { runId, inputs, contained } = originOf(asset)
  return (runId !== null && !graph.has(runId)) || [...inputs, ...contained].some((id) => !graph.has(id))
}

interface Offspring {
  /** By the id of what went in. */
  byInput: Map<string, DataAsset[]>
  /** There were more results than were looked through. */
  truncated: boolean
}

/**
 * Everything that came of anything, as far as the caller may see it. Upstream can't be asked what came of one data asset,
 * so all results and combined data assets are looked through, once for each request.
 */
const offspring = loaderByKey(async (context): Promise<Offspring> => {
  const byInput = new Map<string, DataAsset[]>()
  let truncated = false
  let inputs = 0
  const walks = ["result", "combined"].map(async (type) => {
    let next_token: string | number | undefined
    for (let page = 0; ; page++) {
      if (page === maxPages) {
        truncated = true
        return
      }
      const body = { type, limit: pageSize, ...(next_token !== undefined && { next_token }) }
      const answer = await searchDataAssets(context.upstream, body)
      for (const asset of dataAssetById.prime(context, answer.results)) {
        const ids = inputsOf(asset)
        inputs += ids?.size ?? 0
        if (ids === null || inputs > mostInputs) {
          truncated = true
          continue
        }
        for (const id of ids) {
          const known = byInput.get(id)
          if (known === undefined) byInput.set(id, [asset])
          else known.push(asset)
        }
      }
      if (answer.has_more !== true || answer.next_token == null) return
      next_token = answer.next_token
    }
  })
  await Promise.all(walks)
  return { byInput, truncated }
})

async function walkDown(context: Context, graph: Graph, root: DataAsset, depth: number): Promise<void> {
  const { byInput, truncated } = await offspring(context).load("")
  if (truncated) graph.truncated = true
  let generation: string[] = [root.id]
  const walked = new Set<string>(generation)
  for (let distance = 1; distance <= depth && generation.length > 0; distance++) {
    const next = new Map<string, DataAsset>()
    for (const asset of generation.flatMap((id) => byInput.get(id) ?? [])) {
      if (!walked.has(asset.id) && graph.add(asset.id, "data_asset", distance, asset)) next.set(asset.id, asset)
      walked.add(asset.id)
    }
    await Promise.all([...next.values()].map((asset) => sourcesOf(context, graph, asset, distance)))
    generation = [...next.keys()]
  }
  if (generation.some((id) => byInput.get(id)?.some((asset) => !graph.has(asset.id)))) graph.truncated = true
}
