import { useSyncExternalStore } from "react"

/** One request that a page has sent, for the bar at the bottom. */
export interface SentRequest {
  id: number
  name: string
  kind: "query" | "mutation" | "subscription"
  text: string
  variables: Record<string, unknown>
  sentAt: number
  /** The time from sending to the parsed answer. Undefined while there is none. */
  milliseconds?: number
  /** How many REST calls the gateway has made for it. */
  calls?: number
  failed?: boolean
}

const kept = 30
let requests: readonly SentRequest[] = []
const listeners = new Set<() => void>()

function set(next: readonly SentRequest[]): void {
  requests = next
  for (const listener of listeners) listener()
}

let lastId = 0

export function requestSent(request: Omit<SentRequest, "id">): number {
  lastId += 1
  set([{ ...request, id: lastId }, ...requests].slice(0, kept))
  return lastId
}

export function requestAnswered(id: number, answer: Pick<SentRequest, "milliseconds" | "calls" | "failed">): void {
  set(requests.map((request) => (request.id === id ? { ...request, ...answer } : request)))
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

/** The last requests, the newest first. */
export const useRequestLog = (): readonly SentRequest[] => useSyncExternalStore(subscribe, () => requests)
