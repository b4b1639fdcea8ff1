import { type IncomingMessage, request } from "node:http"
import { setImmediate } from "node:timers/promises"
import { onTestFinished } from "vitest"
import { tokens } from "../../sandbox/seed.ts"
import type { Clock } from "../../src/polling/clock.ts"
import type { Gateway } from "../../src/server.ts"
import type { Result } from "./gateway.ts"

export interface PushedTime extends Clock {
  /** Lets so many seconds pass. */
  push(seconds: number): void
  /** The lengths of the current waits in seconds, shortest first, once there are `count`. */
  waits(count?: number): Promise<number[]>
}

/** A clock that stands still unless it is pushed. */
export function pushedTime(): PushedTime {
  let now = 1_000_000
  const sleepers = new Set<{ at: number; ms: number; wake(): void }>()
  let watchers: (() => void)[] = []
  const changed = () => {
    for (const watcher of watchers.splice(0)) watcher()
  }
  return {
    now: () => now,
    wallTime: () => now,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        const sleeper = {
          at: now + ms,
          ms,
          wake() {
            sleepers.delete(sleeper)
            signal.removeEventListener("abort", sleeper.wake)
            resolve()
            changed()
          },
        }
        signal.addEventListener("abort", sleeper.wake)
        sleepers.add(sleeper)
        changed()
      }),
    push(seconds) {
      now += seconds * 1000
      for (const sleeper of [...sleepers]) if (sleeper.at <= now) sleeper.wake()
    },
    async waits(count = 1) {
      while (sleepers.size !== count) {
        await new Promise<void>((resolve) => {
          watchers = [...watchers, resolve]
        })
      }
      return [...sleepers].map(({ ms }) => ms / 1000).sort((a, b) => a - b)
    },
  }
}

/** Time that passes only while somebody sleeps, and at once: minutes of polling take none. */
export function hastyTime(): Clock {
  let now = 0
  return {
    now: () => now,
    wallTime: () => now,
    async sleep(ms) {
      now += ms
      await setImmediate()
    },
  }
}

export interface Following {
  response: IncomingMessage
  /** The next event; undefined once the stream is complete. */
  next(): Promise<Result | undefined>
  /** All events until the stream is complete. */
  rest(): Promise<Result[]>
  /** Resolves with the next ping. */
  ping(): Promise<void>
  /** Closes the connection. */
  leave(): void
}

/** Subscribes over a real socket, as Ada unless `headers` say otherwise or ask for a session. */
export async function follow(
  url: string,
  query: string,
  headers: Record<string, string> = {},
  variables?: Record<string, unknown>,
): Promise<Following> {
  const sent = request(`${url}/graphql`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "text/event-stream",
      ...(headers["x-session"] === undefined && { authorization: `Bearer ${tokens.ada}` }),
      ...headers,
    },
  })
  onTestFinished(() => void sent.destroy())
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    sent.on("response", resolve)
    sent.on("error", reject)
    sent.end(JSON.stringify({ query, variables }))
  })
  const blocks = blocksOf(response)
  const block = async (wanted: (text: string) => boolean) => {
    for (;;) {
      const { value, done } = await blocks.next()
      if (done) throw new Error("the stream broke off")
      if (wanted(value)) return value
    }
  }
  const next = async () => {
    const text = await block((text) => text.startsWith("event:"))
    const [, event, data = ""] = /^event: (\w+)\ndata:(.*)$/s.exec(text) ?? []
    return event === "complete" ? undefined : (JSON.parse(data) as Result)
  }
  return {
    response,
    next,
    async rest() {
      const events: Result[] = []
      for (let event = await next(); event !== undefined; event = await next()) events.push(event)
      return events
    },
    ping: async () => void (await block((text) => text === ":")),
    leave: () => void sent.destroy(),
  }
}

async function* blocksOf(response: IncomingMessage): AsyncGenerator<string, undefined> {
  response.setEncoding("utf8")
  let text = ""
  for await (const chunk of response) {
    text += chunk
    const blocks = text.split("\n\n")
    text = blocks.pop() ?? ""
    yield* blocks
  }
}

/** Resolves when the gateway's stats have these values. */
export async function untilLive(gateway: Gateway, wanted: Partial<Gateway["stats"]>): Promise<void> {
  const holds = () =>
    Object.entries(wanted).every(([name, count]) => gateway.stats[name as keyof Gateway["stats"]] === count)
  while (!holds()) await setImmediate()
}
