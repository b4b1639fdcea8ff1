import { Client, type Exchange, fetchExchange, getOperationName, type Operation, stringifyDocument } from "@urql/core"
import { cacheExchange, type DataField, type Resolver } from "@urql/exchange-graphcache"
import { relayPagination } from "@urql/exchange-graphcache/extras"
import { pipe, tap } from "wonka"
import { fetchFromGateway } from "../app/gateway.ts"
import { sessionExpired, sessionHeaders } from "../app/session.ts"
import { graphqlUrl } from "../app/settings.ts"
import schema from "./introspection.generated.ts"
import { partialErrors } from "./partialErrors.ts"
import { problemsOf } from "./problem.ts"
import { requestAnswered, requestSent, type SentRequest } from "./requestLog.ts"

/** Types without an id belong to the object that holds them. */
const embedded = schema.__schema.types
  .filter((type: { kind: string; fields?: { name: string }[] }) => type.fields?.every(({ name }) => name !== "id"))
  .map(({ name }: { name: string }) => name)

/** Finds an object by its id, wherever it came from, unless the lookup itself has been answered. */
const byId =
  (typename: string): Resolver =>
  (_parent, args, cache, { parentKey, fieldName }) => {
    const answered = cache.resolve(parentKey, fieldName, args)
    return answered === undefined ? { __typename: typename, id: args.id as string } : (answered as DataField)
  }

/** Makes the client of one signed-in user. Its cache is dropped with it. */
export function createClient(): Client {
  const pages = relayPagination()
  const [aboveCache, belowCache] = partialErrors()
  return new Client({
    url: graphqlUrl,
    preferGetMethod: false,
    // Subscriptions are server-sent events on the same URL, read with fetch, because an EventSource sends no headers.
    fetchSubscriptions: true,
    fetch: fetchFromGateway,
    fetchOptions: () => ({ headers: { ...sessionHeaders(), "x-upstream-cost": "1" }, credentials: "same-origin" }),
    // What is in the cache is shown at once, and read again.
    requestPolicy: "cache-and-network",
    exchanges: [
      aboveCache,
      cacheExchange({
        schema,
        keys: Object.fromEntries(embedded.map((name: string) => [name, () => null])),
        resolvers: {
          // Objects that a list has shown are there at once when their own page opens.
          Query: {
            capsule: byId("Capsule"),
            pipeline: byId("Pipeline"),
            computation: byId("Computation"),
            dataAsset: byId("DataAsset"),
          },
          Capsule: { computations: pages },
          Pipeline: { computations: pages },
          DataAsset: { attachedTo: pages, attachedToPipelines: pages },
        },
      }),
      belowCache,
      observeRequests,
      fetchExchange,
    ],
  })
}

interface Sent {
  operation: Operation
  at: number
  sentAt: number
  /** Its number in the log. Undefined until the end of the task in which it was sent. */
  id?: number
}

/** Notes each request for the bar at the bottom, and the end of the session. */
const observeRequests: Exchange = ({ forward }) => {
  const requests = new Map<number, Sent>()

  function write(request: Sent): number {
    const { query, kind, variables } = request.operation
    request.id ??= requestSent({
      name: getOperationName(query) ?? kind,
      kind: kind as SentRequest["kind"],
      text: stringifyDocument(query),
      variables: variables ?? {},
      sentAt: request.sentAt,
    })
    return request.id
  }

  return (operations) =>
    pipe(
      operations,
      tap((operation) => {
        const { key, kind } = operation
        if (kind === "teardown") {
          requests.delete(key)
          return
        }
        const request = { operation, at: performance.now(), sentAt: Date.now() }
        requests.set(key, request)
        // Later, because React may still drop the component that it was sent for, and with it the request.
        setTimeout(() => requests.get(key) === request && write(request))
      }),
      forward,
      tap(({ operation, error, extensions }) => {
        const request = requests.get(operation.key)
        if (request !== undefined) {
          const calls = (extensions?.cost as { upstreamCalls?: number } | undefined)?.upstreamCalls
          requestAnswered(write(request), {
            milliseconds: performance.now() - request.at,
            failed: error !== undefined,
            ...(calls !== undefined && { calls }),
          })
          // The time of a subscription is that of its first event.
          requests.delete(operation.key)
        }
        if (problemsOf(error)[0]?.is === "signIn") sessionExpired()
      }),
    )
}
