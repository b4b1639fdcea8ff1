import type { DataAssetPageQuery } from "./dataAsset.generated.ts"

export type Lineage = NonNullable<NonNullable<DataAssetPageQuery["dataAsset"]>["lineage"]>
export type LineageNode = NonNullable<Lineage["nodes"][number]>

export interface Placed {
  node: LineageNode
  /** The generation: negative for what it was made from, positive for what was made from it. */
  column: number
  row: number
}

export interface Layout {
  nodes: readonly Placed[]
  edges: readonly { from: Placed; to: Placed; relation: string }[]
  columns: number
  rows: number
}

/**
 * Places the nodes: what the data asset was made from on its left, what was made from it on its right, one column for each
 * generation. Within a column, nodes stand near those that they belong to.
 */
export function layOut({ nodes: all, edges }: Lineage): Layout {
  const nodes = new Map(all.filter((node) => node !== null).map((node) => [node.nodeId, node]))
  const [start] = nodes.keys()
  const links = edges.filter((edge) => edge !== null)
  const columns = new Map<string, number>()
  if (start !== undefined) columns.set(start, 0)
  for (const direction of [-1, 1]) {
    const queue = start === undefined ? [] : [start]
    for (let id = queue.shift(); id !== undefined; id = queue.shift()) {
      for (const { from, to } of links) {
        const [here, next] = direction < 0 ? [to, from] : [from, to]
        if (here !== id || columns.has(next)) continue
        columns.set(next, (columns.get(id) ?? 0) + direction)
        queue.push(next)
      }
    }
  }
  // Reached by no way in one direction, such as the capsule of a run that made a sibling.
  for (const { from, to } of links) {
    const [known, other, step] = columns.has(to) ? [to, from, -1] : [from, to, 1]
    if (!columns.has(other)) columns.set(other, (columns.get(known) ?? 0) + step)
  }
  const first = Math.min(0, ...columns.values())
  const last = Math.max(0, ...columns.values())
  const placed = new Map<string, Placed>()
  let rows = 1
  for (let column = first; column <= last; column += 1) {
    const ids = [...nodes.keys()].filter((id) => (columns.get(id) ?? 0) === column)
    const weight = (id: string) => {
      const before = links.filter(({ to }) => to === id).flatMap(({ from }) => placed.get(from)?.row ?? [])
      return before.length === 0 ? Number.POSITIVE_INFINITY : before.reduce((sum, row) => sum + row, 0) / before.length
    }
    const weights = new Map(ids.map((id) => [id, weight(id)]))
    const inOrder = ids.toSorted((a, b) => (weights.get(a) === weights.get(b) ? 0 : weights.get(a)! - weights.get(b)!))
    for (const [row, id] of inOrder.entries()) placed.set(id, { node: nodes.get(id)!, column: column - first, row })
    rows = Math.max(rows, ids.length)
  }
  return {
    nodes: [...placed.values()],
    edges: links.flatMap(({ from, to, relation }) => {
      const [start, end] = [placed.get(from), placed.get(to)]
      return start && end ? [{ from: start, to: end, relation }] : []
    }),
    columns: last - first + 1,
    rows,
  }
}
