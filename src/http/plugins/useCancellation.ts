import { type Plugin, useExecutionCancellation } from "graphql-yoga"

/**
 * Stops Yoga's executor when the request is cancelled. Not for subscriptions, which useRequests ends: with a signal, the
 * executor would keep a part of each event until the subscription ends.
 */
export function useCancellation(): Plugin {
  const { onExecute } = useExecutionCancellation()
  return { onExecute }
}
