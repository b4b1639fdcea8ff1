import { TextInput } from "@mantine/core"
import { useEffect, useRef, useState } from "react"
import { SearchIcon } from "../../parts/icons.tsx"
import classes from "./Search.module.css"

/** The text of the search. It is searched for when the visitor pauses, so that not each letter is a request. */
export function QueryField({
  query,
  label,
  onChange,
}: {
  query: string
  label: string
  onChange(query: string): void
}) {
  const [text, setText] = useState(query)
  const sent = useRef(query)
  // Going back, or a link, changes the address.
  if (query !== sent.current) {
    sent.current = query
    setText(query)
  }
  const latest = useRef(onChange)
  latest.current = onChange
  useEffect(() => {
    if (text === sent.current) return
    const timer = setTimeout(() => {
      sent.current = text
      latest.current(text)
    }, 250)
    return () => clearTimeout(timer)
  }, [text])
  return (
    <TextInput
      type="search"
      className={classes.field}
      size="sm"
      aria-label={label}
      placeholder="Words, or tag:ecephys, name:&quot;exact name&quot;, …"
      leftSection={<SearchIcon />}
      value={text}
      autoComplete="off"
      spellCheck={false}
      onChange={(event) => setText(event.currentTarget.value)}
      onKeyDown={(event) => {
        if (event.key !== "Enter") return
        sent.current = text
        onChange(text)
      }}
    />
  )
}
