import { useRef, useState } from "react"
import { type TypedDocumentNode, useClient } from "urql"
import { type Problem, problemsOf } from "./problem.ts"
import type { RefusedFragment } from "./Refused.generated.ts"

/** What Code Ocean or the gateway refused, as data of the answer. */
export type Refusal = RefusedFragment

export interface Change<Data, Variables> {
  /**
   * Sends the mutation. Resolves with its data, or undefined if it was refused, failed, or is already in flight: a second click
   * does nothing.
   */
  send(variables: Variables): Promise<Data | undefined>
  busy: boolean
  refusal: Refusal | undefined
  problem: Problem | undefined
  /** Whether it may have been done although the answer is a failure. */
  unknown: boolean
  /** Forgets the refusal and the problem. */
  clear(): void
}

interface State {
  busy: boolean
  refusal?: Refusal
  problem?: Problem
  unknown?: boolean
}

/** Failures before which nothing was sent to Code Ocean. */
const harmless: readonly Problem["is"][] = ["signIn", "rateLimited", "forbidden", "refused"]

/** A mutation with one root field, whose refusal is part of its result. */
export function useChange<Data extends object, Variables extends Record<string, unknown>>(
  mutation: TypedDocumentNode<Data, Variables>,
): Change<Data, Variables> {
  const client = useClient()
  const [state, setState] = useState<State>({ busy: false })
  const inFlight = useRef(false)

  async function send(variables: Variables): Promise<Data | undefined> {
    if (inFlight.current) return undefined
    inFlight.current = true
    setState({ busy: true })
    const { data, error } = await client.mutation(mutation, variables).toPromise()
    inFlight.current = false
    const result = data ? Object.values(data).find((value) => value !== null && value !== undefined) : undefined
    if (isRefusal(result)) {
      setState({ busy: false, refusal: result })
      return undefined
    }
    const [problem] = problemsOf(error)
    // With a payload the change was made, and only a field of the payload failed.
    if (problem !== undefined && (data === undefined || result === undefined)) {
      setState({ busy: false, problem, unknown: !harmless.includes(problem.is) })
      return undefined
    }
    setState({ busy: false })
    return data
  }

  return {
    send,
    busy: state.busy,
    refusal: state.refusal,
    problem: state.problem,
    unknown: state.unknown ?? false,
    clear: () => setState((now) => ({ busy: now.busy })),
  }
}

function isRefusal(result: unknown): result is Refusal {
  return (result as { __typename?: string } | undefined)?.__typename === "MutationRefused"
}
