import { Text } from "@mantine/core"
import { type ReactNode, useLayoutEffect, useMemo, useRef, useState } from "react"
import { dataAssetPath, runnablePath, runPath } from "../../app/paths.ts"
import { linkTo } from "../../app/router.ts"
import { outcomes } from "../../parts/Facts.tsx"
import { CapsuleIcon, DataIcon, LockIcon } from "../../parts/icons.tsx"
import classes from "./DataAsset.module.css"
import { type Lineage, type LineageNode, layOut, nodesPerColumn } from "./lineage.ts"

const column = 220
const row = 62
const width = 176
const heights = { one: 36, two: 54 }

/** How many further nodes of a column are shown at once. */
const step = 50

/** What a data asset was made from and what was made from it, as a picture whose nodes are links. */
export function LineageView({ lineage, id }: { lineage: Lineage; id: string }) {
  const [limits, setLimits] = useState<ReadonlyMap<number, number>>(new Map())
  const layout = useMemo(() => layOut(lineage, limits), [lineage, limits])
  const box = useRef<HTMLElement>(null)
  const current = layout.nodes.find(({ node }) => node.nodeId === id)?.column
  // The focus goes on where it was.
  const [next, setNext] = useState<string>()
  useLayoutEffect(() => {
    if (next !== undefined) document.getElementById(next)?.querySelector<HTMLElement>("a, button")?.focus()
  }, [next])
  // The data asset itself is in sight from the beginning.
  useLayoutEffect(() => {
    const element = box.current
    if (element !== null && current !== undefined)
      element.scrollLeft = current * column - (element.clientWidth - width) / 2
  }, [current])

  if (layout.nodes.length < 2) {
    return (
      <Text size="sm" c="dimmed">
        Nothing is known of what it was made from, and nothing was made from it.
      </Text>
    )
  }
  const rows = Math.max(...layout.rows)
  // Columns are centered, but not beside a long one, in whose middle nobody would find them.
  const isLong = rows > nodesPerColumn + 1
  const left = (at: number) => at * column
  const middle = (at: number, line: number) => (line + 0.5 + (isLong ? 0 : (rows - layout.rows[at]!) / 2)) * row
  const place = (at: number, line: number, height: number) => ({
    left: left(at),
    top: middle(at, line) - height / 2,
    width,
    height,
  })
  const size = { width: (layout.rows.length - 1) * column + width, height: rows * row }
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard. */}
      <section ref={box} className={classes.lineage} tabIndex={0} aria-label="Lineage">
        <div style={{ position: "relative", ...size }}>
          <svg width={size.width} height={size.height} aria-hidden="true">
            {layout.edges.map(({ from, to }) => {
              const [startX, startY] = [left(from.column) + width, middle(from.column, from.row)]
              const [endX, endY] = [left(to.column), middle(to.column, to.row)]
              const bend = Math.max(24, (endX - startX) / 2)
              return (
                <path
                  key={`${from.node.nodeId} ${to.node.nodeId}`}
                  className={classes.edge}
                  d={`M${startX} ${startY}C${startX + bend} ${startY} ${endX - bend} ${endY} ${endX} ${endY}`}
                />
              )
            })}
          </svg>
          <ul>
            {layout.nodes.map(({ node, capsule, column, row }) => (
              <li
                key={node.nodeId}
                id={idOf(column, row)}
                className={classes.node}
                data-kind={node.kind}
                data-restricted={node.restricted || undefined}
                data-current={node.nodeId === id || undefined}
                style={place(column, row, capsule ? heights.two : heights.one)}
              >
                <Label node={node} isCurrent={node.nodeId === id} />
                {capsule && <Label node={capsule} />}
              </li>
            ))}
            {[...layout.hidden].map(([column, hidden]) => (
              <li key={column} className={classes.node} style={place(column, layout.rows[column]! - 1, heights.one)}>
                <button
                  type="button"
                  onClick={() => {
                    setLimits(new Map(limits).set(column, (limits.get(column) ?? nodesPerColumn) + step))
                    // The first of those that appear takes the place of the button.
                    setNext(idOf(column, layout.rows[column]! - 1))
                  }}
                >
                  {hidden > step ? `Show ${step} of ${hidden} more` : `Show ${hidden} more`}
                </button>
              </li>
            ))}
          </ul>
        </div>
      </section>
      <Text size="xs" c="dimmed" mt="xs">
        From left to right: what it was made from, the data asset, what was made from it.
        {lineage.truncated && " It goes on beyond what is shown, or in data assets that you may not read."}
      </Text>
    </>
  )
}

const idOf = (column: number, row: number) => `lineage-${column}-${row}`

function Label({
  node: { node, kind, nodeId, restricted },
  isCurrent = false,
}: {
  node: LineageNode
  isCurrent?: boolean
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
    const { Icon, color, label } = outcomes[node.outcome]
    return (
      <a {...linkTo(runPath(node))} title={`The run ${name}: ${label}`}>
        <Icon style={{ color }} /> <span className="truncate">{name}</span>
      </a>
    )
  }
  const isAsset = kind === "DATA_ASSET"
  const path = isAsset ? dataAssetPath(nodeId) : runnablePath({ __typename: node.__typename, id: nodeId })
  return (
    <a {...linkTo(path)} title={isAsset ? name : `The capsule ${name}`}>
      {isAsset ? <DataIcon /> : <CapsuleIcon />} <span className="truncate">{name}</span>
    </a>
  )
}
