import { badUserInput } from "../../errors.ts"
import type { Update } from "../../polling/source.ts"
import type { Upstream } from "../../upstream/client.ts"
import { builder } from "../builder.ts"
import type { Context, Polling } from "../context.ts"
import { oneCall } from "../cost.ts"
import { pollingArguments, resolveUpdate, watchDescription, watchUntilFinal } from "../defineSubscription.ts"
import { pollingFrom } from "../polling.ts"
import type { ReleaseKey } from "./loader.ts"
import * as rest from "./rest.ts"
import { ReleaseJob, ReleaseJobStatus } from "./type.ts"

builder.subscriptionField("release", (t) =>
  t.field({
    type: ReleaseJob,
    description: `Follows a release job until it is COMPLETED, FAILED or CANCELED. Requires Code Ocean 4.8.0 or later. ${watchDescription}`,
    extensions: oneCall,
    args: {
      capsuleId: t.arg.id({ description: "The capsule that the job releases. Either this or `pipelineId`." }),
      pipelineId: t.arg.id({ description: "The pipeline that the job releases. Either this or `capsuleId`." }),
      jobId: t.arg.id({ required: true, description: "The id of the job." }),
      ...pollingArguments,
    },
    subscribe: (_root, { capsuleId, pipelineId, jobId, ...polling }, context) =>
      watchReleaseJob({ ...runnableFrom(capsuleId, pipelineId), jobId }, context, pollingFrom(polling)),
    resolve: resolveUpdate as never,
  }),
)

type GivenId = string | null | undefined

/** The capsule or the pipeline, of which exactly one is given. */
function runnableFrom(capsuleId: GivenId, pipelineId: GivenId): Pick<ReleaseKey, "kind" | "id"> {
  if (capsuleId != null && pipelineId == null) return { kind: "capsules", id: capsuleId }
  if (pipelineId != null && capsuleId == null) return { kind: "pipelines", id: pipelineId }
  throw badUserInput("Give either `capsuleId` or `pipelineId`, and not both.")
}

function watchReleaseJob(
  { kind, id, jobId }: ReleaseKey,
  context: Context,
  polling: Polling,
): AsyncIterableIterator<Update<rest.ReleaseJob>> {
  const watched = {
    kind: "release",
    id: JSON.stringify([kind, id, jobId]),
    get: (upstream: Upstream) => rest.getReleaseJob(upstream, kind, id, jobId),
    state: ReleaseJobStatus.required("status"),
    finalStates: ["completed", "failed", "canceled"],
    slowestMs: 30_000,
  }
  return watchUntilFinal(context, watched, polling)
}
