import { builder } from "../builder.ts"
import { loaderById, type Typed } from "../loader.ts"
import { Node } from "../node/type.ts"
import { connectionOf } from "../pagination/page.ts"
import * as rest from "./rest.ts"
import { Runnable } from "./runnableType.ts"

export const pipelineById = loaderById("Pipeline", (context, id) => rest.getRunnable(context.upstream, "pipelines", id))

export const Pipeline = builder.objectRef<Typed<rest.Runnable>>("Pipeline")
Pipeline.implement({
  description: "A pipeline: capsules that run one after the other, each on the results of those before.",
  interfaces: () => [Runnable, Node],
})

export const PipelineConnection = connectionOf("Pipeline", Pipeline)
