import { defineRunnableMutations } from "../runnable/mutations.ts"
import { Pipeline } from "./type.ts"

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
