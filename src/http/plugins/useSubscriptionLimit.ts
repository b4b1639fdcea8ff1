import type { Plugin } from "graphql-yoga"
import type { ServerContext } from "../requestState.ts"
import { rejectionError } from "../respond.ts"

/** Limits the subscriptions of one client. Only the parsed operation shows that a request is a subscription. */
export function useSubscriptionLimit(): Plugin<ServerContext> {
  return {
    onSubscribe({ args: { contextValue } }) {
      const { ticket, metrics } = contextValue.state
      const rejection = ticket?.subscribe()
      if (rejection === undefined) return
      metrics?.onRejection(rejection.reason)
      throw rejectionError(rejection)
    },
  }
}
