import { builder } from "../builder.ts"
import { capsuleById } from "../capsule/loader.ts"
import { Capsule, Version } from "../capsule/type.ts"
import { link } from "../cost.ts"
import { wireEnum } from "../enums.ts"
import { epochSeconds, int, object, string } from "../fields.ts"
import { linkAt } from "../loader.ts"
import type * as rest from "./rest.ts"

export const ReleaseJobStatus = wireEnum("ReleaseJobStatus", "The status of a job that releases a new version.", {
  created: "Not started yet.",
  started: "In progress.",
  canceling: "Being canceled.",
  completed: "The new version is released.",
  failed: "Failed, so nothing was released: see `error`.",
  canceled: "Canceled, so nothing was released.",
})

export const ReleaseJob = builder.objectRef<rest.ReleaseJob>("ReleaseJob").implement({
  description: "A job that releases a new version of a capsule or pipeline.",
  fields: (t) => ({
    jobId: t.id({ nullable: false, description: "The id of the job.", resolve: ({ job_id }) => job_id }),
    status: t.field({
      type: ReleaseJobStatus.ref,
      nullable: false,
      description: "The current status. COMPLETED, FAILED and CANCELED are final.",
      resolve: ReleaseJobStatus.required("status"),
    }),
    started: t.field({
      type: "DateTime",
      description: "When it was started. Null if it has not.",
      resolve: epochSeconds("started"),
    }),
    duration: t.int({ description: "How long it has taken, in seconds.", resolve: int("duration") }),
    releaseCapsule: t.field({
      type: Capsule,
      description:
        "The release, which has the new version. Null until the job has completed. Costs one REST call, or none if only its id is selected.",
      extensions: link,
      resolve: linkAt(capsuleById, "release_capsule"),
    }),
    releaseVersion: t.field({
      type: Version,
      description: "The new version. Null until the job has completed.",
      resolve: object("release_version"),
    }),
    error: t.string({ description: "Why the job failed. Null if it did not.", resolve: string("error") }),
  }),
})
