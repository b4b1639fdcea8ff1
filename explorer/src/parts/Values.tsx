import type { ReactNode } from "react"
import classes from "./Values.module.css"

interface Value {
  name: string
  value: ReactNode
  /** Appears when the name is pointed at. */
  title?: string | undefined
}

/** Names and their values, one below the other. */
export function Values({ of }: { of: readonly Value[] }) {
  return (
    <dl className={classes.values}>
      {of.map(({ name, value, title }, index) => (
        <div key={`${index} ${name}`}>
          <dt title={title}>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  )
}
