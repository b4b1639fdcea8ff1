import { Anchor } from "@mantine/core"
import { useState } from "react"
import { useClient } from "urql"
import { runPath } from "../../app/paths.ts"
import { navigate } from "../../app/router.ts"
import { FindRunnableDocument } from "./findRunnable.generated.ts"

/** Looks for the capsule or pipeline of a run whose address does not have it, and goes to the address that does. */
export function FindRunnable({ id }: { id: string }) {
  const client = useClient()
  const [state, setState] = useState<"unknown" | "busy" | "missing" | "failed">("unknown")

  async function find() {
    setState("busy")
    const { data, error } = await client.query(FindRunnableDocument, { id }).toPromise()
    const runnable = data?.computation?.findRunnable
    if (runnable) navigate(runPath({ id, runnable }), { replace: true })
    else setState(error ? "failed" : "missing")
  }

  if (state === "missing") {
    return <span role="status">of none of the 20 capsules and pipelines that were last accessed</span>
  }
  return (
    <span role="status">
      <Anchor component="button" type="button" size="sm" disabled={state === "busy"} onClick={() => void find()}>
        {state === "busy"
          ? "Looking for what ran…"
          : state === "failed"
            ? "Look again for what ran"
            : "Look for what ran"}
      </Anchor>
      {state === "failed" && " (it could not be read)"}
    </span>
  )
}
