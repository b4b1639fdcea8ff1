import { seed } from "../seed.ts"
import { fillPanels, type World } from "../world.ts"
import { addCapsules } from "./capsules.ts"
import { addCellCounter } from "./cellCounter.ts"
import { addDataAssets } from "./dataAssets.ts"
import { addPipelines } from "./pipelines.ts"
import { addReleases } from "./releases.ts"

/**
 * Adds the seeded objects to a world. `documentedOnly` leaves out those with undocumented values. Runs in progress and drafts
 * start when the world does.
 */
export function addSeed(world: World, documentedOnly: boolean): void {
  addDataAssets(world)
  addCellCounter(world)
  addCapsules(world)
  addPipelines(world)
  addReleases(world)
  fillPanels(world)
  if (!documentedOnly) return
  world.dataAssets.delete(seed.futureAsset)
  world.runnables.delete(seed.embargoed)
  world.computations.delete(seed.preemptedCount)
  for (const runnable of world.runnables.values())
    runnable.computations = runnable.computations.filter((id) => world.computations.has(id))
}
