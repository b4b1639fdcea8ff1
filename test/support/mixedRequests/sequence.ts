import { randomUUID } from "node:crypto"
import { expect } from "vitest"
import type { Result } from "../gateway.ts"
import type { fc } from "../properties.ts"
import { Checks } from "./checks.ts"
import type { Call, ModelUpstream } from "./modelUpstream.ts"
import { callers, rights, writeState } from "./world.ts"
import { type Change, type Cursor, type Mix, Writer, writeMix } from "./writer.ts"

/** How long a gateway with a cache keeps responses. */
export const ttlSeconds = 600
/** For so long a caller's changes count as recent, and nothing is kept for the caller. */
const minuteMs = 60_000

export interface TestedGateway {
  ask(mix: Mix, token: string, requestId: string, agent: string | undefined): Promise<Result>
  hasCache: boolean
  sharesReads: boolean
}

/** The clock of the gateway and of the model. */
export interface Time {
  now(): number
  pass(ms: number): void
}

/** The requests of a few callers to one gateway, and changes of Code Ocean between them. */
export class Sequence {
  readonly #writer: Writer
  readonly #g: fc.GeneratorValue
  readonly #upstream: ModelUpstream
  readonly #gateway: TestedGateway
  readonly #time: Time
  readonly #world = randomUUID().slice(0, 8)
  readonly #cursors = new Map<string, Cursor[]>()
  /** When each caller has changed which object. */
  readonly #changes: (Change & { caller: string; at: number })[] = []
  /** The ids of all requests so far, and of the objects that anybody has changed. */
  readonly #givenIds = new Set<string>()
  readonly #changedIds: string[] = []
  #requests = 0

  constructor(g: fc.GeneratorValue, upstream: ModelUpstream, gateway: TestedGateway, time: Time) {
    this.#g = g
    this.#writer = new Writer(g)
    this.#upstream = upstream
    this.#gateway = gateway
    this.#time = time
    upstream.reset(writeState(this.#writer, time.now()))
  }

  /** Returns the number of requests. */
  async run(): Promise<number> {
    for (let left = 1 + this.#writer.below(5); left > 0; left--) {
      if (this.#writer.chance(40)) this.#changeWorld()
      const count = this.#writer.oneOf([1, 1, 2, 3])
      const requests = Array.from({ length: count }, () => this.#prepare())
      await Promise.all(requests.map((send) => send()))
    }
    return this.#requests
  }

  #changeWorld(): void {
    const writer = this.#writer
    const roll = writer.below(6)
    this.#upstream.change((state) => {
      const given = [...state.items.values()].filter(({ id }) => this.#givenIds.has(id))
      const item = writer.oneOf(given.length > 0 && writer.chance(70) ? given : [...state.items.values()])
      this.#changedIds.push(item.id)
      if (roll === 0 || roll === 2) {
        for (const { index, version, archived } of state.items.values())
          Object.assign(index, { version, archived, isThere: true })
      } else if (roll === 3) item.rights[writer.oneOf(callers)] = writer.oneOf(rights)
      else if (roll === 1 || roll === 4) item.version += 1
      else state.faultSeed += 1
    })
    // What is kept for a caller, and what counts as recent, ends some time after a change.
    if (roll === 0) this.#time.pass(minuteMs + 1000)
    if (roll === 1) this.#time.pass(ttlSeconds * 1000)
  }

  /** The first of the states that a response may show to this caller, from now on. */
  #firstState(caller: string, { isMutation }: Mix): number {
    const { states } = this.#upstream
    if (!this.#gateway.hasCache || isMutation) return states.length - 1
    const now = this.#time.now()
    const changes = this.#changes.filter((change) => change.caller === caller).map(({ at }) => at)
    const quietUntil = Math.max(...changes, Number.NEGATIVE_INFINITY) + minuteMs
    const from = Math.max(now - ttlSeconds * 1000, Math.min(now, quietUntil))
    const first = states.findLastIndex(({ at }) => at <= from)
    return Math.max(0, first)
  }

  /** Writes a request. Returns what sends it and checks its response. */
  #prepare(): () => Promise<void> {
    const writer = this.#writer
    const caller = writer.oneOf(callers)
    const agent = writer.oneOf([undefined, undefined, "agent"])
    const cursors = this.#cursors.get(caller) ?? []
    this.#cursors.set(caller, cursors)
    const mix = writeMix(this.#g, this.#upstream.state, cursors, this.#changedIds)
    for (const id of Object.values(mix.variables).flat() as string[]) this.#givenIds.add(id)
    const preparedAt = this.#time.now()
    const first = this.#firstState(caller, mix)
    // Equal queries are executed once, or share their reads.
    const isTwice = !mix.isMutation && writer.chance(25)
    const requestIds = (isTwice ? [1, 2] : [1]).map((number) => `r${this.#requests + number}`)
    this.#requests += requestIds.length
    const noteChanges = () => {
      for (const change of mix.changes) this.#changes.push({ ...change, caller, at: this.#time.now() })
    }
    return async () => {
      noteChanges()
      this.#changedIds.push(...mix.changes.map(({ id }) => id))
      const token = `cop_${this.#world}_${caller}`
      const results = await Promise.all(requestIds.map((id) => this.#gateway.ask(mix, token, id, agent)))
      noteChanges()
      const recent = this.#changes.filter((change) => change.caller === caller && preparedAt - change.at < minuteMs)
      // A change at the same time may come before the request or after it.
      const changed = recent.filter(({ at }) => at < preparedAt || mix.isMutation)
      const { states, calls } = this.#upstream
      const own = requestIds.map((id) => calls.get(id) ?? [])
      for (const result of results) {
        try {
          const checks = new Checks({
            caller,
            states: states.slice(first),
            result,
            calls: [...calls.values()].flat(),
            changed: new Set(changed.map(({ id }) => id)),
            archived: new Set(recent.map(({ id, archived }) => `${id} ${archived}`)),
            lists: mix.lists,
            given: Object.values(mix.variables).flat() as string[],
          })
          expect(result.data, JSON.stringify(result.errors)).toBeDefined()
          cursors.push(...mix.check(checks, result.data))
          checks.end()
          this.#checkCost(own.flat(), mix, result.extensions.cost)
          for (const calls of own) this.#checkCalls(calls, caller, mix)
        } catch (error) {
          const parts = [mix.query, mix.variables, result, ...own].map((part) =>
            typeof part === "string" ? part : JSON.stringify(part),
          )
          const { hasCache, sharesReads } = this.#gateway
          const who = `${caller} (agent ${agent}), cache ${hasCache}, shared reads ${sharesReads}, twice ${isTwice}`
          throw new Error([(error as Error).message, who, ...parts].join("\n"), { cause: error })
        }
      }
    }
  }

  #checkCost(calls: readonly Call[], mix: Mix, cost: Record<string, number>): void {
    const { estimatedUpstreamCalls = 0, upstreamCalls = 0, sharedCalls = 0, cachedCalls = 0 } = cost
    const fruitless = calls.filter(({ call, found }) => call.includes('"id:') && found === 0).length
    const most = estimatedUpstreamCalls + (mix.searchesLater ? fruitless : 0)
    expect(upstreamCalls + sharedCalls + cachedCalls, "more calls than estimated").toBeLessThanOrEqual(most)
  }

  #checkCalls(calls: readonly Call[], caller: string, mix: Mix): void {
    expect(calls.filter((call) => call.caller !== caller)).toEqual([])
    if (mix.isMutation) return
    // Equal searches at the root are shared like equal reads of several requests.
    const isShared = ({ call }: Call) => !this.#gateway.sharesReads && /\/search (?!.*"id:)/.test(call)
    const sent = calls.filter((call) => !isShared(call)).map(({ call }) => call)
    expect(sent.filter((call, index) => sent.indexOf(call) !== index)).toEqual([])
  }
}
