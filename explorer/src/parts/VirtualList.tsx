import { useMediaQuery } from "@mantine/hooks"
import { useWindowVirtualizer } from "@tanstack/react-virtual"
import { type ReactNode, useLayoutEffect, useRef, useState } from "react"
import { savedScroll } from "../app/router.ts"
import classes from "./VirtualList.module.css"

/** The width below which rows have two lines. The style sheets have the same. */
const narrow = "(max-width: 48em)"
const heights = { wide: 44, narrow: 64 }

interface VirtualListProps<Item> {
  label: string
  items: readonly Item[]
  keyOf(item: Item): string
  row(item: Item): ReactNode
  /** Called when the end of the list comes near. */
  onEnd?(): void
}

/**
 * A list of any length in the window. Only the rows that are visible, and some around them, exist. All have the same height, so
 * that the list does not jump.
 */
export function VirtualList<Item>({ label, items, keyOf, row, onEnd }: VirtualListProps<Item>) {
  const list = useRef<HTMLUListElement>(null)
  const [top, setTop] = useState(0)
  const height = useMediaQuery(narrow, matchMedia(narrow).matches) ? heights.narrow : heights.wide
  const virtualizer = useWindowVirtualizer({
    count: items.length,
    estimateSize: () => height,
    overscan: 12,
    scrollMargin: top,
    getItemKey: (index) => keyOf(items[index]!),
  })

  useLayoutEffect(() => {
    setTop(list.current?.offsetTop ?? 0)
  }, [])
  useLayoutEffect(() => virtualizer.measure(), [height])
  // Once, when the list that the visitor comes back to is as long as it was.
  const restored = useRef(false)
  useLayoutEffect(() => {
    if (restored.current || items.length === 0) return
    restored.current = true
    scrollTo(0, savedScroll())
  }, [items.length])

  const rows = virtualizer.getVirtualItems()
  const last = rows.at(-1)?.index ?? 0
  const isNearEnd = items.length > 0 && last >= items.length - 40
  useLayoutEffect(() => {
    if (isNearEnd) onEnd?.()
  }, [isNearEnd, onEnd])

  return (
    <ul ref={list} aria-label={label} className={classes.list} style={{ height: virtualizer.getTotalSize() }}>
      {rows.map(({ index, key, start }) => (
        <li
          key={key}
          className={classes.row}
          aria-setsize={items.length}
          aria-posinset={index + 1}
          style={{ height, transform: `translateY(${start - top}px)` }}
        >
          {row(items[index]!)}
        </li>
      ))}
    </ul>
  )
}
