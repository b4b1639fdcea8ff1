import type { IncomingMessage } from "node:http"
import type { Plugin } from "graphql-yoga"
import type { Permit } from "../admission.ts"
import { errorOf } from "../respond.ts"

/** Refuses a subscription beyond those that its caller may hold; that a request is one is known only when it is parsed. */
export function useSubscriptionLimit(permitOf: (request: IncomingMessage) => Permit | undefined): Plugin<{
  req?: IncomingMessage
}> {
  return {
    onSubscribe({ args: { contextValue } }) {
      const refusal = contextValue.req && permitOf(contextValue.req)?.subscribe()
      if (refusal !== undefined) throw errorOf(refusal)
    },
  }
}
