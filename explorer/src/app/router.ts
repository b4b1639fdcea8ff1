import { type MouseEvent, useMemo, useSyncExternalStore } from "react"
import { root } from "./settings.ts"

/*
 * The address is the state of a page: whoever opens it sees the same. Paths here are below the explorer's root, without its slash:
 * "" is the home page.
 */

const listeners = new Set<() => void>()
const changed = () => {
  for (const listener of listeners) listener()
}
addEventListener("popstate", changed)

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

export const hrefOf = (path: string): string => root + path

export interface Target {
  /** Replaces the entry of the history, for states that nobody wants to go back to, such as each letter of a search. */
  replace?: boolean
}

/** Goes to a path with its query, such as `search?q=ecephys`. To go to where one is, as by a double click, adds no entry to the history. */
export function navigate(path: string, { replace = false }: Target = {}): void {
  const { pathname, search } = location
  if (replace || hrefOf(path) === pathname + search) history.replaceState(history.state, "", hrefOf(path))
  else {
    saveScroll()
    history.pushState(null, "", hrefOf(path))
  }
  changed()
}

export const currentPath = (): string => location.pathname.slice(root.length).replace(/\/$/, "")

export const usePath = (): string => useSyncExternalStore(subscribe, currentPath)

/** The parameters of the query of the address, and a function that changes some of them. Null and "" remove a parameter. */
export function useQueryState(): [URLSearchParams, (change: Record<string, string | null>, target?: Target) => void] {
  const search = useSyncExternalStore(subscribe, () => location.search)
  return useMemo(() => {
    const change = (changes: Record<string, string | null>, target?: Target) => {
      const next = new URLSearchParams(location.search)
      for (const [name, value] of Object.entries(changes)) {
        if (value === null || value === "") next.delete(name)
        else next.set(name, value)
      }
      const query = next.size === 0 ? "" : `?${next}`
      navigate(location.pathname.slice(root.length) + query, target)
    }
    return [new URLSearchParams(search), change]
  }, [search])
}

/** The properties of a link to a path. A plain click stays in the page; a click with Ctrl opens a tab, as with every link. */
export function linkTo(path: string, target?: Target) {
  return {
    href: hrefOf(path),
    onClick(event: MouseEvent<HTMLAnchorElement>) {
      const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey
      if (event.defaultPrevented || !plain) return
      event.preventDefault()
      navigate(path, target)
    },
  }
}

/*
 * The position of each entry of the history. The browser would restore it before the page has its content.
 */
history.scrollRestoration = "manual"

function saveScroll(): void {
  history.replaceState({ ...history.state, scroll: scrollY }, "")
}

/** The position at which the visitor has left this entry. 0 for a new one. */
export const savedScroll = (): number => (history.state as { scroll?: number } | null)?.scroll ?? 0

let stopRestoring = () => {}

/** Goes to where the visitor has left this entry, once the page is long enough, unless they scroll themselves before that. */
export function restoreScroll(): void {
  stopRestoring()
  const wanted = savedScroll()
  const observer = new ResizeObserver(() => {
    scrollTo(0, wanted)
    if (scrollY >= wanted - 1) stopRestoring()
  })
  const byVisitor = ["wheel", "touchmove", "keydown", "pointerdown"]
  const timer = setTimeout(() => stopRestoring(), 10_000)
  stopRestoring = () => {
    observer.disconnect()
    clearTimeout(timer)
    for (const event of byVisitor) removeEventListener(event, stopRestoring)
  }
  for (const event of byVisitor) addEventListener(event, stopRestoring, { passive: true })
  scrollTo(0, wanted)
  if (scrollY >= wanted - 1) stopRestoring()
  else observer.observe(document.body)
}

let saving: ReturnType<typeof setTimeout> | undefined
addEventListener("scroll", () => {
  clearTimeout(saving)
  saving = setTimeout(saveScroll, 150)
})
addEventListener("popstate", () => clearTimeout(saving))
