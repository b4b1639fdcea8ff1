import { users } from "./seed.ts"
import { addComputation, addDataAsset, addRunnable, type World } from "./world.ts"

/** One data asset of a generated provenance graph. */
export interface LineageAsset {
  id: string
  /** Ids of the data assets it was made of. */
  inputs: string[]
  /** Absent from datasets and combined assets. */
  run?: { computation: string; capsule: string }
  /** 403 or 404 to everyone but Grace and the admin. */
  restricted: boolean
}

const layers = 10
const capsules = 20
const firstCreated = 1_700_000_000

const idOf = (kind: number, index: number) => `${kind}0000000-0000-4000-8000-${index.toString(16).padStart(12, "0")}`

/**
 * The provenance graph of `count` data assets, newest last, the same every time. Ten layers: datasets, then results (every
 * fiftieth a combined asset) of two or three assets of the layer before, so that there are diamonds. The first
 * dataset is itself a result of an asset two layers later: a cycle. Every 97th asset may not be seen by Ada.
 */
export function lineageGraph(count: number): LineageAsset[] {
  const width = Math.ceil(count / layers)
  return Array.from({ length: count }, (_, index): LineageAsset => {
    const layer = Math.floor(index / width)
    const before = (step: number) => idOf(1, (layer - 1) * width + ((index * 7 + step) % width))
    const cycle = index === 0 && count > 2 * width
    const inputs = cycle ? [idOf(1, 2 * width)] : layer === 0 ? [] : [0, 1, ...(index % 3 === 0 ? [5] : [])].map(before)
    const hasRun = cycle || (layer > 0 && index % 50 !== 49)
    return {
      id: idOf(1, index),
      inputs: [...new Set(inputs)],
      ...(hasRun ? { run: { computation: idOf(2, index), capsule: idOf(3, index % capsules) } } : {}),
      restricted: index % 97 === 96,
    }
  })
}

/** Adds that graph to a world. */
export function addLineage(world: World, count: number): void {
  const parents = Array.from({ length: capsules }, (_, index) =>
    addRunnable(world, "capsules", {
      id: idOf(3, index),
      created: firstCreated,
      name: `Step ${index}`,
      slug: String(9_000_000 + index),
      status: "non_release",
      owner: users.ada.id,
    }),
  )
  for (const [index, { id, inputs, run, restricted }] of lineageGraph(count).entries()) {
    const created = firstCreated + index
    const owner = restricted ? users.grace.id : users.ada.id
    const parent = parents[index % capsules]!
    if (run)
      addComputation(world, parent, {
        id: run.computation,
        created,
        name: `Run ${index}`,
        owner,
        run_time: 60,
        state: "completed",
        end_status: "succeeded",
        exit_code: 0,
        has_results: true,
        data_assets: inputs.map((input) => ({ id: input, mount: input.slice(-4) })),
      })
    addDataAsset(
      world,
      {
        id,
        created,
        name: `lineage-${index}`,
        mount: `lineage-${index}`,
        owner,
        last_used: created,
        state: "ready",
        type: run ? "result" : inputs.length > 0 ? "combined" : "dataset",
        tags: ["lineage"],
        ...(run ? { provenance: { ...run, data_assets: inputs } } : {}),
        ...(!run && inputs.length > 0
          ? { contained_data_assets: inputs.map((input) => ({ id: input, size: 1 })) }
          : {}),
      },
      restricted ? { permissions: { everyone: index % 2 === 0 ? "none" : "discoverable" } } : {},
    )
  }
}
