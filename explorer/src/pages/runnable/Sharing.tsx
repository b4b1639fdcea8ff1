import { useChange } from "../../data/useChange.ts"
import { Sharing } from "../../parts/sharing/Sharing.tsx"
import { ShareCapsuleDocument, SharePipelineDocument } from "./changes.generated.ts"
import type { RunnablePageFragment } from "./runnable.generated.ts"

interface RunnableSharingProps {
  runnable: RunnablePageFragment
  loading: boolean
  forbidden: boolean
}

/** Who may do what with a capsule or pipeline. */
export function RunnableSharing({ runnable, loading, forbidden }: RunnableSharingProps) {
  const { id, name, permissions, __typename } = runnable
  const capsule = useChange(ShareCapsuleDocument)
  const pipeline = useChange(SharePipelineDocument)
  return (
    <Sharing
      id={id}
      name={name}
      permissions={permissions}
      loading={loading}
      forbidden={forbidden}
      seeing="see and run it"
      change={__typename === "Pipeline" ? pipeline : capsule}
      onChange={async (input) => {
        const payload =
          __typename === "Pipeline"
            ? (await pipeline.send({ input: { ...input, pipelineId: id } }))?.updatePipelinePermissions
            : (await capsule.send({ input: { ...input, capsuleId: id } }))?.updateCapsulePermissions
        return payload && "missing" in payload ? payload : undefined
      }}
    />
  )
}
