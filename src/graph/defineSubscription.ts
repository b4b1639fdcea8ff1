import { nullIfMissing } from "../errors.ts"
import type { Update } from "../polling/source.ts"
import type { Upstream } from "../upstream/client.ts"
import { builder, type ObjectType } from "./builder.ts"
import type { Context, Polling } from "./context.ts"
import { oneCall } from "./cost.ts"
import type { loaderById } from "./loader.ts"
import { pollingFrom, pollingOptions } from "./polling.ts"

const options = pollingOptions(
  "How long to wait for the final state, in seconds",
  "The stream then ends with the error TIME_LIMIT_REACHED. Without a limit by default.",
)

/** The arguments by which clients say how an object is watched. */
export const pollingArguments = builder.args((t) => ({
  pollingIntervalSeconds: t.int(options.pollingIntervalSeconds),
  timeLimitSeconds: t.int(options.timeLimitSeconds),
}))

/** The states of objects that are watched. */
interface States<T> {
  state: (object: T, args: object, context: Context) => string
  finalStates: readonly string[]
  /** The maximum interval between two reads, in milliseconds. */
  slowestMs: number
}

/** Watches an object until it is in one of its final states. */
export function watchUntilFinal<T>(
  context: Context,
  watched: States<T> & { kind: string; id: string; get: (upstream: Upstream) => Promise<T> },
  polling: Polling,
): AsyncIterableIterator<Update<T>> {
  const { kind, id, get, state, finalStates, slowestMs } = watched
  const read = async (upstream: Upstream) => {
    const value = await get(upstream)
    const stage = state(value, {}, context)
    return { value, stage, isFinal: finalStates.includes(stage) }
  }
  return context.watch({ kind, id, slowestMs, read }, polling)
}

/** Resolves one event of a subscription: the object, or null if it does not exist. Throws the error that ended the polling. */
export function resolveUpdate<T>(update: Update<T>, _args: object, context: Context): T | Promise<null> {
  context.reset()
  return "error" in update ? nullIfMissing(Promise.reject(update.error)) : update.value
}

/** Defines the subscription to one object by its id. Returns the function that watches such an object. */
export function defineSubscription<T extends { id: string }>(
  subscription: States<T> & {
    name: string
    description: string
    type: ObjectType<T>
    loader: ReturnType<typeof loaderById<T>>
    get: (upstream: Upstream, id: string) => Promise<T>
  },
): (id: string, context: Context, polling: Polling) => AsyncIterableIterator<Update<T>> {
  const { name, description, type, loader, get, ...states } = subscription
  const watch = (id: string, context: Context, polling: Polling) =>
    watchUntilFinal(context, { ...states, kind: name, id, get: (upstream) => get(upstream, id) }, polling)
  builder.subscriptionField(name, (t) =>
    t.field({
      type,
      description,
      extensions: oneCall,
      args: {
        id: t.arg.id({ required: true, description: "Code Ocean's own id." }),
        ...pollingArguments,
      },
      subscribe: (_root, { id, ...input }, context) => watch(id, context, pollingFrom(input)),
      resolve: ((update: Update<T>, args: object, context: Context) => {
        const value = resolveUpdate(update, args, context)
        return value instanceof Promise ? value : loader.prime(context, value)
      }) as never,
    }),
  )
  return watch
}

/** The end of the descriptions of these subscriptions. */
export const watchDescription =
  "The first event is sent at once, and has the object as it is or was at most 5 seconds ago. Then there is an event for each change. The stream completes after the final state. Costs one REST call every 5 seconds at first, and fewer while the state stays the same. Subscriptions of one caller to the same object share these calls. Temporary failures of Code Ocean do not end the stream. Other errors do, and so does null, which means that the object does not exist or no longer exists. A stream that completes before the final state was ended by a stopping gateway: subscribe again."
