import { setTimeout as sleep } from "node:timers/promises"
import type { RecordedRequest } from "../../sandbox/request.ts"
import { seed, tokens } from "../../sandbox/seed.ts"
import { restAt } from "../support/rest.ts"
import { faults, type Result } from "./expected.ts"

/**
 * Sends an operation. Resolves with its result, with "refused" if the gateway did not admit it, or with "broken" if its replica
 * was killed meanwhile.
 */
export type Send = (
  token: string,
  query: string,
  variables: Record<string, unknown>,
) => Promise<Result | "refused" | "broken">

/** Runs that no read of the soak returns. */
export const renamedRuns = [seed.sortedRun, seed.hollowSuccess, seed.failedSorting, seed.pipelineRun]

/** The run that a caller renames rarely, so that the cache is used in between. */
const ownRun = seed.failedPipelineRun
/** What its names begin with. */
const OWN_NAME = "Soak own"
/** How long it is read after each rename. For the first minute the reads pass the cache by. */
const ownMs = 72_000

/** The pause after a response "refused", and the time after which a write that was on its way has taken effect or never will. */
const [pauseMs, settledMs] = [200, 1_000]

/** Sends writes, each with a name of its own, and checks in Code Ocean what has become of them. */
export class Writes {
  readonly wrong: string[] = []
  readonly renames = { sent: 0, unknown: 0, unknownButDone: 0, doubled: 0 }
  /** Reads of a caller who waits for an own change, and how many of them saw what was there before. */
  readonly own = { changes: 0, reads: 0 }
  readonly captures: { name: string; clients: number; from: number; to: number; ids: Set<string>; created: number }[] =
    []
  readonly #send: Send
  readonly #rest
  /** How often Code Ocean got each name in a rename. */
  readonly #namesSent = new Map<string, number>()

  constructor(send: Send, upstreamUrl: string) {
    this.#send = send
    this.#rest = restAt(upstreamUrl, tokens.ada)
  }

  /** Counts a call that Code Ocean got. */
  count({ method, query: { name } }: RecordedRequest): void {
    if (method !== "PATCH" || name === undefined) return
    const times = (this.#namesSent.get(name) ?? 0) + 1
    this.#namesSent.set(name, times)
    if (times > 1) this.renames.doubled += 1
  }

  /** How many of the names that were sent by `rename` Code Ocean got. */
  get renamesReceived(): number {
    return [...this.#namesSent.keys()].filter((name) => !name.startsWith(OWN_NAME)).length
  }

  /** Renames a run again and again. After each one, reads the name from Code Ocean. */
  async rename(run: string, goesOn: () => boolean): Promise<void> {
    const query = `mutation ($input: RenameComputationInput!) {
      renameComputation(input: $input) { ... on RenameComputationPayload { computation { id } } }
    }`
    const read = async () => (await this.#ask(`GET /computations/${run}`)).name as string
    let before = await read()
    for (let turn = 0; goesOn(); turn++) {
      const name = `Soak ${run} ${turn}`
      const answer = await this.#send(tokens.ada, query, { input: { id: run, name } })
      if (answer === "refused") {
        await sleep(pauseMs)
        continue
      }
      this.renames.sent += 1
      const outcome = answer === "broken" ? "unknown" : outcomeOf(answer)
      if (outcome === "unknown") await sleep(settledMs)
      const after = await read()
      const expected = { done: [name], "not done": [before], unknown: [before, name], wrong: [] as string[] }[outcome]
      if (outcome === "unknown") this.renames.unknown += 1
      if (outcome === "unknown" && after === name) this.renames.unknownButDone += 1
      if (!expected.includes(after)) {
        this.wrong.push(`a rename to ${name} is ${outcome}, and the name is ${after}: ${JSON.stringify(answer)}`)
      }
      before = after
    }
  }

  /**
   * Renames a run, and reads it through any replica until the next rename. A read that sees an earlier name after a later one, or after
   * the response to the rename, is wrong.
   */
  async readOwn(goesOn: () => boolean): Promise<void> {
    const query = `mutation ($input: RenameComputationInput!) {
      renameComputation(input: $input) { ... on RenameComputationPayload { computation { id } } }
    }`
    const read = async () => {
      const answer = await this.#send(tokens.admin, "query ($id: ID!) { computation(id: $id) { name } }", {
        id: ownRun,
      })
      return typeof answer === "string" || answer.errors
        ? undefined
        : (answer.data as { computation: { name: string } }).computation.name
    }
    let expected = [(await this.#ask(`GET /computations/${ownRun}`)).name as string]
    for (let turn = 0; goesOn(); turn++) {
      const name = `${OWN_NAME} ${turn}`
      const answer = await this.#send(tokens.admin, query, { input: { id: ownRun, name } })
      if (answer === "refused") continue
      this.own.changes += 1
      const outcome = answer === "broken" ? "unknown" : outcomeOf(answer)
      if (outcome === "done") expected = [name]
      if (outcome === "unknown") expected = [...expected, name]
      const until = performance.now() + (outcome === "not done" ? 0 : ownMs)
      for (; goesOn() && performance.now() < until; await sleep(20)) {
        const seen = await read()
        if (seen === undefined) continue
        this.own.reads += 1
        if (!expected.includes(seen))
          this.wrong.push(`${outcome}: the own change is ${expected}, and is read as ${seen}`)
        else if (seen === name) expected = [name]
      }
    }
  }

  /** Captures a result under one new name after the other, each by several clients at the same time. */
  async capture(group: string, clients: () => number, goesOn: () => boolean): Promise<void> {
    for (let turn = 0; goesOn(); turn++) {
      const name = `Soak ${group} ${turn}.`
      const from = performance.now()
      const ids = await Promise.all(Array.from({ length: clients() }, () => this.#captured(name)))
      const known = ids.filter((id) => id !== undefined)
      const round = { name, clients: ids.length, from, to: performance.now(), ids: new Set(known), created: 0 }
      this.captures.push(round)
    }
  }

  /** Asks until there is a data asset, as a client does that gets an error. Resolves with its id. */
  async #captured(name: string): Promise<string | undefined> {
    const query = `mutation ($input: CaptureResultInput!) { captureResult(input: $input) {
      ... on CaptureResultPayload { dataAsset { id name } }
      ... on MutationRefused { code message }
    } }`
    const input = { computationId: seed.countedCells, name, tags: [], mount: "soak" }
    const until = performance.now() + 60_000
    while (performance.now() < until) {
      const answer = await this.#send(tokens.ada, query, { input })
      if (typeof answer !== "string") {
        const { captureResult } = (answer.data ?? {}) as {
          captureResult?: { dataAsset?: { id: string; name: string } }
        }
        const { id, name: captured } = captureResult?.dataAsset ?? {}
        if (id !== undefined && captured === name) return id
        if (id !== undefined || !answer.errors?.every(({ extensions }) => faults.has(extensions.code))) {
          this.wrong.push(`a capture of ${name}: ${JSON.stringify(answer)}`)
          return undefined
        }
      }
      await sleep(pauseMs)
    }
    this.wrong.push(`${name} was not captured within a minute`)
    return undefined
  }

  /** Counts the data assets that there are for each capture. */
  async countCaptured(): Promise<void> {
    for (const round of this.captures) {
      const body = { limit: 1000, filters: [{ key: "name", value: round.name }] }
      const { results } = await this.#ask("POST /data_assets/search", body)
      round.created = results.filter(({ name }: { name: string }) => name === round.name).length
      if (round.created < 1) this.wrong.push(`${round.name} was captured, but there is no data asset`)
    }
  }

  /** Calls Code Ocean until it succeeds: a call that is repeated does. */
  // biome-ignore lint/suspicious/noExplicitAny: the wire's objects, of which this file picks what it needs.
  async #ask(methodAndPath: string, body?: unknown): Promise<any> {
    for (;;) {
      const answer = await this.#rest(methodAndPath, { body }).catch(() => undefined)
      if (answer?.status === 200 && answer.json !== undefined) return answer.json
    }
  }
}

/** What a client must conclude. "wrong" if the result is neither a success nor a fault of Code Ocean. */
function outcomeOf({ data, errors }: Result): "done" | "not done" | "unknown" | "wrong" {
  const payload = (data as { renameComputation?: { computation?: { id: string } } } | undefined)?.renameComputation
  if (errors === undefined) return payload?.computation?.id === undefined ? "wrong" : "done"
  if (errors.some(({ extensions }) => !faults.has(extensions.code))) return "wrong"
  return errors.some(({ extensions }) => extensions.outcomeUnknown === true) ? "unknown" : "not done"
}
