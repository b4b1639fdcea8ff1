import { randomUUID } from "node:crypto"
import type { ReleaseJob, ReleaseRecord, Version } from "./releaseJob.ts"
import { type Answer, type Call, ok, Refusal, type Route, refuse } from "./route.ts"
import { findRunnable, singular } from "./runnables.ts"
import { computationNow, hasRole, type Kind, type RunnableRecord, type World } from "./world.ts"

/** Seconds that a new job spends in each of its phases. */
const phases = { created: 5, started: 30 }

/** Releasing new versions of what was released before. */
export function releaseRoutes(): Route[] {
  return (["capsules", "pipelines"] as const).flatMap((kind): Route[] => [
    {
      method: "POST",
      path: `/${kind}/:id/release`,
      scope: "capsules:write",
      since: "4.8.0",
      handle: release(kind),
    },
    {
      method: "GET",
      path: `/${kind}/:id/release/:job_id`,
      scope: "capsules:read",
      since: "4.8.0",
      handle: showJob(kind),
    },
  ])
}

/** Only an owner may. The body of the 403 for what is not ready to be released has flags and no message. */
function release(kind: Kind) {
  return (call: Call): Answer => {
    const { world, caller } = call
    const record = findRunnable(call, kind)
    const { id, status } = record.wire
    const what = singular[kind]
    if (!hasRole(caller.user, record, "owner"))
      return refuse(403, `only the owner or an admin may release this ${what}`)
    if (status === "release" || !wasReleased(record)) return refuse(400, `this ${what} was never released`)
    for (const { parent, created } of world.releases.values())
      if (parent === id && created !== undefined) return refuse(409, `a release of this ${what} is in progress`)
    const issues = issuesOf(world, record)
    if (Object.keys(issues).length > 0) throw new Refusal(403, issues)
    const job: ReleaseRecord = {
      wire: { job_id: randomUUID(), status: "created" },
      parent: id,
      created: world.clock.now(),
    }
    world.releases.set(job.wire.job_id, job)
    return ok(job.wire)
  }
}

function showJob(kind: Kind) {
  return (call: Call): Answer => {
    const { wire } = findRunnable(call, kind)
    const job = call.world.releases.get(call.params.job_id!)
    if (job?.parent !== wire.id) return refuse(404, "release job not found")
    return ok(jobNow(call.world, job))
  }
}

function wasReleased({ wire }: RunnableRecord): boolean {
  return Boolean(wire.release_capsule || wire.versions?.length)
}

/** The requirements of a release that are not met. */
function issuesOf(world: World, record: RunnableRecord): Record<string, true> {
  const { wire, computations, processes = [] } = record
  const succeeded = computations.some(
    (id) => computationNow(world, world.computations.get(id)!).end_status === "succeeded",
  )
  const unreleased = processes.some(({ capsule_id, version }) => {
    const capsule = world.runnables.get(capsule_id)
    return version === undefined && capsule !== undefined && !wasReleased(capsule)
  })
  return {
    ...(succeeded ? {} : { missing_reproducible_run: true }),
    ...(wire.description && wire.field ? {} : { missing_metadata: true }),
    ...(unreleased ? { unreleased_pipeline_capsules: true } : {}),
  }
}

/** The job as the wire shows it now: it starts and completes with the clock. */
function jobNow({ clock }: World, { wire, created }: ReleaseRecord): ReleaseJob {
  const age = created === undefined ? 0 : clock.now() - created - phases.created
  if (created === undefined || age < 0) return wire
  return { ...wire, status: "started", started: Math.floor(created + phases.created), duration: Math.floor(age) }
}

/** Completes the jobs that are due: what is released gets its new version, whoever asks for it first. */
export function completeReleases(world: World): void {
  for (const job of world.releases.values()) {
    if (job.created === undefined || world.clock.now() < job.created + phases.created + phases.started) continue
    const started = Math.floor(job.created + phases.created)
    const { release_capsule, release_version } = addVersion(world, job.parent, started + phases.started)
    job.wire = {
      ...job.wire,
      status: "completed",
      started,
      duration: phases.started,
      release_capsule,
      release_version,
    }
    delete job.created
    world.revision += 1
  }
}

/** The next major version, of the release. What was released under its own id is its own release. */
function addVersion(world: World, id: string, releaseTime: number) {
  const released = world.runnables.get(world.runnables.get(id)!.wire.release_capsule || id)!
  const versions = released.wire.versions ?? []
  const latest = Math.max(0, ...versions.map(({ major_version }) => major_version))
  const version: Version = { major_version: latest + 1, minor_version: 0, release_time: releaseTime }
  released.wire = { ...released.wire, versions: [...versions, version] }
  return { release_capsule: released.wire.id, release_version: version }
}
