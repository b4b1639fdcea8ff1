import type { CSSProperties } from "react"
import classes from "./SkeletonRows.module.css"

/** Rows of the same height, while the first ones are read. */
export function SkeletonRows({ rows = 12 }: { rows?: number }) {
  return (
    <div className={classes.skeleton} aria-hidden="true">
      {Array.from({ length: rows }, (_, index) => (
        <div key={index} style={{ "--width": `${30 + ((index * 37) % 40)}%` } as CSSProperties} />
      ))}
    </div>
  )
}
