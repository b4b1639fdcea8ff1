import { useCallback, useSyncExternalStore } from "react"
import { sessionState, subscribeToSession } from "../app/session.ts"

/*
 * What was typed and not yet sent. It is kept for the time that the tab is open, through reloads and other pages, and dropped
 * when the visitor signs out, because the next one may be someone else.
 */

const prefix = "explorer:draft:"
const drafts = new Map<string, unknown>()
const listeners = new Set<() => void>()
const changed = () => {
  for (const listener of listeners) listener()
}

subscribeToSession(() => {
  if (sessionState().is !== "signedOut") return
  drafts.clear()
  for (const key of Object.keys(sessionStorage)) if (key.startsWith(prefix)) sessionStorage.removeItem(key)
  changed()
})

function read(key: string): unknown {
  if (!drafts.has(key)) {
    const text = sessionStorage.getItem(prefix + key)
    drafts.set(key, text === null ? undefined : JSON.parse(text))
  }
  return drafts.get(key)
}

function write(key: string, value: unknown): void {
  drafts.set(key, value)
  try {
    if (value === undefined) sessionStorage.removeItem(prefix + key)
    else sessionStorage.setItem(prefix + key, JSON.stringify(value))
  } catch {
    // The storage is full or off. The draft then lasts until the page is loaded again.
  }
  changed()
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

/**
 * The draft with this key, and functions that change and drop it. Undefined if nothing was typed.
 * @param key names the form and the object that it belongs to, such as `run <id>`
 */
export function useDraft<Value>(
  key: string,
): [Value | undefined, (change: (before: Value | undefined) => Value) => void, () => void] {
  const draft = useSyncExternalStore(subscribe, () => read(key)) as Value | undefined
  const change = useCallback(
    (make: (before: Value | undefined) => Value) => write(key, make(read(key) as Value | undefined)),
    [key],
  )
  const drop = useCallback(() => write(key, undefined), [key])
  return [draft, change, drop]
}
