import { Pipeline } from "./pipelineType.ts"
import { defineRunnableMutations } from "./runnableMutations.ts"

defineRunnableMutations({
  kind: "pipelines",
  one: "pipeline",
  type: Pipeline,
  archive: "archivePipeline",
  delete: "deletePipeline",
  sync: "syncPipeline",
  attach: "attachPipelineDataAssets",
  detach: "detachPipelineDataAssets",
})
