import type { DocumentNode } from "graphql"
import { useEffect, useMemo, useRef, useState } from "react"
import { type TypedDocumentNode, useClient, useQuery } from "urql"
import { now } from "../app/gateway.ts"
import { useSession } from "../app/session.ts"
import { type Problem, passes, problemsOf } from "./problem.ts"

/*
 * A page is one request. This hook adds to urql's what people meet: an outage leaves what was there, with its age.
 */

export interface PageData<Data> {
  /** What the page shows. Undefined while nothing has come yet. */
  data: Data | undefined
  /** The problems of the last request, the worst first. */
  problems: readonly Problem[]
  /** Since when `data` has not been confirmed. Undefined if it is the answer to the last request. */
  asOf: Date | undefined
  /** Whether a request is being answered. */
  loading: boolean
  /** Sends the request again. */
  reload(): void
}

interface Good<Data> {
  data: Data
  at: Date
}

/** The last good answers, by client and request. The oldest are dropped. */
const kept = 30
const answers = new WeakMap<object, Map<string, Good<unknown>>>()

function answersOf(client: object): Map<string, Good<unknown>> {
  const known = answers.get(client) ?? new Map()
  answers.set(client, known)
  return known
}

/**
 * Reads what a page shows. While the request is being answered, and if it fails for a reason that passes, the page has what an
 * earlier one answered.
 */
export function usePage<Data, Variables extends Record<string, unknown>>(
  query: TypedDocumentNode<Data, Variables>,
  variables: Variables,
  { pause = false } = {},
): PageData<Data> {
  const client = useClient()
  const session = useSession()
  const key = `${nameOf(query)} ${JSON.stringify(variables)}`
  const good = answersOf(client) as Map<string, Good<Data>>
  const [result, execute] = useQuery<Data, Variables>({ query, variables: useStable(variables, key), pause })
  const problems = useMemo(() => problemsOf(result.error), [result.error])
  const worst = problems[0]
  const isGood = result.data !== undefined && result.data !== null && (worst === undefined || !passes(worst))

  useEffect(() => {
    if (!isGood || result.fetching || result.stale) return
    good.delete(key)
    good.set(key, { data: result.data as Data, at: new Date(now()) })
    const [oldest] = good.keys()
    if (good.size > kept && oldest !== undefined) good.delete(oldest)
  }, [isGood, result.data, result.fetching, result.stale, key, good])

  // After signing in again, what had failed is read again.
  const failed = useRef(false)
  failed.current = worst?.is === "signIn"
  useEffect(() => {
    if (session.is === "signedIn" && failed.current) execute({ requestPolicy: "network-only" })
  }, [session, execute])

  const before = isGood ? undefined : good.get(key)
  return {
    data: isGood ? (result.data as Data) : (before?.data ?? result.data ?? undefined),
    problems,
    asOf: problems.length > 0 && before !== undefined ? before.at : undefined,
    loading: result.fetching || result.stale,
    reload: () => execute({ requestPolicy: "network-only" }),
  }
}

export function nameOf(query: DocumentNode): string {
  const [definition] = query.definitions
  return definition?.kind === "OperationDefinition" ? (definition.name?.value ?? "") : ""
}

/** The same object as long as its JSON is the same. */
export function useStable<Value>(value: Value, key = JSON.stringify(value)): Value {
  const [stable, setStable] = useState({ key, value })
  if (stable.key === key) return stable.value
  setStable({ key, value })
  return value
}
