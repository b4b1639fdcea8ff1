import { expect } from "vitest"
import type { Result } from "../gateway.ts"
import {
  type Call,
  type Fault,
  faultOfSearch,
  fileText,
  foundBy,
  type Item,
  isRunnable,
  itemAt,
  type Kind,
  lostStatus,
  nameOf,
  type Search,
  type State,
  statusOf,
} from "./modelUpstream.ts"

/*
 * What the response to a generated request may contain, as far as the model of Code Ocean says: each check throws if it does not.
 */

export type Path = readonly (string | number)[]

/** What is known about a request when its response has come. */
export interface Asked {
  caller: string
  /** The states of Code Ocean that the response may show, the oldest first. */
  states: readonly State[]
  result: Result
  /** The calls of all requests that were in flight together. */
  calls: readonly Call[]
  /** The ids that the caller has changed within the last minute, before this request. */
  changed: ReadonlySet<string>
  /** What the caller has archived or unarchived within the last minute, as `id true` and `id false`. */
  archived: ReadonlySet<string>
  /** The kinds of which the request selects lists, whose items take the place of single reads. */
  lists: ReadonlySet<Kind>
  /** The ids that it gives. One in another form leads to an object that is then known by its own id. */
  given: readonly string[]
}

const codes: Record<number, string> = {
  400: "BAD_USER_INPUT",
  401: "UNAUTHENTICATED",
  403: "FORBIDDEN",
  404: "NOT_FOUND",
  409: "CONFLICT",
  429: "RATE_LIMITED",
  500: "UPSTREAM_UNAVAILABLE",
  503: "UPSTREAM_UNAVAILABLE",
  504: "UPSTREAM_TIMEOUT",
}

function codeOf(fault: Fault): string {
  return typeof fault === "number" ? (codes[fault] ?? "value") : "UPSTREAM_INVALID_RESPONSE"
}

/** Compares the parts of one response with the model. */
export class Checks {
  readonly asked: Asked
  readonly #errors = new Map<string, string>()

  constructor(asked: Asked) {
    this.asked = asked
    for (const { path, message, extensions } of asked.result.errors ?? []) {
      const key = JSON.stringify(path)
      expect(this.#errors.has(key), `two errors at ${key}`).toBe(false)
      expect(extensions.code, message).not.toBe("INTERNAL_SERVER_ERROR")
      this.#errors.set(key, extensions.code)
    }
  }

  /** The code of the error in the place of a value. */
  takeError(path: Path): string | undefined {
    const key = JSON.stringify(path)
    const code = this.#errors.get(key)
    this.#errors.delete(key)
    return code
  }

  /** Every error has been in the place of a value. */
  end(): void {
    expect([...this.#errors]).toEqual([])
  }

  /** Compares a null with what the model has: an error at its path, or none for what does not exist. */
  isNull(path: Path, allowed: ReadonlySet<string>, notFound = "NOT_FOUND"): void {
    const code = this.takeError(path) ?? notFound
    expect([...allowed], `${JSON.stringify(path)} is null because of ${code}`).toContain(code)
  }

  /** What a call to a route below an object can lead to. */
  below(method: string, kind: Kind, id: string, rest: string): Set<string> {
    const { states, caller } = this.asked
    return new Set(states.map((state) => codeOf(statusOf(state, caller, `${method} /${kind}/${id}/${rest}`, kind, id))))
  }

  /** What a change can lead to. If its response is lost, it has taken effect. */
  change(kind: Kind, id: string): Set<string> {
    const { states, caller, calls } = this.asked
    const lost = calls.some(({ isWrite, caller: of, fault }) => isWrite && of === caller && fault === lostStatus)
    const codes = states.map((state) => codeOf(statusOf({ ...state, faultPercent: 0 }, caller, "", kind, id)))
    return new Set([...codes, ...(lost ? [codeOf(lostStatus)] : [])])
  }

  /** Whether a list or a search of the request may show the object in one of the states. */
  #isListed(state: State, kind: Kind, item: Item): boolean {
    const { caller, lists, changed } = this.asked
    if (kind === "computations") return lists.has(kind)
    const isSearchedById = isRunnable(kind) && !changed.has(item.id) && !item.index.archived
    const right = itemAt(state, item.kind, item.id)?.rights[caller]
    return (
      (lists.has(kind) || isSearchedById) &&
      item.kind === kind &&
      item.index.isThere &&
      (right === "open" || right === "found")
    )
  }

  /** What a look-up by id can lead to: "value", or codes. */
  lookUp(kind: Kind, id: string): Set<string> {
    const { states, caller, calls } = this.asked
    const outcomes = new Set(
      states.map((state) => codeOf(statusOf(state, caller, `GET /${kind}/${encodeURIComponent(id)}`, kind, id))),
    )
    for (const state of states) {
      const item = itemAt(state, kind, id)
      if (item === undefined) continue
      const isKnown = this.asked.given.some(
        (given) =>
          given !== id &&
          itemAt(state, kind, given)?.id === id &&
          statusOf(state, caller, `GET /${kind}/${given}`, kind, given) === 200,
      )
      if (isKnown || this.#isListed(state, kind, item)) outcomes.add("value")
    }
    const limited = calls.some(
      ({ caller: of, call, fault }) =>
        of === caller && call.startsWith(`POST /${kind}/search`) && call.includes("id:") && fault === 429,
    )
    return limited && id === id.toLowerCase() && id.length === 36 ? outcomes.add("RATE_LIMITED") : outcomes
  }

  /** The object with this id. Fails if the model has none. */
  item(kind: Kind, id: string): Item {
    const item = this.asked.states.map((state) => itemAt(state, kind, id)).find((item) => item !== undefined)
    expect(item, `there is no object ${id} in ${kind}`).toBeDefined()
    return item as Item
  }

  /** The name of an object shows whose it is, to whom it was sent, and in which version. */
  name(actual: unknown, kind: Kind, { id }: Item, atLeast: number): void {
    const { states, caller } = this.asked
    const names = new Set<string>()
    for (const state of states) {
      const item = itemAt(state, kind, id)
      if (item === undefined) continue
      const isOpen = item.rights[caller] === "open"
      if (isOpen && item.version >= atLeast) names.add(nameOf(item, caller, item.version))
      if (atLeast === 0 && this.#isListed(state, kind, item)) {
        names.add(nameOf(item, caller, kind === "computations" ? item.version : item.index.version))
      }
    }
    expect([...names]).toContain(actual)
  }

  archived(actual: unknown, path: Path, kind: Kind, { id }: Item): void {
    const { states, caller, calls } = this.asked
    const failures = calls.filter(
      ({ caller: of, call, fault }) =>
        of === caller && /POST \/\w+\/search/.test(call) && call.includes('"archived":true') && fault !== undefined,
    )
    if (actual === null) {
      const code = this.takeError(path)
      expect(
        failures.map(({ fault }) => (code === undefined ? fault === "odd" : codeOf(fault as Fault) === code)),
      ).toContain(true)
      return
    }
    const allowed = new Set<boolean>()
    for (const state of states) {
      const item = itemAt(state, kind, id) as Item
      allowed.add(item.index.archived && item.index.isThere)
      for (const is of [true, false]) if (this.asked.archived.has(`${id} ${is}`)) allowed.add(is)
      // A pipeline that is taken for a capsule, because the route of pipelines refuses it.
      if (item.kind !== kind) allowed.add(false)
      // A search by name does not find what has another name in the index, nor any search what it lost.
      if (kind === "data_assets" && item.index.version !== item.version) allowed.add(false)
      if (failures.some(({ fault }) => fault === "lost")) allowed.add(false)
      if (item.index.archived && this.asked.lists.has(kind)) allowed.add(true)
    }
    expect([...allowed]).toContain(actual)
  }

  /**
   * One page of a search: the same objects as in one of the states, each once.
   * @param seen the ids of earlier pages
   */
  page(
    actual: { nodes: ({ id: string } | null)[]; pageInfo: { hasNextPage: boolean; endCursor: string | null } } | null,
    path: Path,
    search: Search,
    { first, offset, seen }: { first: number; offset: number; seen: readonly string[] },
    checkNode: (node: unknown, path: Path, item: Item) => void,
  ): void {
    const { states, caller } = this.asked
    const faults = states.map((state) => faultOfSearch(state, caller, search))
    const mayEnd = faults.includes("twice") ? ["UPSTREAM_INVALID_RESPONSE"] : []
    if (actual === null) {
      const outcomes = new Set(
        faults.filter((fault) => fault !== undefined && fault !== "twice").map((fault) => codeOf(fault as Fault)),
      )
      this.isNull(path, new Set([...outcomes, ...mayEnd]), "an empty value")
      return
    }
    const pages = states.map((state, index) => {
      const found = foundBy(state, caller, search).map(({ id }) => id)
      const all = faults[index] === "twice" ? [...found.slice(0, 1), ...found] : found
      const ids = new Set(all.slice(offset, offset + first))
      return JSON.stringify({ ids: [...ids].filter((id) => !seen.includes(id)), more: offset + first < all.length })
    })
    const shown = { ids: actual.nodes.map((node) => node?.id), more: actual.pageInfo.hasNextPage }
    const end = this.takeError([...path, "pageInfo", "endCursor"])
    if (end !== undefined) expect(mayEnd).toContain(end)
    else expect(pages).toContain(JSON.stringify(shown))
    for (const [index, node] of actual.nodes.entries()) {
      checkNode(node, [...path, "nodes", index], this.item(search.kind, node?.id as string))
    }
  }

  file(actual: unknown, path: Path, kind: Kind, { id }: Item, name: string): void {
    const route = kind === "computations" ? "results" : "files"
    const outcomes = this.below("GET", kind, id, `${route}/urls?path=${name}`)
    if (actual === null) this.isNull(path, outcomes)
    else expect([actual, outcomes.has("value")]).toEqual([fileText(id, name, this.asked.caller), true])
  }
}
