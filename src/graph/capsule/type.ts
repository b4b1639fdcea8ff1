import { appPanelOf } from "../appPanel/loader.ts"
import { AppPanel } from "../appPanel/type.ts"
import { isArchived } from "../archive/loader.ts"
import { builder } from "../builder.ts"
import { ComputationConnection, ComputationFilterInput, computationPage } from "../computation/type.ts"
import { cost, link, longText, oneCall } from "../cost.ts"
import { wireEnum } from "../enums.ts"
import {
  boolean,
  epochSeconds,
  int,
  object,
  objectItems,
  required,
  string,
  stringItems,
  stringOrEmpty,
} from "../fields.ts"
import { linkAt, type Typed } from "../loader.ts"
import { Node } from "../node/type.ts"
import { ownCall } from "../ownCall.ts"
import { connectionOf, pageArguments, pageItems } from "../pagination/connection.ts"
import { permissionsOf } from "../permissions/loader.ts"
import { Permissions } from "../permissions/type.ts"
import { isOnlyPage } from "../reach.ts"
import { releaseOf } from "../release/loader.ts"
import { ReleaseJob } from "../release/type.ts"
import { capsuleById } from "./loader.ts"
import type * as rest from "./rest.ts"

export const Capsule = builder.objectRef<Typed<rest.Runnable>>("Capsule")
Capsule.implement({
  description: "A compute capsule: code, environment and data for reproducible runs.",
  interfaces: () => [Runnable, Node],
})

export const CapsuleConnection = connectionOf("Capsule", Capsule)

export const Pipeline = builder.objectRef<Typed<rest.Runnable>>("Pipeline")
Pipeline.implement({
  description: "A pipeline: several capsules, each of which runs on the results of previous ones.",
  interfaces: () => [Runnable, Node],
})

export const PipelineConnection = connectionOf("Pipeline", Pipeline)

/** The route of an object that a loader returned. */
function kindOf(runnable: Typed<rest.Runnable>): rest.Kind {
  return runnable.__typename === "Pipeline" ? "pipelines" : "capsules"
}

const runs = { connection: "ComputationConnection", item: "Computation" }
const runsOf = { capsules: { owner: "Capsule", ...runs }, pipelines: { owner: "Pipeline", ...runs } }

export const CapsuleStatus = wireEnum(
  "CapsuleStatus",
  "The release status of a capsule or pipeline.",
  { non_release: "Work in progress.", release: "A release, which no longer changes." },
  {
    non_published: "non_release",
    submitted: "non_release",
    publishing: "non_release",
    published: "release",
    verified: "release",
  },
)

const ArticleState = wireEnum("ArticleState", "The publication state of an article.", {
  in_review: "In review.",
  published: "Published.",
})

const OriginalCapsule = builder.objectRef<rest.OriginalCapsule>("OriginalCapsule").implement({
  description: "The capsule or pipeline from which another one was copied.",
  fields: (t) => ({
    capsuleId: t.id({ description: "The id of the original.", resolve: string("id") }),
    majorVersion: t.int({
      description: "The major version of the release that was copied.",
      resolve: int("major_version"),
    }),
    minorVersion: t.int({
      description: "The minor version of the release that was copied.",
      resolve: int("minor_version"),
    }),
    name: t.string({ description: "The name of the original at that time.", resolve: string("name") }),
    created: t.field({
      type: "DateTime",
      description: "The time when the original was created.",
      resolve: epochSeconds("created"),
    }),
    public: t.boolean({ description: "Whether the original is visible to everyone.", resolve: boolean("public") }),
    capsule: t.field({
      type: Capsule,
      description:
        "The original. Null if it no longer exists. Costs one REST call, or none if only its id is selected.",
      extensions: link,
      resolve: linkAt(capsuleById, "id"),
    }),
  }),
})

const Submission = builder.objectRef<rest.Submission>("Submission").implement({
  description: "A submission for release.",
  fields: (t) => ({
    timestamp: t.field({
      type: "DateTime",
      description: "The time of the submission.",
      resolve: epochSeconds("timestamp"),
    }),
    commit: t.string({ description: "The commit that was submitted.", resolve: string("commit") }),
    verified: t.boolean({ description: "Whether it was verified.", resolve: boolean("verified") }),
    verifiedTimestamp: t.field({
      type: "DateTime",
      description: "The time of the verification.",
      resolve: epochSeconds("verified_timestamp"),
    }),
    verificationCapsule: t.field({
      type: Capsule,
      description: "The capsule in which it was verified. Costs one REST call, or none if only its id is selected.",
      extensions: link,
      resolve: linkAt(capsuleById, "verification_capsule"),
    }),
  }),
})

export const Version = builder.objectRef<rest.Version>("Version").implement({
  description: "One release.",
  fields: (t) => ({
    majorVersion: t.int({
      description: "The major version. `appPanel(version:)` takes it as its argument.",
      resolve: int("major_version"),
    }),
    minorVersion: t.int({ description: "The minor version.", resolve: int("minor_version") }),
    releaseTime: t.field({
      type: "DateTime",
      description: "The time of the release.",
      resolve: epochSeconds("release_time", "publish_time"),
    }),
    doi: t.string({ description: "The DOI of the release.", resolve: string("doi") }),
  }),
})

const Article = builder.objectRef<rest.Article>("Article").implement({
  description: "The publication that a capsule or pipeline belongs to.",
  fields: (t) => ({
    articleId: t.id({ description: "The id of the article.", resolve: string("id") }),
    url: t.string({ description: "The URL of the article.", resolve: string("url") }),
    doi: t.string({ description: "The DOI of the article.", resolve: string("doi") }),
    citation: t.string({ description: "The citation text.", resolve: string("citation") }),
    state: t.field({
      type: ArticleState.ref,
      description: "The publication state.",
      resolve: ArticleState.at("state"),
    }),
    name: t.string({ description: "The title.", resolve: string("name") }),
    journalName: t.string({ description: "The name of the journal.", resolve: string("journal_name") }),
    publishTime: t.field({
      type: "DateTime",
      description: "The time of publication.",
      resolve: epochSeconds("publish_time"),
    }),
  }),
})

export const Runnable = builder.interfaceRef<Typed<rest.Runnable>>("Runnable")
Runnable.implement({
  description:
    "A capsule or a pipeline. If a query needs several at once, one search reads them. The search also returns objects that the caller may find but not open. Reading one of these alone is an error.",
  interfaces: [Node],
  fields: (t) => ({
    created: t.field({
      type: "DateTime",
      description: "The time of creation. Null if it is unknown.",
      resolve: epochSeconds("created"),
    }),
    name: t.string({ nullable: false, description: "The display name.", resolve: required("name", stringOrEmpty) }),
    status: t.field({
      type: CapsuleStatus.ref,
      nullable: false,
      description: "The release status.",
      resolve: CapsuleStatus.required("status"),
    }),
    owner: t.string({
      nullable: false,
      description: "The user id of the owner.",
      resolve: required("owner", stringOrEmpty),
    }),
    slug: t.string({
      nullable: false,
      description: "An alternative id of digits, which is part of its URL in Code Ocean.",
      resolve: required("slug", stringOrEmpty),
    }),
    ownerEmail: t.string({ description: "The email address of the owner.", resolve: string("owner_email") }),
    lastAccessed: t.field({
      type: "DateTime",
      description: "The time when anyone last opened it.",
      resolve: epochSeconds("last_accessed"),
    }),
    description: t.string({
      description: "Free text, may contain Markdown.",
      extensions: longText,
      resolve: string("description"),
    }),
    field: t.string({ description: "The field of research.", resolve: string("field") }),
    tags: t.stringList({ description: "Keywords.", resolve: stringItems("tags", "keywords") }),
    clonedFromUrl: t.string({
      description: "The external Git repository from which it was cloned.",
      resolve: string("cloned_from_url"),
    }),
    originalCapsule: t.field({
      type: OriginalCapsule,
      description: "The capsule or pipeline from which it was copied.",
      resolve: object("original_capsule"),
    }),
    releaseCapsule: t.field({
      type: Capsule,
      description: "Its release. Costs one REST call, or none if only its id is selected.",
      extensions: link,
      resolve: linkAt(capsuleById, "release_capsule", "published_capsule"),
    }),
    submission: t.field({
      type: Submission,
      description: "Its submission for release.",
      resolve: object("submission"),
    }),
    versions: t.field({
      type: [Version],
      description: "Its releases.",
      resolve: objectItems<rest.Version>("versions"),
    }),
    article: t.field({ type: Article, description: "The publication it belongs to.", resolve: object("article") }),
    archived: t.boolean({
      description: `Whether it is archived. Code Ocean's objects do not say it, so it is known from searches: an object is archived if the search for archived ones finds it. Null if that search finds more than it returns. Costs no REST call if the object was found by a search of this request, or if the caller has archived or unarchived it within the last minute. Otherwise costs up to two REST calls, which objects that need them at the same time share.`,
      extensions: { ...cost({ calls: 2 }), ...ownCall("none") },
      resolve: (runnable, _args, context) => isArchived(context, kindOf(runnable), runnable),
    }),
    appPanel: t.field({
      type: AppPanel,
      description: "The form for the parameters of a run. Null if it has none. Costs one REST call.",
      extensions: { ...oneCall, ...ownCall("call") },
      args: {
        version: t.arg.int({ description: "The major version of a release. The default is the latest state." }),
      },
      resolve: (runnable, { version }, context) =>
        appPanelOf(context, kindOf(runnable), runnable.id, version ?? undefined),
    }),
    computations: t.field({
      type: ComputationConnection,
      description:
        "Its runs, newest first. Costs one REST call, regardless of page and filter: Code Ocean returns the whole history, which the gateway filters and pages.",
      extensions: {
        ...cost({
          oncePerObject: "computations",
          items: pageItems,
          // The object is loaded, or the call that would have loaded it is left.
          free: ["Computation.runnable", "Computation.findRunnable"],
        }),
        ...ownCall("call"),
      },
      args: {
        ...pageArguments,
        filter: t.arg({ type: ComputationFilterInput, description: "Which runs to return." }),
      },
      resolve(runnable, args, context, info) {
        const key = { id: runnable.id, kind: kindOf(runnable) }
        return computationPage(context, key, args, isOnlyPage(info, runsOf[key.kind]))
      },
    }),
    release: t.field({
      type: ReleaseJob,
      description:
        "A job that releases a new version of it. Null if there is no such job. Requires Code Ocean 4.8.0 or later. Costs one REST call.",
      extensions: { ...oneCall, ...ownCall("call") },
      args: {
        jobId: t.arg.id({
          required: true,
          description: "The id of the job, from `releaseCapsule` or `releasePipeline`.",
        }),
      },
      resolve: (runnable, { jobId }, context) => releaseOf(context, { kind: kindOf(runnable), id: runnable.id, jobId }),
    }),
    permissions: t.field({
      type: Permissions,
      description: "Who may do what with it. Costs one REST call.",
      extensions: { ...cost({ oncePerObject: "permissions" }), ...ownCall("call") },
      resolve: (runnable, _args, context) => permissionsOf(context, kindOf(runnable), runnable.id),
    }),
  }),
})
