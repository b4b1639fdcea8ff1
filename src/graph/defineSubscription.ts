import { nullIfMissing } from "../errors.ts"
import type { Update } from "../polling/pollers.ts"
import type { Upstream } from "../upstream/client.ts"
import { builder, type ObjectType } from "./builder.ts"
import type { Context, Polling } from "./context.ts"
import { oneCall } from "./cost.ts"
import type { loaderById } from "./loader.ts"
import { pollingFrom, pollingOptions } from "./polling.ts"

const polling = pollingOptions(
  "How long to wait for the final state, in seconds",
  "The stream then ends with the error TIME_LIMIT_REACHED. Without a limit by default.",
)

/** Defines the subscription to one object by its id. Returns the function that watches such an object. */
export function defineSubscription<T extends { id: string }>(subscription: {
  name: string
  description: string
  type: ObjectType<T>
  loader: ReturnType<typeof loaderById<T>>
  get: (upstream: Upstream, id: string) => Promise<T>
  state: (object: T, args: object, context: Context) => string
  finalStates: readonly string[]
  slowestMs: number
}): (id: string, context: Context, polling: Polling) => AsyncIterableIterator<Update<T>> {
  const { name, description, type, loader, get, state, finalStates, slowestMs } = subscription
  const watch = (id: string, context: Context, polling: Polling) => {
    const read = async (upstream: Upstream) => {
      const value = await get(upstream, id)
      const stage = state(value, {}, context)
      return { value, stage, isFinal: finalStates.includes(stage) }
    }
    return context.watch({ kind: name, id, slowestMs, read }, polling)
  }
  builder.subscriptionField(name, (t) =>
    t.field({
      type,
      description,
      extensions: oneCall,
      args: {
        id: t.arg.id({ required: true, description: "Code Ocean's own id." }),
        pollingIntervalSeconds: t.arg.int(polling.pollingIntervalSeconds),
        timeLimitSeconds: t.arg.int(polling.timeLimitSeconds),
      },
      subscribe: (_root, { id, ...input }, context) => watch(id, context, pollingFrom(input)),
      resolve: ((update: Update<T>, _args: object, context: Context) => {
        context.reset()
        if ("error" in update) return nullIfMissing(Promise.reject(update.error))
        return loader.prime(context, [update.value])[0]
      }) as never,
    }),
  )
  return watch
}

/** The end of the descriptions of these subscriptions. */
export const watchDescription =
  "The first event is sent at once, then one for each change. The stream completes after the final state. Costs one REST call every 5 seconds at first, and fewer while the state stays the same. Subscriptions of one caller to the same object share these calls. Temporary failures of Code Ocean do not end the stream. Other errors do, and so does null, which means that the object does not exist or no longer exists. A stream that completes before the final state was ended by a stopping gateway: subscribe again."
