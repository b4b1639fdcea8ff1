import { useEffect, useRef, useState } from "react"
import { type TypedDocumentNode, useClient } from "urql"
import { pipe, subscribe } from "wonka"
import { useSession } from "../app/session.ts"
import { type Problem, problemsOf } from "./problem.ts"

/** Whether a subscription is receiving events. */
export type LiveState = "off" | "connecting" | "live" | "ended"

const firstPauseMs = 1_000
const longestPauseMs = 30_000

/**
 * Follows an object while `variables` are given. Its events update the cache, and with it the page. A stream that ends although
 * the object goes on, because the gateway restarts or the network fails, is opened again, after pauses that grow.
 * @param isFinal whether an event is the last one that will ever come
 * @param onProblem called with a problem that has ended it for good
 */
export function useLive<Data, Variables extends Record<string, unknown>>(
  subscription: TypedDocumentNode<Data, Variables>,
  variables: Variables | undefined,
  isFinal: (data: Data) => boolean = () => false,
  onData?: (data: Data) => void,
  onProblem?: (problem: Problem) => void,
): LiveState {
  const client = useClient()
  const [state, setState] = useState<LiveState>("off")
  const callbacks = useRef({ isFinal, onData, onProblem })
  callbacks.current = { isFinal, onData, onProblem }
  const key = variables === undefined ? undefined : JSON.stringify(variables)

  // While the session has ended, nothing can be followed. After signing in again, it goes on.
  const isExpired = useSession().is === "expired"
  const isOff = key === undefined || isExpired

  useEffect(() => {
    if (isOff) {
      setState("off")
      return
    }
    let stop: (() => void) | undefined
    let timer: ReturnType<typeof setTimeout> | undefined
    let pause = firstPauseMs
    let done = false

    function open() {
      setState("connecting")
      let ended = false
      const onEnd = () => {
        if (ended) return
        ended = true
        stop?.()
        if (done) return
        timer = setTimeout(open, pause)
        pause = Math.min(2 * pause, longestPauseMs)
      }
      const source = client.subscription(subscription, JSON.parse(key as string) as Variables)
      const { unsubscribe } = pipe(
        source,
        subscribe(({ data, error, hasNext }) => {
          // The end of a stream repeats its last event.
          if (data && !done) {
            pause = firstPauseMs
            setState("live")
            callbacks.current.onData?.(data)
            if (callbacks.current.isFinal(data)) {
              done = true
              setState("ended")
            }
          }
          // A refusal does not pass by asking again.
          const [worst] = problemsOf(error)
          if (worst?.is === "signIn" || worst?.is === "forbidden" || worst?.is === "refused") {
            done = true
            setState("ended")
            if (worst.is !== "signIn") callbacks.current.onProblem?.(worst)
          }
          if (error !== undefined || !hasNext) setTimeout(onEnd)
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
  }, [client, subscription, key, isOff])
  return state
}
