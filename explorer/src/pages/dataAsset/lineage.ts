import type { DataAssetPageQuery } from "./dataAsset.generated.ts"

export type Lineage = NonNullable<NonNullable<DataAssetPageQuery["dataAsset"]>["lineage"]>
export type LineageNode = NonNullable<Lineage["nodes"][number]>
type LineageEdge = NonNullable<Lineage["edges"][number]>

export interface Placed {
  node: LineageNode
  /** What ran, for a run. */
  capsule: LineageNode | undefined
  /** The generation, from 0 for the earliest one. */
  column: number
  row: number
}

export interface Layout {
  nodes: readonly Placed[]
  edges: readonly { from: Placed; to: Placed }[]
  /** How many nodes of a column are left out, for those in which some are. */
  hidden: ReadonlyMap<number, number>
  /** How many rows each column has, with the one that says how many nodes are left out. */
  rows: readonly number[]
}

/** How many nodes a column has at most, unless more are asked for. */
export const nodesPerColumn = 8

/**
 * Places the nodes: what the data asset was made from on its left, what was made from it on its right, one column for each
 * generation. Within a column, nodes stand near those that they belong to.
 * @param limits how many nodes to show of a column, if others than usual
 */
export function layOut({ nodes: all, edges }: Lineage, limits: ReadonlyMap<number, number> = new Map()): Layout {
  const nodes = new Map(all.filter((node) => node !== null).map((node) => [node.nodeId, node]))
  const links = edges.filter((edge) => edge !== null && edge.relation !== "RAN") as LineageEdge[]
  // A capsule stands in its runs, because one that ran in several generations would have edges across all of them.
  const capsules = new Map(edges.flatMap((edge) => (edge?.relation === "RAN" ? [[edge.to, nodes.get(edge.from)]] : [])))
  const linked = new Set(links.flatMap(({ from, to }) => [from, to]))
  for (const capsule of capsules.values()) if (capsule && !linked.has(capsule.nodeId)) nodes.delete(capsule.nodeId)
  const sources = Map.groupBy(links, ({ to }) => to)
  const products = Map.groupBy(links, ({ from }) => from)
  const sourcesOf = (id: string) => (sources.get(id) ?? []).map(({ from }) => from)
  const productsOf = (id: string) => (products.get(id) ?? []).map(({ to }) => to)
  const generations = generationsOf(nodes.keys().next().value, sourcesOf, productsOf)
  // Reached by no way in one direction, such as another input of what was made from it.
  for (const { from, to } of links) {
    const [known, other, step] = generations.has(to) ? [to, from, -1] : [from, to, 1]
    if (!generations.has(other)) generations.set(other, (generations.get(known) ?? 0) + step)
  }
  const members = Map.groupBy(nodes.keys(), (id) => generations.get(id) ?? 0)
  const first = Math.min(0, ...members.keys())
  const last = Math.max(0, ...members.keys())

  const placed = new Map<string, Placed>()
  const hidden = new Map<number, number>()
  const rows = Array.from({ length: last - first + 1 }, () => 0)
  // From the data asset outwards, so that each column is ordered by the one before it.
  const outwards = [...members.keys()].toSorted((a, b) => Math.abs(a) - Math.abs(b))
  for (const generation of outwards) {
    const column = generation - first
    const ids = members.get(generation) ?? []
    const nearer = generation < 0 ? productsOf : sourcesOf
    const weights = new Map(ids.map((id) => [id, meanRow(nearer(id).flatMap((near) => placed.get(near) ?? []))]))
    const inOrder = ids.toSorted((a, b) => {
      const [left, right] = [weights.get(a)!, weights.get(b)!]
      return left === right ? 0 : left - right
    })
    const limit = limits.get(column) ?? nodesPerColumn
    // A line that says "1 more" takes as much space as the one.
    const shown = inOrder.length <= limit + 1 ? inOrder : inOrder.slice(0, limit)
    for (const [row, id] of shown.entries())
      placed.set(id, { node: nodes.get(id)!, capsule: capsules.get(id), column, row })
    if (shown.length < inOrder.length) hidden.set(column, inOrder.length - shown.length)
    rows[column] = shown.length + (hidden.has(column) ? 1 : 0)
  }
  return {
    nodes: [...placed.values()].toSorted((a, b) => a.column - b.column || a.row - b.row),
    edges: links.flatMap(({ from, to }) => {
      const [start, end] = [placed.get(from), placed.get(to)]
      return start && end ? [{ from: start, to: end }] : []
    }),
    hidden,
    rows,
  }
}

type Neighbours = (id: string) => readonly string[]

/** How far each node is from the start: below 0 for what it was made from. */
function generationsOf(start: string | undefined, sourcesOf: Neighbours, productsOf: Neighbours): Map<string, number> {
  const generations = new Map<string, number>()
  if (start === undefined) return generations
  generations.set(start, 0)
  for (const [neighboursOf, step] of [[sourcesOf, -1] as const, [productsOf, 1] as const]) {
    let reached = [start]
    while (reached.length > 0) {
      const next: string[] = []
      for (const id of reached) {
        for (const other of neighboursOf(id)) {
          if (generations.has(other)) continue
          generations.set(other, generations.get(id)! + step)
          next.push(other)
        }
      }
      reached = next
    }
  }
  return generations
}

/** Those that belong to nothing that is shown come last. */
function meanRow(placed: readonly Placed[]): number {
  if (placed.length === 0) return Number.POSITIVE_INFINITY
  return placed.reduce((sum, { row }) => sum + row, 0) / placed.length
}
