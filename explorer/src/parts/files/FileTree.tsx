import { useVirtualizer } from "@tanstack/react-virtual"
import { type KeyboardEvent, useRef, useState } from "react"
import { Size } from "../Facts.tsx"
import { ChevronIcon, FileIcon, FolderIcon } from "../icons.tsx"
import classes from "./Files.module.css"
import type { Row } from "./useFolders.ts"

interface FileTreeProps {
  label: string
  rows: readonly Row[]
  selected: string | null
  onSelect(path: string): void
  onToggle(path: string, open?: boolean): void
  onMore(folder: string): void
}

const rowHeight = 30
const tallest = 14 * rowHeight

/** A tree of any size, of which only the visible rows exist. The arrows move, open and close, as in every tree. */
export function FileTree({ label, rows, selected, onSelect, onToggle, onMore }: FileTreeProps) {
  const box = useRef<HTMLDivElement>(null)
  const [activeKey, setActiveKey] = useState<string>()
  const virtualizer = useVirtualizer({
    count: rows.length,
    getScrollElement: () => box.current,
    estimateSize: () => rowHeight,
    overscan: 8,
    getItemKey: (index) => rows[index]!.key,
  })
  const wanted = activeKey ?? selected
  const active = Math.max(
    rows.findIndex(({ key }) => key === wanted),
    0,
  )
  const idOf = (index: number) => `file-${index}`

  function move(index: number) {
    const to = Math.min(Math.max(index, 0), rows.length - 1)
    setActiveKey(rows[to]?.key)
    virtualizer.scrollToIndex(to)
  }

  function use(row: Row) {
    if (row.is === "more") onMore(row.folder)
    else if (row.is === "entry" && row.expanded === undefined) onSelect(row.entry.path)
    else if (row.is === "entry") onToggle(row.entry.path)
  }

  function onKeyDown(event: KeyboardEvent) {
    const row = rows[active]
    if (row === undefined) return
    const { key } = event
    if (key === "ArrowDown") move(active + 1)
    else if (key === "ArrowUp") move(active - 1)
    else if (key === "Home") move(0)
    else if (key === "End") move(rows.length - 1)
    else if (key === "PageDown") move(active + 12)
    else if (key === "PageUp") move(active - 12)
    else if (key === "Enter" || key === " ") use(row)
    else if (key === "ArrowRight" && row.is === "entry" && row.expanded !== undefined) {
      if (row.expanded) move(active + 1)
      else onToggle(row.entry.path, true)
    } else if (key === "ArrowLeft") {
      if (row.is === "entry" && row.expanded) onToggle(row.entry.path, false)
      else move(rows.findLastIndex((other, index) => index < active && other.level < row.level))
    } else return
    event.preventDefault()
  }

  return (
    <div
      ref={box}
      role="tree"
      aria-label={label}
      tabIndex={0}
      aria-activedescendant={rows.length > 0 ? idOf(active) : undefined}
      className={classes.tree}
      style={{ height: Math.min(Math.max(rows.length, 1) * rowHeight, tallest) + 2 }}
      onKeyDown={onKeyDown}
      onFocus={() => virtualizer.scrollToIndex(active)}
    >
      <div role="presentation" style={{ height: virtualizer.getTotalSize(), position: "relative" }}>
        {virtualizer.getVirtualItems().map(({ index, key, start }) => {
          const row = rows[index]!
          const isEntry = row.is === "entry"
          return (
            // biome-ignore lint/a11y/useKeyWithClickEvents: the tree has the keys.
            <div
              key={key}
              id={idOf(index)}
              role="treeitem"
              tabIndex={-1}
              aria-level={row.level}
              aria-expanded={isEntry ? row.expanded : undefined}
              aria-selected={isEntry && row.entry.path === selected}
              data-active={index === active || undefined}
              className={classes.entry}
              style={{ height: rowHeight, transform: `translateY(${start}px)`, paddingLeft: (row.level - 1) * 18 + 8 }}
              onClick={() => {
                setActiveKey(row.key)
                use(row)
              }}
            >
              {isEntry ? (
                <>
                  <span className={classes.chevron} data-open={row.expanded || undefined}>
                    {row.expanded !== undefined && <ChevronIcon width="12" height="12" />}
                  </span>
                  {row.expanded === undefined ? <FileIcon /> : <FolderIcon />}
                  <span className="truncate" title={row.entry.path}>
                    {row.entry.name}
                  </span>
                  {"size" in row.entry && row.entry.size !== null && (
                    <span className={classes.size}>
                      <Size of={row.entry.size} />
                    </span>
                  )}
                </>
              ) : (
                <span className={row.is === "more" ? classes.more : classes.note}>
                  {row.is === "more" ? "Show more of this folder" : row.text}
                </span>
              )}
            </div>
          )
        })}
      </div>
    </div>
  )
}
