import { refusedWithProblems } from "../../errors.ts"
import { builder, type ObjectType } from "../builder.ts"
import type { Kind } from "../capsule/rest.ts"
import type { Context } from "../context.ts"
import { capitalized, defineMutation } from "../defineMutation.ts"
import { unmetRequirements } from "./requirements.ts"
import * as rest from "./rest.ts"
import { ReleaseJob } from "./type.ts"

/** Defines the release of a new version for capsules, or for pipelines, which differ only in names. */
export function defineReleaseMutation(names: {
  kind: Kind
  one: "capsule" | "pipeline"
  release: string
  /** Creates the payload type of a mutation, which shows the object after the change. */
  payloadOf: <Payload extends { id: string }>(mutation: string, description: string) => ObjectType<Payload>
  /** Sends a write, after which the object is loaded again. */
  change: <T>(context: Context, id: string, write: () => Promise<T>) => Promise<T>
}): void {
  const { kind, one, release } = names

  const ReleasePayload = names.payloadOf<{ id: string; job: rest.ReleaseJob }>(
    release,
    "The job was created. The new version exists once it has completed.",
  )
  builder.objectField(ReleasePayload, "release", (t) =>
    t.field({
      type: ReleaseJob,
      description: "The job. Follow it with the subscription `release`.",
      resolve: ({ job }) => job,
    }),
  )
  defineMutation({
    name: release,
    description: `Starts to release a new version of a ${one} that was released before: the first release is made in Code Ocean itself. The caller must be its owner or an admin. If it does not meet the requirements of a release, \`problems\` has a message for each that is not met, and \`details\` has Code Ocean's flags. Requires Code Ocean 4.8.0 or later. Costs one REST call.`,
    cost: { calls: 1 },
    input: builder.inputType(`${capitalized(release)}Input`, {
      description: `Which ${one}.`,
      fields: (t) => ({ id: t.id({ required: true, description: `The ${one}'s id.` }) }),
    }),
    payload: ReleasePayload,
    run: async ({ id }, context) => {
      const job = await names.change(context, id, () =>
        refusedWithProblems(rest.releaseRunnable(context.upstream, kind, id), (details) =>
          unmetRequirements(one, details),
        ),
      )
      return { id, job }
    },
  })
}
