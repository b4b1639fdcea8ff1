import { settings } from "./settings.ts"

/**
 * How long the gateway may send nothing: longer than it takes for any request. It sends a comment every 12 seconds where events are
 * awaited.
 */
const longestSilenceMs = settings.deadlineMs + 15_000

/** How far the gateway's clock is ahead of this computer's, in milliseconds. 0 if it is about the same. */
let ahead = 0
const tolerated = 120_000

/** The time by the gateway's clock, by which times in its answers are to be understood: this computer's may be wrong by hours. */
export const now = (): number => Date.now() + ahead

function compareClocks(date: string | null): void {
  const difference = Date.parse(date ?? "") - Date.now()
  if (Number.isFinite(difference)) ahead = Math.abs(difference) > tolerated ? difference : 0
}

/** Like `fetch`, but fails with a `TimeoutError` if the gateway is silent for too long, before its response or within it. */
export async function fetchFromGateway(url: RequestInfo | URL, init: RequestInit = {}): Promise<Response> {
  const silence = new AbortController()
  const error = new DOMException(
    `The gateway has sent nothing for ${Math.round(longestSilenceMs / 1_000)} seconds.`,
    "TimeoutError",
  )
  let timer: ReturnType<typeof setTimeout> | undefined
  const stop = () => clearTimeout(timer)
  const wait = () => {
    stop()
    timer = setTimeout(() => silence.abort(error), longestSilenceMs)
  }
  const signals = [silence.signal, ...(init.signal ? [init.signal] : [])]
  init.signal?.addEventListener("abort", stop)
  wait()
  try {
    const response = await fetch(url, { ...init, signal: AbortSignal.any(signals) })
    // Answers to other requests may come from the browser's cache.
    if (init.method === "POST") compareClocks(response.headers.get("date"))
    if (response.body === null) {
      stop()
      return response
    }
    if (!response.headers.get("content-type")?.startsWith("text/event-stream")) {
      const body = await response.arrayBuffer()
      stop()
      return new Response(body, response)
    }
    const events = response.body.pipeThrough(
      new TransformStream<Uint8Array, Uint8Array>({
        transform(chunk, controller) {
          wait()
          controller.enqueue(chunk)
        },
        flush: stop,
      }),
    )
    return new Response(events, response)
  } catch (cause) {
    stop()
    throw cause
  }
}
