import { useCallback, useEffect, useRef, useState } from "react"
import { type TypedDocumentNode, useClient } from "urql"
import { pipe, subscribe } from "wonka"
import { useSession } from "../app/session.ts"
import { type Problem, problemsOf } from "./problem.ts"

/** Whether a subscription is receiving events. */
export interface Live {
  state: "off" | "connecting" | "live" | "ended"
  /** Why there are no events. A stream that has "ended" is not opened again by itself. Undefined if it was only interrupted. */
  problem: Problem | undefined
  /** Opens the stream now. */
  restart(): void
}

const firstPauseMs = 1_000
const longestPauseMs = 30_000
/** How many streams in a row may fail before the page says so. Fewer are an interruption that nobody needs to know of. */
const silentFailures = 1
/** How many streams in a row may fail for a reason that is not known to pass. */
const mostFailures = 5

/**
 * Follows an object while `variables` are given. Its events update the cache, and with it the page. A stream that ends although
 * the object goes on, because the gateway restarts or the network fails, is opened again, after pauses that grow.
 * @param isFinal whether an event is the last one that will ever come
 * @param onData called with each event, and whether it is the first one of a stream that was opened again
 */
export function useLive<Data extends object, Variables extends Record<string, unknown>>(
  subscription: TypedDocumentNode<Data, Variables>,
  variables: Variables | undefined,
  isFinal: (data: Data) => boolean = () => false,
  onData?: (data: Data, isReopened: boolean) => void,
): Live {
  const client = useClient()
  const [state, setState] = useState<Live["state"]>("off")
  const [problem, setProblem] = useState<Problem>()
  const [restarts, setRestarts] = useState(0)
  const callbacks = useRef({ isFinal, onData })
  callbacks.current = { isFinal, onData }
  const key = variables === undefined ? undefined : JSON.stringify(variables)

  // While the session has ended, nothing can be followed. After signing in again, it goes on.
  const isExpired = useSession().is === "expired"
  const isOff = key === undefined || isExpired

  useEffect(() => {
    if (isOff) {
      setState("off")
      setProblem(undefined)
      return
    }
    let stop: (() => void) | undefined
    let timer: ReturnType<typeof setTimeout> | undefined
    let pause = firstPauseMs
    let failures = 0
    let streams = restarts
    let done = false

    function end() {
      done = true
      setState("ended")
    }

    /** What a failure means for the next stream. */
    function fail(worst: Problem) {
      failures++
      const isLasting = worst.is === "forbidden" || worst.is === "refused"
      if (isLasting || worst.is === "signIn" || (worst.is === "broken" && failures >= mostFailures)) end()
      // Without a session, the dialog says it.
      if (worst.is !== "signIn" && (done || failures > silentFailures)) setProblem(worst)
      pause = Math.max(pause, 1_000 * (worst.retryAfterSeconds ?? 0))
    }

    function open() {
      setState("connecting")
      streams++
      let hasEnded = false
      let isFirst = true
      const onEnd = () => {
        if (hasEnded) return
        hasEnded = true
        stop?.()
        if (done) return
        timer = setTimeout(open, pause)
        pause = Math.min(2 * pause, longestPauseMs)
      }
      const source = client.subscription(subscription, JSON.parse(key as string) as Variables)
      const { unsubscribe } = pipe(
        source,
        subscribe(({ data, error, hasNext }) => {
          const [worst] = problemsOf(error)
          // An event with a part that could not be read is an event.
          const hasData = data !== undefined && data !== null && (worst === undefined || hasValue(data))
          // The end of a stream repeats its last event.
          if (hasData && !done) {
            pause = firstPauseMs
            failures = 0
            setProblem(undefined)
            setState("live")
            callbacks.current.onData?.(data, isFirst && streams > 1)
            isFirst = false
            if (callbacks.current.isFinal(data)) end()
          } else if (worst !== undefined && !done) fail(worst)
          if ((worst !== undefined && !hasData) || !hasNext) setTimeout(onEnd)
        }),
      )
      stop = unsubscribe
    }
    open()
    return () => {
      done = true
      clearTimeout(timer)
      stop?.()
    }
  }, [client, subscription, key, isOff, restarts])

  const restart = useCallback(() => setRestarts((count) => count + 1), [])
  return { state, problem, restart }
}

/** Whether a root field has a value. */
const hasValue = (data: object): boolean =>
  Object.entries(data).some(([name, value]) => name !== "__typename" && value !== null && value !== undefined)
