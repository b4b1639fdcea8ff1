import type { Access, Scope, User } from "./world.ts"

/** Access tokens, to be used as the user name of HTTP Basic. */
export const tokens = {
  /** Owner of most objects. */
  ada: "cop_demo_ada",
  /** Second user: sees shared objects, and has her own. */
  grace: "cop_demo_grace",
  /** Sees and may do everything. */
  admin: "cop_demo_admin",
  /** Ada's, without any write scope. */
  readOnly: "cop_demo_ada_read_only",
  /** Ada's, without Data Asset scopes. */
  noDatasets: "cop_demo_ada_no_datasets",
  /** Ada's, without Capsule scopes. */
  noCapsules: "cop_demo_ada_no_capsules",
} as const

export const users = {
  ada: { id: "e6b3f8d9-5b87-4fca-9629-42b101ab73a6", email: "ada@example.org", admin: false, groups: ["neuro"] },
  grace: { id: "8d7463cd-84fb-4554-8ed5-438998efbf95", email: "grace@example.org", admin: false, groups: ["imaging"] },
  admin: { id: "7f4b1c9c-beda-47b0-80f5-5a8226ed4811", email: "admin@example.org", admin: true, groups: [] },
} as const satisfies Record<string, User>

/** The ids of the seeded capsules, pipelines, computations and data assets. */
export const seed = {
  // Capsules
  /** The full one: every field, a panel with every kind of parameter, five runs. */
  cellCounter: "1d08ef13-683c-4308-9bdf-7ff3059f54d4",
  /** What cellCounter was released as: two versions with a panel each, runs owned by `release`. */
  releasedCellCounter: "01865564-0a2c-469d-85bb-9859ab3c7e99",
  /** Ran when releasedCellCounter was verified; has only the fields that are always there. */
  verificationCellCounter: "dbeb642c-9b23-4738-8048-04f7a55032a5",
  /** Tagged ecephys: runs that succeeded, failed, ended oddly, and one not started yet. */
  spikeSorting: "231c9a40-cbc0-4c17-847c-2fe2185c01db",
  /** Tagged ecephys; Grace's copy of spikeSorting, no panel, Ada's favorite. */
  spikeSortingCopy: "cb558ea2-b445-4b10-aa20-ace01a1f5d84",
  /** Grace's, with an asset that Ada may not open. */
  driftCorrection: "6103e1d1-2277-4460-9eac-718734f4f1bd",
  /** Tagged ecephys; an empty panel, never run. */
  ecephysQuality: "3486058f-15d0-4b74-b159-354200e472ed",
  /** Has one run in progress. */
  sequenceAligner: "f2c1bb60-16bb-4c57-a5c9-64ababd09a67",
  /** Has values of older platforms: null tags, empty strings, no panel. */
  oldForms: "f5cd7daa-0254-4bd6-842d-7dfc230ccb87",
  /** Its status is undocumented. */
  embargoed: "0ec7ca50-aea6-4467-9b9e-a0d1a0cd63ea",
  /** Ada's and archived: the one that may be deleted. */
  archivedNotebook: "482a451d-5ba6-4554-89a6-5687dc03a56a",
  /** Archived, but released: may not be deleted. */
  archivedRelease: "c3bf0d87-e92c-491c-8eef-9d317684862f",
  /** Ada's alone: 404 to Grace. */
  privateNotebook: "6887d19a-8612-44f8-9f10-57ad3cde127d",
  /** Ada's; Grace finds it, but gets 403 when she opens it. */
  discoverableAtlas: "074c9b22-283e-4d0b-bfd0-4f2ff2f6ba33",
  /** Grace's alone: 404 to Ada. */
  graceNotebook: "da3ab0c7-359d-47bf-8e92-e768b2f8d88b",

  // Pipelines
  /** Tagged ecephys: a panel of processes, versions, two runs. */
  ecephysPipeline: "a666b059-fe01-425e-80c5-35761d007f25",
  /** Grace's: no panel, one run, one version. */
  imagingPipeline: "8a3b1e35-f40c-4fec-b173-ca1c84e86fd4",
  /** Ada's and archived. */
  archivedPipeline: "0cdb0788-e098-46b3-a1be-ab2a27eac35b",
  /** Grace's alone: 404 to Ada. */
  gracePipeline: "900a3727-5d72-4da9-a3d1-4a6cde09104b",

  // Release jobs
  /** Of cellCounter: completed, its second version. */
  secondRelease: "f3a84b11-7e0d-4c63-8a59-2d6b1f90c7e4",
  /** Of cellCounter: failed. */
  failedRelease: "5b0e9d27-41c8-4f3a-b6d2-97e18c04fa36",
  /** Of cellCounter: canceled. */
  canceledRelease: "c81f6a90-25d4-4b7e-93af-06b8e2d5714c",
  /** Of imagingPipeline: completed, its first version. */
  imagingRelease: "2e7d50c6-9fb3-48a1-ae64-b13c8f0d92e5",

  // Computations
  /** Of cellCounter: succeeded, with results in nested folders. */
  countedCells: "b7fa9d95-6beb-452a-8d61-511a2c936bd7",
  /** Of cellCounter: stopped by its user, no results. */
  stoppedCount: "c85de1fd-ce17-4492-ad31-a61a78772ea9",
  /** Of cellCounter: failed. */
  failedCount: "728bd3ff-1c09-4422-b886-54181cfb37a2",
  /** Of cellCounter: a cloud workstation. */
  workstation: "49d6e26d-85f5-454f-9e24-65a6d588ec49",
  /** Of cellCounter: its created is a fraction, its end_status is undocumented. */
  preemptedCount: "993de56c-ed72-4949-95dd-e9d51dc754ec",
  /** Of releasedCellCounter: owned by the literal `release`. */
  releasedCount: "b6cdde25-21a6-4d12-99eb-c1296853c695",
  /** Of spikeSorting: succeeded. */
  sortedRun: "9d2b0555-9de3-41ce-875d-3b7bc92f5edf",
  /** Of spikeSorting: end_status succeeded, exit_code 1; the log has the failure. */
  hollowSuccess: "166f0d9b-fdd7-479f-9958-29da4cb660b0",
  /** Of spikeSorting: failed, killed with 137. */
  failedSorting: "39f2cf6f-359a-4ce1-8212-1e5319ac888b",
  /** Of spikeSorting: initializing for 60 s after the start, then fails after 300 s of running. */
  queuedSorting: "e08af831-58c4-4105-a612-b7ca2dc4aa08",
  /** Of spikeSortingCopy. */
  copiedSorting: "217cf04a-b933-4476-8cb3-4fc8ec82e3a0",
  /** Of driftCorrection. */
  correctedDrift: "62f0b8bf-3463-4bb2-a69d-391b6ac54c71",
  /** Of sequenceAligner: running at the start for another 600 s, then 30 s finalizing, then it succeeded. */
  runningAlignment: "001e6cb2-e740-462d-8653-f77bea8510d6",
  /** Of ecephysPipeline: succeeded, with processes. */
  pipelineRun: "e2b98bb1-9978-4783-b499-a3e20695d25f",
  /** Of ecephysPipeline: failed with the 1 that every pipeline error gives. */
  failedPipelineRun: "3a0e0c1c-db72-4125-b69d-b5c8b852e44a",
  /** Of imagingPipeline. */
  stitchedRun: "d05c5429-c486-4b8f-b867-56f73024d88b",
  /** Of graceNotebook: 404 to Ada. */
  graceRun: "8fcfe029-a260-406a-9df1-90c712596f65",

  // Data assets
  /** External dataset; its size is a string beyond 32 bits, custom metadata with spaces in its keys. */
  mouseRecording: "1d8d6c91-af55-4594-9e66-c816edf60821",
  /** Dataset of local origin: no size, never used. */
  probeGeometry: "282727df-4c94-4929-8c5e-a70bd9dd71b1",
  /** Internal dataset with files, one of them of three gigabytes. */
  cellImages: "777151e4-3bef-4acd-bb2a-e5e14dd54e20",
  /** Result of sortedRun, with full provenance. */
  sortedSpikes: "ac5f4e2a-27a0-4554-876f-af246ddc6dc7",
  /** Result of pipelineRun. */
  pipelineResult: "81acfcca-5036-4daf-a300-a77631cb1a50",
  /** Combined, of external assets. */
  combinedRecordings: "1312f345-6a1c-4a7c-9158-e393c1715f40",
  /** Model, whose last transfer failed. */
  segmentationModel: "63fa85af-7f04-416f-b120-c2c0af41c5c2",
  /** State failed, with a reason; of a GCP bucket. */
  failedImport: "8a8e8f51-4517-47fd-9598-a8450248bc10",
  /** State draft for 120 s after the start, then ready; created 0 and size 0 until then. */
  draftRecording: "331141bd-e389-4342-9eee-c583dbdf5d3f",
  /** Type and state are undocumented. */
  futureAsset: "bdede8d8-cfa3-4a22-9587-0d0705957333",
  /** Has no default mount. */
  looseFiles: "8d1d4796-1501-4d0c-afd6-7407ff6a3f1c",
  /** Ada's and archived. */
  archivedAsset: "d3d10ea7-62c9-419f-ad92-f2c18213afce",
  /** Has values of older platforms: null tags, empty strings, last_used 0. */
  oldAsset: "cd444843-0166-4d54-a3dd-91d8b15dea12",
  /** Ada's alone: 404 to Grace. */
  privateAsset: "7af9ac41-a7a7-4532-bf35-37f4854379d8",
  /** Ada's; 403 to Grace. */
  discoverableAsset: "0c17a35f-5342-455b-ae09-e5100c0be4ef",
  /** Grace's; attached to driftCorrection, but 403 to Ada. */
  graceLocked: "0d1f3231-4668-4dec-b783-81d953510058",
  /** Has the id that the official client's pipeline example runs with. */
  exampleReference: "eeefcc52-b445-4e3c-80c5-0e65526cd712",
} as const

const everyScope: readonly Scope[] = ["capsules:read", "capsules:write", "datasets:read", "datasets:write"]

/** The user and the scopes of each token. */
export function accounts(): Map<string, Access> {
  const open = (user: User, scopes = everyScope): Access => ({ user, scopes: new Set(scopes) })
  const ending = (part: string) => everyScope.filter((scope) => scope.includes(part))
  return new Map([
    [tokens.ada, open(users.ada)],
    [tokens.grace, open(users.grace)],
    [tokens.admin, open(users.admin)],
    [tokens.readOnly, open(users.ada, ending(":read"))],
    [tokens.noDatasets, open(users.ada, ending("capsules:"))],
    [tokens.noCapsules, open(users.ada, ending("datasets:"))],
  ])
}
