import { Text } from "@mantine/core"
import { type ReactNode, useMemo } from "react"
import { dataAssetPath, runnablePath, runPath } from "../../app/paths.ts"
import { linkTo } from "../../app/router.ts"
import { outcomes } from "../../parts/Facts.tsx"
import { CapsuleIcon, DataIcon, LockIcon } from "../../parts/icons.tsx"
import classes from "./DataAsset.module.css"
import { type Lineage, type LineageNode, layOut, type Placed } from "./lineage.ts"

const column = 220
const row = 52
const width = 176
const height = 36

const x = (placed: Placed) => placed.column * column
const y = (placed: Placed, rows: number, inColumn: number) => (placed.row + (rows - inColumn) / 2) * row + 8

/** What a data asset was made from and what was made from it, as a picture whose nodes are links. */
export function LineageView({ lineage, id }: { lineage: Lineage; id: string }) {
  const layout = useMemo(() => layOut(lineage), [lineage])
  if (layout.nodes.length < 2) {
    return (
      <Text size="sm" c="dimmed">
        Nothing is known of what it was made from, and nothing was made from it.
      </Text>
    )
  }
  const sizes = new Map<number, number>()
  for (const placed of layout.nodes) sizes.set(placed.column, (sizes.get(placed.column) ?? 0) + 1)
  const top = (placed: Placed) => y(placed, layout.rows, sizes.get(placed.column) ?? 1)
  const size = { width: (layout.columns - 1) * column + width, height: layout.rows * row + 16 }
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard. */}
      <section className={classes.lineage} tabIndex={0} aria-label="Lineage">
        <div style={{ position: "relative", ...size }}>
          <svg width={size.width} height={size.height} aria-hidden="true">
            {layout.edges.map(({ from, to, relation }) => {
              const [startX, startY] = [x(from) + width, top(from) + height / 2]
              const [endX, endY] = [x(to), top(to) + height / 2]
              const middle = Math.max(24, (endX - startX) / 2)
              return (
                <path
                  key={`${from.node.nodeId} ${to.node.nodeId} ${relation}`}
                  className={classes.edge}
                  data-relation={relation}
                  d={`M${startX} ${startY}C${startX + middle} ${startY} ${endX - middle} ${endY} ${endX} ${endY}`}
                />
              )
            })}
          </svg>
          <ul>
            {layout.nodes.map((placed) => (
              <li
                key={placed.node.nodeId}
                className={classes.node}
                data-kind={placed.node.kind}
                data-restricted={placed.node.restricted || undefined}
                data-current={placed.node.nodeId === id || undefined}
                style={{ left: x(placed), top: top(placed), width, height }}
              >
                <Label node={placed.node} isCurrent={placed.node.nodeId === id} />
              </li>
            ))}
          </ul>
        </div>
      </section>
      <Text size="xs" c="dimmed" mt="xs">
        From left to right: what it was made from, the data asset, what was made from it.
        {lineage.truncated && " It goes on beyond three generations, or in data assets that you may not read."}
      </Text>
    </>
  )
}

function Label({
  node: { node, kind, nodeId, restricted },
  isCurrent,
}: {
  node: LineageNode
  isCurrent: boolean
}): ReactNode {
  if (restricted || !node) {
    return (
      <span title={`You may not see it, or it no longer exists: ${nodeId}`}>
        <LockIcon /> <span className="truncate">Not visible to you</span>
      </span>
    )
  }
  const name = "name" in node ? node.name : nodeId
  if (isCurrent) {
    return (
      <span aria-current="true" title={name}>
        <DataIcon /> <span className="truncate">{name}</span>
      </span>
    )
  }
  if (node.__typename === "Computation") {
    const { Icon, color } = outcomes[node.outcome]
    return (
      <a {...linkTo(runPath(node))} title={`The run ${name}`}>
        <Icon style={{ color }} /> <span className="truncate">{name}</span>
      </a>
    )
  }
  const path = kind === "DATA_ASSET" ? dataAssetPath(nodeId) : runnablePath({ __typename: node.__typename, id: nodeId })
  return (
    <a {...linkTo(path)} title={name}>
      {kind === "DATA_ASSET" ? <DataIcon /> : <CapsuleIcon />} <span className="truncate">{name}</span>
    </a>
  )
}
