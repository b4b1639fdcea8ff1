import { EventEmitter, once } from "node:events"
import type { ServerResponse } from "node:http"
import { expect, vi } from "vitest"
import { tokens } from "../../sandbox/seed.ts"
import { startFaultyUpstream } from "./faultyUpstream.ts"
import { startGatewayOn, type World } from "./gateway.ts"

/*
 * For tests of what requests share that are in flight at the same time.
 */

/** The headers of a caller. */
export const as = (token: string, more: Record<string, string> = {}) => ({ authorization: `Bearer ${token}`, ...more })

/** Sends operations as Ada from clients that can hang up: then "left" is their response. */
export async function hangingUp({ gateway }: Pick<World, "gateway">) {
  const url = await gateway.listen()
  return (query: string, signal: AbortSignal) =>
    fetch(`${url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", ...as(tokens.ada) },
      body: JSON.stringify({ query }),
      signal,
    }).then(
      (response) => response.json(),
      () => "left",
    )
}

/** Two clients send the same and hang up one after the other. The call that they share is cancelled with the second of them. */
export async function expectCancelledWithLast(
  ask: World["ask"],
  hold: ReturnType<World["sandbox"]["hold"]>,
  send: (signal: AbortSignal) => Promise<unknown>,
): Promise<void> {
  const leaves = [new AbortController(), new AbortController()] as const
  const [first, last] = leaves.map(({ signal }) => send(signal))
  const [call] = await hold.waitFor(1)
  await ask("{ __typename }")
  leaves[0].abort()
  await first
  await ask("{ __typename }")
  expect(call!.aborted).toBe(false)
  leaves[1].abort()
  await last
  await vi.waitFor(() => expect(call!.aborted).toBe(true))
}

/** A gateway on an upstream whose responses are given by the test, request by request. */
export async function startHeld(options?: Parameters<typeof startGatewayOn>[1]) {
  const held: { call: string; answer(status: number, body?: unknown): void }[] = []
  const arrivals = new EventEmitter()
  const upstream = await startFaultyUpstream(({ method, path }, response: ServerResponse) => {
    held.push({
      call: `${method} ${path}`,
      answer(status, body) {
        response.writeHead(status, { "content-type": "application/json" })
        response.end(body === undefined ? undefined : JSON.stringify(body))
      },
    })
    arrivals.emit("call")
    return undefined
  })
  /** Resolves with the request of this number, the first being 1. Time that is stopped does not go on meanwhile. */
  const next = async (number: number) => {
    while (held.length < number) await once(arrivals, "call")
    return held[number - 1]!
  }
  return { ...startGatewayOn(upstream.url, options), held, next }
}
