import { nullIfMissing } from "../errors.ts"
import type { Update } from "../polling/pollers.ts"
import type { Upstream } from "../upstream/client.ts"
import { builder, type ObjectType } from "./builder.ts"
import type { Context } from "./context.ts"
import { oneCall } from "./cost.ts"
import type { loaderById } from "./loader.ts"

/** Defines the subscription to one object by its id. Returns how to follow such an object. */
export function defineSubscription<T extends { id: string }>(subscription: {
  name: string
  description: string
  type: ObjectType<T>
  loader: ReturnType<typeof loaderById<T>>
  get: (upstream: Upstream, id: string) => Promise<T>
  state: (object: T, args: object, context: Context) => string
  finalStates: readonly string[]
  slowestMs: number
}): (id: string, context: Context) => AsyncIterableIterator<Update<T>> {
  const { name, description, type, loader, get, state, finalStates, slowestMs } = subscription
  const follow = (id: string, context: Context) =>
    context.watch({
      kind: name,
      id,
      slowestMs,
      async read(upstream) {
        const value = await get(upstream, id)
        const stage = state(value, {}, context)
        return { value, stage, isFinal: finalStates.includes(stage) }
      },
    })
  builder.subscriptionField(name, (t) =>
    t.field({
      type,
      description,
      extensions: oneCall,
      args: { id: t.arg.id({ required: true, description: "Code Ocean's own id." }) },
      subscribe: (_root, { id }, context) => follow(id, context),
      resolve: ((update: Update<T>, _args: object, context: Context) => {
        context.reset()
        if ("error" in update) return nullIfMissing(Promise.reject(update.error))
        return loader.prime(context, [update.value])[0]
      }) as never,
    }),
  )
  return follow
}

/** What the descriptions of these subscriptions end with. */
export const watchDescription =
  "The first event comes at once, then one for each change, and after the final state the stream completes. One call each 5 seconds at first, then ever fewer while the state stays; the caller's subscriptions to the same object share them. It goes on through passing failures of Code Ocean; with an error, or null where there is none (any more), it completes. A stream that completes before the final state was cut by the gateway's stopping: subscribe again."
