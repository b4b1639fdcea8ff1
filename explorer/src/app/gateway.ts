import { settings } from "./settings.ts"

/**
 * How long the gateway may send nothing: longer than it takes for any request. It sends a comment every 12 seconds where events are
 * awaited.
 */
const longestSilenceMs = settings.deadlineMs + 15_000

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
