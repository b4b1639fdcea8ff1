import { GraphQLError } from "graphql"
import { type ErrorCode, nullIfInaccessible } from "../../errors.ts"
import { DecodeError, isObject, type SearchToken, type WireObject } from "../../upstream/decoders.ts"
import { isUsableId } from "../../upstream/route.ts"
import { capsuleById } from "../capsule/loader.ts"
import { computationById, recordRunnable } from "../computation/loader.ts"
import { type Context, oncePerRequest } from "../context.ts"
import { dataAssetById } from "../dataAsset/loader.ts"
import type { DataAsset } from "../dataAsset/rest.ts"
import { searchDataAssets } from "../dataAsset/rest.ts"
import { invalidField, items, readableId, readableString } from "../fields.ts"
import { loaderByKey } from "../loader.ts"
import { tokenMark, usableToken } from "../pagination/position.ts"

export type LineageKind = "data_asset" | "computation" | "capsule"
export type LineageRelation = "input" | "produced" | "ran" | "contained"

export interface LineageNode {
  id: string
  kind: LineageKind
  /** Generations from the starting data asset. */
  distance: number
  /** Null if the caller may not see it, or it no longer exists. */
  object: { id: string } | null
}

/** A step of the data, from source to product. */
export interface LineageEdge {
  from: string
  to: string
  relation: LineageRelation
}

export interface Lineage {
  /** Behind the nodes an error for each place where Code Ocean sent something that can't be read in place of one. */
  nodes: (LineageNode | DecodeError)[]
  edges: LineageEdge[]
  truncated: boolean
}

/** The maximum number of nodes in a lineage. */
export const maxNodes = 2000
/** The maximum number of errors for values that can't be read. */
const maxUnreadable = 100
/** The maximum number of edges that are collected. Data assets can name any number of inputs that do not become nodes. */
const maxEdges = 100_000
/** The maximum number of input ids that are read on the way down. */
const maxInputs = 1_000_000
/** The maximum number of inputs that all walks of one request read: the largest walk down reads a million. */
const maxInputsPerRequest = 1_500_000
const pageSize = 1000
/** The maximum number of pages of results, and of combined data assets, that are read on the way down. */
const maxPages = 10

/** The graph that a walk builds. It contains each node and each edge once, even if several paths lead to it. */
class Graph {
  readonly nodes = new Map<string, LineageNode>()
  /** The edges, by their end and relation. */
  readonly #edges = new Map<string, { from: Set<string>; to: string; relation: LineageRelation }>()
  #edgeCount = 0
  /** What stands where Code Ocean should have sent an id. */
  readonly unreadable: DecodeError[] = []
  truncated = false

  has(id: string): boolean {
    return this.nodes.has(id)
  }

  /** Returns false if the graph is full. */
  addNode(id: string, kind: LineageKind, distance: number, found: { id: string } | null): boolean {
    if (this.nodes.has(id)) return true
    if (this.nodes.size >= maxNodes) {
      this.truncated = true
      return false
    }
    this.nodes.set(id, { id, kind, distance, object: found })
    return true
  }

  /** The number of nodes that may still be added. */
  get capacity(): number {
    return maxNodes - this.nodes.size
  }

  addEdges(from: Iterable<string>, to: string, relation: LineageRelation): void {
    const key = `${relation} ${to}`
    let edges = this.#edges.get(key)
    if (edges === undefined) {
      edges = { from: new Set(), to, relation }
      this.#edges.set(key, edges)
    }
    for (const id of from) {
      if (edges.from.has(id)) continue
      if (this.#edgeCount >= maxEdges) {
        this.truncated = true
        return
      }
      edges.from.add(id)
      this.#edgeCount += 1
    }
  }

  /** The result. Edges of which one end is not in the graph are left out. */
  toLineage(): Lineage {
    const edges: LineageEdge[] = []
    for (const { from, to, relation } of this.#edges.values()) {
      if (!this.nodes.has(to)) continue
      for (const id of from) if (this.nodes.has(id)) edges.push({ from: id, to, relation })
    }
    return {
      nodes: [...this.nodes.values(), ...this.unreadable.slice(0, maxUnreadable)],
      edges,
      truncated: this.truncated,
    }
  }
}

/**
 * Walks the provenance of a data asset by generations. A generation consists of data assets, the runs and capsules that produced them,
 * and their inputs. Each object is read once. Cycles and diamonds end at objects that were already visited.
 * @param depth the number of generations
 */
export async function walkLineage(
  context: Context,
  root: DataAsset,
  depth: number,
  direction: { up: boolean; down: boolean },
): Promise<Lineage> {
  const graph = new Graph()
  graph.addNode(root.id, "data_asset", 0, root)
  if (direction.up) await walkUp(context, graph, root, depth)
  if (direction.down) await walkDown(context, graph, root, depth)
  return graph.toLineage()
}

async function walkUp(context: Context, graph: Graph, root: DataAsset, depth: number): Promise<void> {
  let generation: DataAsset[] = [root]
  const walked = new Set<string>([root.id])
  for (let distance = 1; distance <= depth && generation.length > 0; distance++) {
    const sources = await Promise.all(generation.map((asset) => sourcesOf(context, graph, asset, distance - 1)))
    const next = [...new Set(sources.flat())].filter((id) => !walked.has(id) && isUsable(graph, id))
    if (next.length > graph.capacity) {
      // Objects that do not fit into the graph are not loaded.
      next.length = graph.capacity
      graph.truncated = true
    }
    for (const id of next) walked.add(id)
    const found = await Promise.all(
      next.map(async (id) => ({ id, asset: await nullIfInaccessible(dataAssetById(context).load(id)) })),
    )
    generation = []
    for (const { id, asset } of found) {
      if (graph.addNode(id, "data_asset", distance, asset) && asset !== null) generation.push(asset)
    }
  }
  // The sources of the last generation are beyond the depth.
  if (generation.some((asset) => hasSources(asset, graph))) graph.truncated = true
}

/** Whether an input can be loaded. */
function isUsable(graph: Graph, id: string): boolean {
  if (isUsableId(id)) return true
  if (graph.unreadable.length < maxUnreadable) graph.unreadable.push(notAnId("data_assets"))
  return false
}

/** Inputs that all walks of one request have read. */
const inputsRead = oncePerRequest(() => ({ count: 0 }))

/** Throws OPERATION_TOO_COSTLY once the walks of one request have read too many inputs: a request can have a thousand walks. */
function chargeInputs(context: Context, count: number): void {
  const read = inputsRead(context)
  if (read.count > maxInputsPerRequest) {
    throw new GraphQLError(
      `The lineages of one request read at most ${maxInputsPerRequest} inputs of data assets. Split them into several requests.`,
      { extensions: { code: "OPERATION_TOO_COSTLY" satisfies ErrorCode } },
    )
  }
  read.count += count
}

/** Adds the run and capsule that produced a data asset. Returns the ids of its inputs. */
async function sourcesOf(context: Context, graph: Graph, asset: DataAsset, distance: number): Promise<string[]> {
  chargeInputs(context, 0)
  const { runId, capsuleId, inputs, contained } = originOf(asset, graph.unreadable)
  chargeInputs(context, inputs.length + contained.length)
  const [run, capsule] = await Promise.all([
    runId === null ? null : nullIfInaccessible(computationById(context).load(runId)),
    capsuleId === null ? null : nullIfInaccessible(capsuleById(context).load(capsuleId)),
  ])
  if (run !== null && capsuleId !== null) recordRunnable(run, { id: capsuleId, kind: "capsules" })
  const all = new Set(inputs)
  // A run lists its inputs even if the provenance of its result does not.
  const inputsOfRun = run === null ? [] : idsIn(run, "data_assets", graph.unreadable)
  if (inputsOfRun.length > 0) chargeInputs(context, inputsOfRun.length)
  for (const id of inputsOfRun) all.add(id)
  if (runId !== null) {
    graph.addNode(runId, "computation", distance, run)
    graph.addEdges([runId], asset.id, "produced")
  }
  if (capsuleId !== null) {
    graph.addNode(capsuleId, "capsule", distance, capsule)
    graph.addEdges([capsuleId], runId ?? asset.id, runId === null ? "produced" : "ran")
  }
  graph.addEdges(all, runId ?? asset.id, "input")
  graph.addEdges(contained, asset.id, "contained")
  return [...all, ...contained]
}

/**
 * Where a data asset comes from, as far as it can be read.
 * @param unreadable gets an error for each value that can't be
 */
function originOf(asset: DataAsset, unreadable: DecodeError[]) {
  const provenance: unknown = asset.provenance || {}
  const found = isObject(provenance) ? provenance : {}
  if (found !== provenance) unreadable.push(invalidField("provenance", "not an object"))
  return {
    runId: idIn(found, "computation", unreadable),
    capsuleId: idIn(found, "capsule", unreadable),
    inputs: idsIn(found, "data_assets", unreadable),
    contained: idsIn(asset, "contained_data_assets", unreadable),
  }
}

function idIn(provenance: WireObject, key: "computation" | "capsule", unreadable: DecodeError[]): string | null {
  const id = readableId(key)(provenance)
  if (id === null && (provenance[key] ?? "") !== "") unreadable.push(invalidField(key, "not an id"))
  return id
}

const idOf = readableString("id")

/** The ids in a list, whose items are ids or objects with one. An object without an id is left out. */
function idsIn(parent: object, key: "data_assets" | "contained_data_assets", unreadable: DecodeError[]): string[] {
  const found: string[] = []
  let hasUnreadable = false
  try {
    for (const item of items(key)(parent) ?? []) {
      const id = typeof item === "string" ? item : idOf(isObject(item) ? item : { id: item })
      if (id) found.push(id)
      else if (item instanceof DecodeError || !isObject(item) || item.id) hasUnreadable = true
    }
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    unreadable.push(error)
  }
  if (hasUnreadable) unreadable.push(notAnId(key))
  return found
}

const notAnId = (key: string) => invalidField(key, "a list with an item that is not an id")

function hasSources(asset: DataAsset, graph: Graph): boolean {
  const { runId, inputs, contained } = originOf(asset, [])
  return (runId !== null && !graph.has(runId)) || [...inputs, ...contained].some((id) => !graph.has(id))
}

interface Products {
  /** The data assets made from an input, by the id of the input. */
  byInput: Map<string, DataAsset[]>
  /** True if there were more data assets than were read. */
  truncated: boolean
}

/**
 * Which data assets were made from which inputs, as far as the caller may see them. The API cannot search by input, so all results and
 * combined data assets are read, once for each request.
 */
const allProducts = loaderByKey(async (context): Promise<Products> => {
  const byInput = new Map<string, DataAsset[]>()
  let truncated = false
  let inputs = 0
  const walks = ["result", "combined"].map(async (type) => {
    let next_token: SearchToken | undefined
    const tokens = new Set<string>()
    for (let page = 0; page < maxPages; page++) {
      const body = { type, limit: pageSize, ...(next_token !== undefined && { next_token }) }
      const response = await searchDataAssets(context.upstream, body)
      for (const asset of dataAssetById.primeItems(context, response.results)) {
        if (asset instanceof DecodeError) {
          truncated = true
          continue
        }
        const unreadable: DecodeError[] = []
        const origin = originOf(asset, unreadable)
        const ids = new Set([...origin.inputs, ...origin.contained])
        inputs += ids.size
        if (unreadable.length > 0) truncated = true
        if (inputs > maxInputs) {
          truncated = true
          continue
        }
        for (const id of ids) {
          const products = byInput.get(id)
          if (products === undefined) byInput.set(id, [asset])
          else products.push(asset)
        }
      }
      if (!response.has_more) return
      next_token = usableToken(response.next_token)
      // Code Ocean has more, but no way to it: a token that came before leads to a page that was read.
      if (next_token === undefined || tokens.has(tokenMark(next_token))) break
      tokens.add(tokenMark(next_token))
    }
    truncated = true
  })
  await Promise.all(walks)
  return { byInput, truncated }
})

async function walkDown(context: Context, graph: Graph, root: DataAsset, depth: number): Promise<void> {
  const { byInput, truncated } = await allProducts(context).load("")
  if (truncated) graph.truncated = true
  let generation: string[] = [root.id]
  const walked = new Set<string>(generation)
  for (let distance = 1; distance <= depth && generation.length > 0; distance++) {
    const next = new Map<string, DataAsset>()
    for (const asset of generation.flatMap((id) => byInput.get(id) ?? [])) {
      if (!walked.has(asset.id) && graph.addNode(asset.id, "data_asset", distance, asset)) next.set(asset.id, asset)
      walked.add(asset.id)
    }
    await Promise.all([...next.values()].map((asset) => sourcesOf(context, graph, asset, distance)))
    generation = [...next.keys()]
  }
  if (generation.some((id) => byInput.get(id)?.some((asset) => !graph.has(asset.id)))) graph.truncated = true
}
