import type { ReleaseJob } from "../releaseJob.ts"
import { seed } from "../seed.ts"
import type { World } from "../world.ts"

/** Release jobs that are over. */
export function addReleases(world: World): void {
  const add = (parent: string, wire: ReleaseJob) => world.releases.set(wire.job_id, { wire, parent })
  /** What a job released: a version that the release has. */
  const released = (id: string, index: number) => {
    const version = world.runnables.get(id)?.wire.versions?.[index]
    return { release_capsule: id, ...(version && { release_version: version }) }
  }
  add(seed.cellCounter, {
    job_id: seed.secondRelease,
    status: "completed",
    started: 1_751_327_900,
    duration: 100,
    ...released(seed.releasedCellCounter, 1),
  })
  add(seed.cellCounter, {
    job_id: seed.failedRelease,
    status: "failed",
    started: 1_751_320_000,
    duration: 12,
    error: "the environment could not be built",
  })
  add(seed.cellCounter, { job_id: seed.canceledRelease, status: "canceled", started: 1_751_310_000, duration: 3 })
  add(seed.imagingPipeline, {
    job_id: seed.imagingRelease,
    status: "completed",
    started: 1_745_999_900,
    duration: 100,
    ...released(seed.imagingPipeline, 0),
  })
}
