import { builder } from "../builder.ts"
import { cost } from "../cost.ts"
import { defineLookups } from "../idQueries.ts"
import { pageArguments, pageItems } from "../pagination/page.ts"
import { Pipeline, PipelineConnection, pipelineById } from "./pipelineType.ts"
import { runnableSearchArguments, searchRunnables } from "./search.ts"

defineLookups({ one: "pipeline", many: "pipelines", type: Pipeline, loader: pipelineById })

builder.queryField("searchPipelines", (t) =>
  t.field({
    type: PipelineConnection,
    description: "Pipelines that the caller may see. One call a page; null, with an error, where that fails.",
    extensions: cost({ calls: 1, items: pageItems }),
    args: { ...pageArguments, ...runnableSearchArguments },
    resolve: (_root, args, context) => searchRunnables(context, "pipelines", args),
  }),
)
