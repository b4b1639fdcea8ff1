import { defineRunnableMutations } from "./runnableMutations.ts"
import { Capsule } from "./type.ts"

defineRunnableMutations({
  kind: "capsules",
  one: "capsule",
  type: Capsule,
  archive: "archiveCapsule",
  delete: "deleteCapsule",
  sync: "syncCapsule",
  attach: "attachDataAssets",
  detach: "detachDataAssets",
})
