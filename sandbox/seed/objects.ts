import { users } from "../seed.ts"
import {
  addComputation,
  addRunnable,
  type Capsule,
  type Computation,
  type Kind,
  type Permissions,
  type RunnableRecord,
  type World,
} from "../world.ts"

export const onlyOwner: Permissions = { everyone: "none" }
export const discoverable: Permissions = { everyone: "discoverable" }

export const lab = { name: "Ada Byron", affiliation: "Institute for Example Neuroscience" }
export const visitor = { name: "Grace Murray", affiliation: "Example Imaging Center" }

export type Given<T, K extends keyof T> = Omit<T, K> & Partial<Pick<T, K>>

export function addOwned(
  world: World,
  kind: Kind,
  wire: Given<Capsule, "owner" | "status">,
  rest: Partial<RunnableRecord> = {},
): RunnableRecord {
  return addRunnable(world, kind, { status: "non_release", owner: users.ada.id, ...wire }, rest)
}

export function addRun(
  world: World,
  parent: RunnableRecord,
  wire: Given<Computation, "owner" | "state">,
  rest: Parameters<typeof addComputation>[3] = {},
): void {
  addComputation(world, parent, { owner: parent.owner, state: "completed", ...wire }, rest)
}

export const succeeded = { state: "completed", end_status: "succeeded", exit_code: 0, has_results: true } as const
