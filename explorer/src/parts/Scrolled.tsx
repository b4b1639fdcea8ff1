import { useLayoutEffect, useRef } from "react"
import classes from "./Scrolled.module.css"

/** What scrolls by itself is reached by the keyboard, too. */
export const scrolls = { tabIndex: 0 }

interface ScrolledProps {
  label: string
  children: string
  /** Shows the end first, because what went wrong is there. */
  atEnd?: boolean
}

/** A text in a box that scrolls. */
export function Scrolled({ label, children, atEnd = false }: ScrolledProps) {
  const box = useRef<HTMLElement>(null)
  useLayoutEffect(() => {
    if (atEnd && children !== "") box.current?.scrollTo(0, box.current.scrollHeight)
  }, [atEnd, children])
  return (
    <section ref={box} aria-label={label} className={classes.text} {...scrolls}>
      {children}
    </section>
  )
}
