import { appPanelOf } from "../appPanel/loader.ts"
import { AppPanel } from "../appPanel/type.ts"
import { builder } from "../builder.ts"
import { ComputationConnection, ComputationFilterInput, computationPage } from "../computation/type.ts"
import { cost, link, longText, oneCall } from "../cost.ts"
import { wireEnum } from "../enums.ts"
import {
  boolean,
  epochSeconds,
  float,
  int,
  object,
  objects,
  required,
  string,
  stringOrEmpty,
  strings,
} from "../fields.ts"
import { linkAt, type Typed } from "../loader.ts"
import { Node } from "../node/type.ts"
import { connectionOf, pageArguments, pageItems } from "../pagination/connection.ts"
import { permissionsOf } from "../permissions/loader.ts"
import { Permissions } from "../permissions/type.ts"
import { capsuleById } from "./loader.ts"
import type * as rest from "./rest.ts"

export const Capsule = builder.objectRef<Typed<rest.Runnable>>("Capsule")
Capsule.implement({
  description: "A compute capsule: code, environment and data that run the same for everyone.",
  interfaces: () => [Runnable, Node],
})

export const CapsuleConnection = connectionOf("Capsule", Capsule)

export const Pipeline = builder.objectRef<Typed<rest.Runnable>>("Pipeline")
Pipeline.implement({
  description: "A pipeline: capsules that run one after the other, each on the results of those before.",
  interfaces: () => [Runnable, Node],
})

export const PipelineConnection = connectionOf("Pipeline", Pipeline)

/** On which route an object that a loader brought lives. */
function kindOf(runnable: Typed<rest.Runnable>): rest.Kind {
  return runnable.__typename === "Pipeline" ? "pipelines" : "capsules"
}

export const CapsuleStatus = wireEnum(
  "CapsuleStatus",
  "Whether a capsule or pipeline is a release.",
  { non_release: "Work in progress.", release: "A release: it doesn't change any more." },
  { "non-published": "non_release", published: "release" },
)

const ArticleState = wireEnum("ArticleState", "How far an article is.", {
  in_review: "Being reviewed.",
  published: "Published.",
})

const OriginalCapsule = builder.objectRef<rest.OriginalCapsule>("OriginalCapsule").implement({
  description: "What a capsule or pipeline was copied from.",
  fields: (t) => ({
    id: t.id({ description: "The original's id.", resolve: string("id") }),
    majorVersion: t.int({ description: "The release that was copied.", resolve: int("major_version") }),
    minorVersion: t.int({ description: "Its minor version.", resolve: int("minor_version") }),
    name: t.string({ description: "The original's name at that time.", resolve: string("name") }),
    created: t.field({
      type: "DateTime",
      description: "When the original was created.",
      resolve: epochSeconds("created"),
    }),
    public: t.boolean({ description: "Whether everyone may see the original.", resolve: boolean("public") }),
    capsule: t.field({
      type: Capsule,
      description: "The original. Null where it is gone; a call, unless only its id is asked for.",
      extensions: link,
      resolve: linkAt(capsuleById, "id"),
    }),
  }),
})

const Submission = builder.objectRef<rest.Submission>("Submission").implement({
  description: "The submission of a capsule for release.",
  fields: (t) => ({
    timestamp: t.field({ type: "DateTime", description: "When it was submitted.", resolve: epochSeconds("timestamp") }),
    commit: t.string({ description: "The commit that was submitted.", resolve: string("commit") }),
    verified: t.boolean({ description: "Whether it was verified.", resolve: boolean("verified") }),
    verifiedTimestamp: t.field({
      type: "DateTime",
      description: "When it was verified.",
      resolve: epochSeconds("verified_timestamp"),
    }),
    verificationCapsule: t.field({
      type: Capsule,
      description: "The capsule in which it was verified. A call, unless only its id is asked for.",
      extensions: link,
      resolve: linkAt(capsuleById, "verification_capsule"),
    }),
  }),
})

const Version = builder.objectRef<rest.Version>("Version").implement({
  description: "One release.",
  fields: (t) => ({
    majorVersion: t.int({ description: "What `appPanel(version:)` takes.", resolve: int("major_version") }),
    minorVersion: t.int({ description: "The minor version.", resolve: int("minor_version") }),
    releaseTime: t.field({
      type: "DateTime",
      description: "When it was released.",
      resolve: epochSeconds("release_time", "publish_time"),
    }),
    doi: t.string({ description: "The release's DOI.", resolve: string("doi") }),
  }),
})

const Article = builder.objectRef<rest.Article>("Article").implement({
  description: "The publication that a capsule or pipeline belongs to.",
  fields: (t) => ({
    id: t.id({ description: "The article's id.", resolve: string("id") }),
    url: t.string({ description: "Its address.", resolve: string("url") }),
    doi: t.string({ description: "Its DOI.", resolve: string("doi") }),
    citation: t.string({ description: "How to cite it.", resolve: string("citation") }),
    state: t.field({
      type: ArticleState.ref,
      description: "Whether it has been published.",
      resolve: ArticleState.at("state"),
    }),
    name: t.string({ description: "Its title.", resolve: string("name") }),
    journalName: t.string({ description: "The journal.", resolve: string("journal_name") }),
    publishTime: t.field({
      type: "DateTime",
      description: "When it was published.",
      resolve: epochSeconds("publish_time"),
    }),
  }),
})

export const Runnable = builder.interfaceRef<Typed<rest.Runnable>>("Runnable")
Runnable.implement({
  description: "What can be run: a capsule or a pipeline.",
  interfaces: [Node],
  fields: (t) => ({
    created: t.field({
      type: "DateTime",
      nullable: false,
      description: "When it was created.",
      resolve: required("created", float),
    }),
    name: t.string({ nullable: false, description: "The display name.", resolve: required("name", stringOrEmpty) }),
    status: t.field({
      type: CapsuleStatus.ref,
      nullable: false,
      description: "Whether it is a release.",
      resolve: CapsuleStatus.required("status"),
    }),
    owner: t.string({
      nullable: false,
      description: "The owner's user id.",
      resolve: required("owner", stringOrEmpty),
    }),
    slug: t.string({
      nullable: false,
      description: "Its other id: digits, as they stand in Code Ocean's addresses.",
      resolve: required("slug", stringOrEmpty),
    }),
    ownerEmail: t.string({ description: "The owner's email address.", resolve: string("owner_email") }),
    lastAccessed: t.field({
      type: "DateTime",
      description: "When anyone last opened it.",
      resolve: epochSeconds("last_accessed"),
    }),
    description: t.string({
      description: "Free text; may hold Markdown.",
      extensions: longText,
      resolve: string("description"),
    }),
    field: t.string({ description: "The field of research.", resolve: string("field") }),
    tags: t.stringList({ description: "Keywords.", resolve: strings("tags", "keywords") }),
    clonedFromUrl: t.string({
      description: "The external Git repository it was cloned from.",
      resolve: string("cloned_from_url"),
    }),
    originalCapsule: t.field({
      type: OriginalCapsule,
      description: "What it was copied from.",
      resolve: object("original_capsule"),
    }),
    releaseCapsule: t.field({
      type: Capsule,
      description: "Its release. A call, unless only its id is asked for.",
      extensions: link,
      resolve: linkAt(capsuleById, "release_capsule", "published_capsule"),
    }),
    submission: t.field({
      type: Submission,
      description: "Its submission for release.",
      resolve: object("submission"),
    }),
    versions: t.field({ type: [Version], description: "Its releases.", resolve: objects<rest.Version>("versions") }),
    article: t.field({ type: Article, description: "The publication it belongs to.", resolve: object("article") }),
    appPanel: t.field({
      type: AppPanel,
      description: "The form in which people run it; null: it has none. One call.",
      extensions: oneCall,
      args: {
        version: t.arg.int({ description: "The release's major version; by default the latest state." }),
      },
      resolve: (runnable, { version }, context) =>
        appPanelOf(context, kindOf(runnable), runnable.id, version ?? undefined),
    }),
    computations: t.field({
      type: ComputationConnection,
      description:
        "Its runs, newest first. One call, whatever the page and filter: Code Ocean answers the whole history, which is filtered and paged here.",
      extensions: cost({ oncePerObject: "computations", items: pageItems }),
      args: {
        ...pageArguments,
        filter: t.arg({ type: ComputationFilterInput, description: "Which runs to show." }),
      },
      resolve: (runnable, args, context) => computationPage(context, { id: runnable.id, kind: kindOf(runnable) }, args),
    }),
    permissions: t.field({
      type: Permissions,
      description: "Who may do what with it. One call.",
      extensions: cost({ oncePerObject: "permissions" }),
      resolve: (runnable, _args, context) => permissionsOf(context, kindOf(runnable), runnable.id),
    }),
  }),
})
