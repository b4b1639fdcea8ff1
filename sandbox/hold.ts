import type { RecordedRequest } from "./request.ts"

const holdTimeoutMs = 30_000

export interface Hold {
  /** The requests that wait, once there are `count` of them. Rejects after 30 seconds, naming those that are there. */
  waitFor(count: number): Promise<RecordedRequest[]>
  /** Releases the requests that wait now. */
  release(): void
  /** Releases all requests and holds no more. */
  end(): void
}

export function createHold(onEnd: () => void) {
  let waiting: { request: RecordedRequest; go: () => void }[] = []
  let onArrival: (() => void)[] = []
  const release = () => {
    const all = waiting
    waiting = []
    for (const { go } of all) go()
  }
  return {
    release,
    end() {
      onEnd()
      release()
    },
    waitFor(count: number): Promise<RecordedRequest[]> {
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          onArrival = onArrival.filter((check) => check !== look)
          const names = waiting.map(({ request }) => `${request.method} ${request.path}`).join(", ")
          reject(new Error(`waited for ${count} held requests, there are ${waiting.length}: ${names || "none"}`))
        }, holdTimeoutMs)
        const look = () => {
          if (waiting.length < count) return
          clearTimeout(timer)
          onArrival = onArrival.filter((check) => check !== look)
          resolve(waiting.map(({ request }) => request))
        }
        onArrival.push(look)
        look()
      })
    },
    wait(request: RecordedRequest, gone: AbortSignal): Promise<void> {
      if (gone.aborted) return Promise.resolve()
      return new Promise((resolve) => {
        const entry = { request, go: resolve }
        waiting.push(entry)
        gone.addEventListener("abort", () => {
          waiting = waiting.filter((other) => other !== entry)
          resolve()
        })
        for (const look of onArrival) look()
      })
    },
  }
}
