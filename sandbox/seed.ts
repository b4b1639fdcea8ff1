import {
  type Access,
  type AppPanel,
  addComputation,
  addDataAsset,
  addRunnable,
  type Capsule,
  type Computation,
  type DataAsset,
  fillPanels,
  type Kind,
  type Permissions,
  type RunnableRecord,
  type Scope,
  type User,
  type World,
} from "./world.ts"

/** Access tokens, to be used as the user name of HTTP Basic. */
export const tokens = {
  /** Owner of most objects. */
  ada: "cop_demo_ada",
  /** Second user: sees what is shared, and has things of her own. */
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

/** The named cast: ids of capsules, pipelines, computations and data assets. */
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
  /** Answers as older platforms do: null tags, empty strings, no panel. */
  oldForms: "f5cd7daa-0254-4bd6-842d-7dfc230ccb87",
  /** Its status is none that the documentation knows. */
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
  /** Grace's: no panel, one run. */
  imagingPipeline: "8a3b1e35-f40c-4fec-b173-ca1c84e86fd4",
  /** Ada's and archived. */
  archivedPipeline: "0cdb0788-e098-46b3-a1be-ab2a27eac35b",
  /** Grace's alone: 404 to Ada. */
  gracePipeline: "900a3727-5d72-4da9-a3d1-4a6cde09104b",

  // Computations
  /** Of cellCounter: succeeded, with results in nested folders. */
  countedCells: "b7fa9d95-6beb-452a-8d61-511a2c936bd7",
  /** Of cellCounter: stopped by its user, no results. */
  stoppedCount: "c85de1fd-ce17-4492-ad31-a61a78772ea9",
  /** Of cellCounter: failed. */
  failedCount: "728bd3ff-1c09-4422-b886-54181cfb37a2",
  /** Of cellCounter: a cloud workstation. */
  workstation: "49d6e26d-85f5-454f-9e24-65a6d588ec49",
  /** Of cellCounter: its created is a fraction, its end_status none that the documentation knows. */
  preemptedCount: "993de56c-ed72-4949-95dd-e9d51dc754ec",
  /** Of releasedCellCounter: owned by the literal `release`. */
  releasedCount: "b6cdde25-21a6-4d12-99eb-c1296853c695",
  /** Of spikeSorting: succeeded. */
  sortedRun: "9d2b0555-9de3-41ce-875d-3b7bc92f5edf",
  /** Of spikeSorting: end_status succeeded, exit_code 1; the log tells. */
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
  /** Type and state are none that the documentation knows. */
  futureAsset: "bdede8d8-cfa3-4a22-9587-0d0705957333",
  /** Has no default mount. */
  looseFiles: "8d1d4796-1501-4d0c-afd6-7407ff6a3f1c",
  /** Ada's and archived. */
  archivedAsset: "d3d10ea7-62c9-419f-ad92-f2c18213afce",
  /** Answers as older platforms do: null tags, empty strings, last_used 0. */
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

/** What each token opens. */
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

const onlyOwner: Permissions = { everyone: "none" }
const discoverable: Permissions = { everyone: "discoverable" }

const lab = { name: "Ada Byron", affiliation: "Institute for Example Neuroscience" }
const visitor = { name: "Grace Murray", affiliation: "Example Imaging Center" }

/**
 * Adds the named cast to a world; `documentedOnly` leaves out those with values that the documentation doesn't know. What
 * runs or is being made starts when the world does.
 */
export function addSeed(world: World, documentedOnly: boolean): void {
  addDataAssets(world)
  addCapsules(world)
  addPipelines(world)
  fillPanels(world)
  if (!documentedOnly) return
  world.dataAssets.delete(seed.futureAsset)
  world.runnables.delete(seed.embargoed)
  world.computations.delete(seed.preemptedCount)
  for (const runnable of world.runnables.values())
    runnable.computations = runnable.computations.filter((id) => world.computations.has(id))
}

type Given<T, K extends keyof T> = Omit<T, K> & Partial<Pick<T, K>>

function addOwned(
  world: World,
  kind: Kind,
  wire: Given<Capsule, "owner" | "status">,
  rest: Partial<RunnableRecord> = {},
): RunnableRecord {
  return addRunnable(world, kind, { status: "non_release", owner: users.ada.id, ...wire }, rest)
}

function addRun(
  world: World,
  parent: RunnableRecord,
  wire: Given<Computation, "owner" | "state">,
  rest: Parameters<typeof addComputation>[3] = {},
): void {
  addComputation(world, parent, { owner: parent.owner, state: "completed", ...wire }, rest)
}

const succeeded = { state: "completed", end_status: "succeeded", exit_code: 0, has_results: true } as const

const cellCounterPanel: AppPanel = {
  general: {
    title: "Count cells",
    instructions: "1. Choose a **stain**.\n2. Run.\n\nCounts land in `counts.csv`.",
    help_text: "Works on 8 and 16 bit images.",
  },
  categories: [
    { id: "cat-input", name: "Input", description: "What to count", help_text: "Images come from the attached asset." },
    { id: "cat-tuning", name: "Tuning" },
  ],
  parameters: [
    {
      name: "Stain",
      type: "list",
      category: "cat-input",
      param_name: "stain",
      description: "Which stain the nuclei have",
      help_text: "DAPI for most sections.",
      value_type: "string",
      default_value: "DAPI",
      required: true,
      hidden: false,
      value_options: ["DAPI", "Hoechst", "NeuN"],
    },
    {
      name: "Threshold",
      type: "text",
      category: "cat-tuning",
      param_name: "threshold",
      value_type: "float",
      default_value: "0.35",
      required: false,
      minimum: 0,
      maximum: 0.95,
    },
    {
      name: "Sample",
      type: "text",
      category: "cat-input",
      param_name: "sample",
      value_type: "string",
      pattern: "^[A-Z]{2}\\d{4}$",
    },
    { name: "Mask", type: "file", param_name: "mask", description: "Image of the region to look at" },
    { name: "Trace id", type: "text", param_name: "trace", default_value: "none", hidden: true },
  ],
  results: [{ file_name: "counts.csv" }, { file_name: "figures/overlay.png" }],
}

function addCapsules(world: World): void {
  const now = world.clock.now()

  const cellCounter = addOwned(
    world,
    "capsules",
    {
      id: seed.cellCounter,
      created: 1_704_110_400,
      name: "Cell Counter",
      slug: "1048576",
      owner_email: users.ada.email,
      last_accessed: 1_767_225_600.25,
      description:
        '# Cell Counter 🔬\n\nCounts nuclei in *stained* sections.\n\n- fast\n- reproducible\n\nSee `README.md`; works for "bright" & <dim> cells.',
      field: "Cell Biology",
      tags: ["imaging", "cell counting", "Demo"],
      cloned_from_url: "https://git.example.org/lab/cell-counter.git",
      original_capsule: {
        id: "54674e69-6a60-49bc-bd93-a22e259923e5",
        major_version: 3,
        minor_version: 1,
        name: "Nuclei Starter",
        created: 1_640_995_200,
        public: true,
      },
      release_capsule: seed.releasedCellCounter,
      submission: {
        timestamp: 1_735_689_600,
        commit: "6f1ed002ab5595859014ebf0951522d9a1b2c3d4",
        verification_capsule: seed.verificationCellCounter,
        verified: true,
        verified_timestamp: 1_735_776_000,
      },
      article: {
        url: "https://journal.example.org/articles/42",
        id: "935ff082-f314-4a31-b4be-aace75d2b1e8",
        doi: "10.5555/example.2025.42",
        citation: "Byron A, Murray G. Counting cells you can trust. Example Journal 7 (2025).",
        state: "published",
        name: "Counting cells you can trust",
        journal_name: "Example Journal of Imaging",
        publish_time: 1_738_368_000,
      },
    },
    {
      panel: cellCounterPanel,
      authors: [lab, visitor],
      customMetadata: { "subject id": "730945", priority: 2 },
      permissions: { everyone: "viewer", users: [{ email: users.grace.email, role: "editor" }] },
      attachments: [
        { id: seed.cellImages, mount: "images" },
        { id: seed.segmentationModel, mount: "model" },
      ],
    },
  )
  const inputs = [{ id: seed.cellImages, mount: "images" }, { id: seed.segmentationModel }]
  addRun(
    world,
    cellCounter,
    {
      id: seed.countedCells,
      created: 1_767_139_200,
      name: "Run 3 - all sections",
      run_time: 184,
      owner_email: users.ada.email,
      ...succeeded,
      cloud_workstation: false,
      parameters: [
        { name: "Stain", param_name: "stain", value: "DAPI" },
        { name: "Threshold", param_name: "threshold", value: "0.40" },
      ],
      data_assets: inputs,
    },
    {
      files: {
        output: "Loading 2 sections\nsection 1: 812 cells\nsection 2: 790 cells ✓\nDone\n",
        "processing.json": '{\n  "processing": { "name": "Cell Counter", "version": "1.2.0", "threshold": 0.4 }\n}\n',
        "counts.csv": "section,cells\n1,812\n2,790\n",
        "figures/overlay.svg": '<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>\n',
        "figures/raw/section 1.csv": "x,y\n3,4\n",
        "figures/raw/Übersicht & mehr.txt": "two sections\n",
        "volume.dat": { size: 3_221_225_472 },
      },
    },
  )
  addRun(world, cellCounter, {
    id: seed.stoppedCount,
    created: 1_767_052_800,
    name: "Run 2",
    run_time: 12,
    end_status: "stopped",
    has_results: false,
    data_assets: inputs,
  })
  addRun(world, cellCounter, {
    id: seed.failedCount,
    created: 1_766_966_400,
    name: "Run 1",
    run_time: 7,
    state: "failed",
    end_status: "failed",
    exit_code: 2,
    has_results: true,
    parameters: [{ param_name: "threshold", value: "much" }],
  })
  addRun(world, cellCounter, {
    id: seed.workstation,
    created: 1_766_880_000,
    name: "JupyterLab",
    run_time: 5400,
    end_status: "succeeded",
    cloud_workstation: true,
    owner: users.grace.id,
    owner_email: users.grace.email,
  })
  addRun(world, cellCounter, {
    id: seed.preemptedCount,
    created: 1_766_793_600.75,
    name: "Run 0",
    run_time: 61,
    state: "failed",
    end_status: "preempted",
    exit_code: 143,
    has_results: false,
  })

  const released = addOwned(
    world,
    "capsules",
    {
      id: seed.releasedCellCounter,
      created: 1_735_689_600,
      name: "Cell Counter",
      slug: "2097152",
      status: "release",
      field: "Cell Biology",
      tags: ["imaging"],
      description: "The released Cell Counter.",
      last_accessed: 1_764_547_200,
      versions: [
        { major_version: 1, minor_version: 0, release_time: 1_735_776_000, doi: "10.5555/example.cellcounter.v1" },
        { major_version: 2, minor_version: 1, release_time: 1_751_328_000, doi: "10.5555/example.cellcounter.v2" },
      ],
    },
    {
      panel: cellCounterPanel,
      versionPanels: new Map([[1, { general: { title: "Count cells (first release)" } }]]),
      authors: [lab],
    },
  )
  addRun(world, released, {
    id: seed.releasedCount,
    created: 1_751_414_400,
    name: "Reproducible run",
    run_time: 199,
    owner: "release",
    ...succeeded,
  })
  addOwned(world, "capsules", {
    id: seed.verificationCellCounter,
    created: 1_735_732_800,
    name: "Verification of Cell Counter",
    slug: "3145728",
  })

  const spikeSorting = addOwned(
    world,
    "capsules",
    {
      id: seed.spikeSorting,
      created: 1_719_792_000,
      name: "Spike Sorting",
      slug: "4194304",
      owner_email: users.ada.email,
      last_accessed: 1_767_312_000,
      description: "Sorts spikes of multi-channel probes.",
      field: "Neuroscience",
      tags: ["ecephys", "spike sorting"],
      cloned_from_url: "https://git.example.org/lab/spike-sorting",
    },
    {
      authors: [lab],
      customMetadata: { "subject id": "730945", "data level": "derived" },
      attachments: [
        { id: seed.mouseRecording, mount: "ecephys_730945" },
        { id: seed.probeGeometry, mount: "probe" },
      ],
      panel: {
        general: { title: "Spike sorting" },
        parameters: [
          {
            name: "Sorter",
            type: "list",
            param_name: "sorter",
            default_value: "kilosort",
            value_options: ["kilosort"],
          },
          { name: "Min. units", type: "text", param_name: "min_units", value_type: "integer", minimum: 0 },
        ],
      },
    },
  )
  const recording = [{ id: seed.mouseRecording, mount: "ecephys_730945" }]
  addRun(world, spikeSorting, {
    id: seed.sortedRun,
    created: 1_767_225_600,
    name: "Mouse 730945",
    run_time: 5120,
    ...succeeded,
    parameters: [{ name: "Sorter", param_name: "sorter", value: "kilosort" }],
    data_assets: [...recording, { id: seed.probeGeometry, mount: "probe" }],
  })
  addRun(
    world,
    spikeSorting,
    {
      id: seed.hollowSuccess,
      created: 1_767_229_200,
      name: "Mouse 730945 again",
      run_time: 31,
      ...succeeded,
      exit_code: 1,
      data_assets: recording,
    },
    { files: { output: 'Loading\nTraceback (most recent call last):\n  File "sort.py", line 9\nMemoryError\n' } },
  )
  addRun(world, spikeSorting, {
    id: seed.failedSorting,
    created: 1_767_232_800,
    name: "Mouse 730945, more units",
    run_time: 310,
    state: "failed",
    end_status: "failed",
    exit_code: 137,
    has_results: true,
    data_assets: recording,
  })
  addRun(
    world,
    spikeSorting,
    { id: seed.queuedSorting, created: Math.floor(now), name: "Mouse 730946", run_time: 0, data_assets: recording },
    {
      life: {
        started: now,
        initializing: 60,
        running: 300,
        finalizing: 10,
        end: { state: "failed", end_status: "failed", exit_code: 1, has_results: true },
      },
    },
  )

  const copy = addOwned(
    world,
    "capsules",
    {
      id: seed.spikeSortingCopy,
      created: 1_725_148_800,
      name: "Copy of Spike Sorting",
      slug: "5242880",
      owner: users.grace.id,
      owner_email: users.grace.email,
      tags: ["ecephys"],
      original_capsule: { id: seed.spikeSorting, name: "Spike Sorting", public: false },
    },
    {
      authors: [visitor],
      favoriteOf: new Set([users.ada.id]),
      attachments: [{ id: seed.mouseRecording, mount: "recording" }],
    },
  )
  addRun(world, copy, {
    id: seed.copiedSorting,
    created: 1_766_620_800,
    name: "Run 1",
    run_time: 4800,
    ...succeeded,
    data_assets: [{ id: seed.mouseRecording, mount: "recording" }],
  })

  const drift = addOwned(
    world,
    "capsules",
    {
      id: seed.driftCorrection,
      created: 1_730_419_200,
      name: "Drift Correction",
      slug: "6291456",
      owner: users.grace.id,
      last_accessed: 1_766_448_000,
      description: "Aligns units over time.\r\n\r\n> Run it *before* sorting.",
      field: "Neuroscience",
      tags: ["drift"],
    },
    {
      authors: [visitor],
      attachments: [
        { id: seed.mouseRecording, mount: "recording" },
        { id: seed.graceLocked, mount: "reference" },
      ],
      panel: {
        general: { title: "Drift correction" },
        // The pipeline's process has a category with this id too.
        categories: [{ id: "cat-drift", name: "Alignment" }],
        results: [{ file_name: "drift.csv" }],
      },
    },
  )
  addRun(world, drift, {
    id: seed.correctedDrift,
    created: 1_766_448_000,
    name: "Run 1",
    run_time: 900,
    ...succeeded,
    data_assets: [
      { id: seed.mouseRecording, mount: "recording" },
      { id: seed.graceLocked, mount: "reference" },
    ],
  })
  addOwned(
    world,
    "capsules",
    {
      id: seed.ecephysQuality,
      created: 1_733_011_200,
      name: "Ecephys Quality Report",
      slug: "7340032",
      tags: ["ecephys", "qc"],
    },
    { panel: {}, authors: [lab] },
  )

  const aligner = addOwned(
    world,
    "capsules",
    {
      id: seed.sequenceAligner,
      created: 1_738_368_000,
      name: "Sequence Aligner for Single-Cell Reads",
      slug: "8388608",
      field: "Genomics",
      tags: ["genomics", "RNA-seq"],
      article: { state: "in_review", name: "Aligning reads, slowly", journal_name: "Example Genomics" },
    },
    { authors: [lab], attachments: [{ id: seed.looseFiles, mount: "reads" }] },
  )
  addRun(
    world,
    aligner,
    {
      id: seed.runningAlignment,
      created: Math.floor(now) - 150,
      name: "Lane 7",
      run_time: 0,
      parameters: [{ value: "--fast" }],
      data_assets: [{ id: seed.looseFiles, mount: "reads" }],
    },
    { life: { started: now - 150, initializing: 30, running: 720, finalizing: 30, end: succeeded } },
  )

  addOwned(world, "capsules", {
    id: seed.oldForms,
    created: 1_577_836_800,
    name: "Legacy Plots",
    slug: "9437184",
    owner_email: "",
    last_accessed: 0,
    description: "",
    field: "",
    tags: null,
    cloned_from_url: "",
    release_capsule: "",
  })
  addOwned(world, "capsules", {
    id: seed.embargoed,
    created: 1_746_057_600,
    name: "Embargoed Analysis",
    slug: "1572864",
    status: "under_embargo",
    tags: ["genomics"],
    submission: { timestamp: 1_746_144_000, verified: false },
  })
  addOwned(
    world,
    "capsules",
    { id: seed.archivedNotebook, created: 1_609_459_200, name: "Archived Notebook", slug: "1179648", tags: ["old"] },
    { archived: true },
  )
  addOwned(
    world,
    "capsules",
    {
      id: seed.archivedRelease,
      created: 1_612_137_600,
      name: "Archived Release",
      slug: "1310720",
      status: "release",
      versions: [{ major_version: 1, minor_version: 0, release_time: 1_614_556_800 }],
    },
    { archived: true },
  )
  addOwned(
    world,
    "capsules",
    { id: seed.privateNotebook, created: 1_754_006_400, name: "Private Notebook", slug: "1441792" },
    { permissions: onlyOwner },
  )
  addOwned(
    world,
    "capsules",
    {
      id: seed.discoverableAtlas,
      created: 1_756_684_800,
      name: "Discoverable Atlas",
      slug: "1703936",
      tags: ["atlas"],
    },
    { permissions: discoverable, panel: { general: { title: "Atlas" } } },
  )
  const graceNotebook = addOwned(
    world,
    "capsules",
    {
      id: seed.graceNotebook,
      created: 1_759_276_800,
      name: "Grace's Notebook",
      slug: "1835008",
      owner: users.grace.id,
    },
    { permissions: onlyOwner },
  )
  addRun(world, graceNotebook, {
    id: seed.graceRun,
    created: 1_759_363_200,
    name: "Run 1",
    run_time: 3,
    ...succeeded,
  })
}

function addPipelines(world: World): void {
  const steps = [
    { name: "capsule_drift_correction_1", capsule_id: seed.driftCorrection },
    { name: "capsule_spike_sorting_2", capsule_id: seed.spikeSorting, version: 2, public: true },
  ] as const
  const pipeline = addOwned(
    world,
    "pipelines",
    {
      id: seed.ecephysPipeline,
      created: 1_741_000_000,
      name: "Ecephys Pipeline",
      slug: "1966080",
      owner_email: users.ada.email,
      last_accessed: 1_767_100_000,
      description: "Drift correction, then sorting.",
      field: "Neuroscience",
      tags: ["ecephys", "pipeline"],
      versions: [{ major_version: 1, minor_version: 0, release_time: 1_745_000_000 }],
    },
    {
      authors: [lab],
      attachments: [{ id: seed.mouseRecording, mount: "ecephys_730945" }],
      processes: [...steps],
      panel: {
        general: { title: "Ecephys pipeline", instructions: "Choose a sorter." },
        processes: [
          {
            name: "capsule_drift_correction_1",
            categories: [{ id: "cat-drift", name: "Drift" }],
            parameters: [
              {
                name: "Window",
                type: "text",
                category: "cat-drift",
                param_name: "window",
                value_type: "integer",
                default_value: "30",
              },
            ],
          },
          { name: "capsule_spike_sorting_2" },
        ],
        results: [{ file_name: "units.csv" }],
      },
    },
  )
  const processes = [{ ...steps[0], parameters: [{ name: "Window", param_name: "window", value: "30" }] }, steps[1]]
  addRun(world, pipeline, {
    id: seed.pipelineRun,
    created: 1_767_000_000,
    name: "Nightly",
    run_time: 7300,
    ...succeeded,
    nextflow_profile: "standard",
    data_assets: [{ id: seed.mouseRecording, mount: "ecephys_730945" }],
    processes,
  })
  addRun(world, pipeline, {
    id: seed.failedPipelineRun,
    created: 1_766_900_000,
    name: "Nightly, before the fix",
    run_time: 80,
    state: "failed",
    end_status: "failed",
    exit_code: 1,
    has_results: true,
    processes: [processes[0]!],
  })
  const imaging = addOwned(world, "pipelines", {
    id: seed.imagingPipeline,
    created: 1_743_000_000,
    name: "Imaging Pipeline",
    slug: "2228224",
    owner: users.grace.id,
    tags: ["imaging"],
  })
  addRun(world, imaging, {
    id: seed.stitchedRun,
    created: 1_766_000_000,
    name: "Brain 12",
    run_time: 86_400,
    ...succeeded,
    data_assets: [{ id: seed.cellImages, mount: "images" }],
  })
  addOwned(
    world,
    "pipelines",
    { id: seed.archivedPipeline, created: 1_620_000_000, name: "Archived Pipeline", slug: "2359296" },
    { archived: true },
  )
  addOwned(
    world,
    "pipelines",
    {
      id: seed.gracePipeline,
      created: 1_744_000_000,
      name: "Grace's Pipeline",
      slug: "2490368",
      owner: users.grace.id,
    },
    { permissions: onlyOwner },
  )
}

function addDataAssets(world: World): void {
  const now = world.clock.now()
  const add = (
    wire: Given<DataAsset, "owner" | "state" | "type" | "last_used">,
    rest: Parameters<typeof addDataAsset>[2] = {},
  ) => addDataAsset(world, { owner: users.ada.id, state: "ready", type: "dataset", last_used: 0, ...wire }, rest)

  add({
    id: seed.mouseRecording,
    created: 1_718_236_800,
    name: "ecephys_730945_2024-06-13",
    mount: "ecephys_730945",
    last_used: 1_767_232_800,
    files: 48_211,
    size: "535129947980",
    owner_email: users.ada.email,
    description: "Raw recording of one day.\n\n**Do not edit.**",
    tags: ["ecephys", "raw", "730945"],
    source_bucket: { origin: "aws", bucket: "example-open-data", prefix: "ecephys_730945_2024-06-13", external: true },
    custom_metadata: {
      "subject id": "730945",
      "data level": "raw",
      "probe count": 4,
      "acquisition date": 1_718_236_800,
      "hours recorded": 1.5,
    },
  })
  add({
    id: seed.probeGeometry,
    created: 1_690_000_000,
    name: "probe-geometry",
    mount: "probe",
    source_bucket: { origin: "local" },
  })
  add(
    {
      id: seed.cellImages,
      created: 1_703_980_800,
      name: "Stained sections",
      mount: "images",
      last_used: 1_767_139_200,
      files: 4,
      size: 3_221_299_200,
      owner_email: users.ada.email,
      tags: ["imaging"],
      source_bucket: { origin: "aws", bucket: "example-imaging", prefix: "sections/2023" },
      custom_metadata: { "subject id": "640118", "data level": "raw" },
    },
    {
      files: {
        "README.md": "# Stained sections\n\nTwo sections, DAPI.\n",
        "processing.json": '{ "processing": null }\n',
        "sections/section 1.tif": { size: 3_221_225_472 },
        "sections/section 2.tif": { size: 73_640 },
      },
    },
  )
  add(
    {
      id: seed.sortedSpikes,
      created: 1_767_229_000,
      name: "ecephys_730945_sorted",
      mount: "ecephys_730945_sorted",
      type: "result",
      last_used: 1_767_230_000,
      files: 3,
      size: 8_817_442,
      tags: ["ecephys", "derived", "730945"],
      description: "Units of mouse 730945.",
      field: "Neuroscience",
      provenance: {
        commit: "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567",
        run_script: "code/run",
        docker_image: "images.example.org/spike-sorting:4f1c",
        capsule: seed.spikeSorting,
        computation: seed.sortedRun,
        data_assets: [seed.mouseRecording, seed.probeGeometry],
      },
      app_parameters: [{ name: "Sorter", param_name: "sorter", value: "kilosort" }, { value: "--verbose" }],
      custom_metadata: { "subject id": "730945", "data level": "derived" },
    },
    {
      files: {
        output: "Sorting\n214 units\n",
        "processing.json": '{ "processing": { "name": "Spike Sorting", "units": 214 } }\n',
        "units/summary.csv": "unit,spikes\n1,9120\n2,411\n",
      },
    },
  )
  add({
    id: seed.pipelineResult,
    created: 1_767_010_000,
    name: "nightly_730945",
    mount: "nightly",
    type: "result",
    last_used: 1_767_020_000,
    files: 3,
    size: 91_002,
    tags: ["ecephys"],
    nextflow_profile: "standard",
    provenance: { docker_image: "", computation: seed.pipelineRun, data_assets: [seed.mouseRecording] },
    app_parameters: [{ name: "window", value: "30" }],
  })
  add({
    id: seed.combinedRecordings,
    created: 1_760_000_000,
    name: "Two recordings",
    mount: "recordings",
    type: "combined",
    last_used: 1_766_000_000,
    tags: ["ecephys"],
    contained_data_assets: [
      { id: seed.mouseRecording, mount: "ecephys_730945", size: 535_129_947_980 },
      { mount: "missing_recording" },
    ],
  })
  add({
    id: seed.segmentationModel,
    created: 1_700_000_000,
    name: "nuclei-unet",
    mount: "model",
    type: "model",
    last_used: 1_767_139_200.5,
    files: 2,
    size: 104_857_600,
    tags: ["imaging", "model"],
    last_transferred: 1_750_000_000,
    transfer_error: "AccessDenied: the target bucket refused the copy",
    source_bucket: { origin: "gcp", bucket: "example-models", prefix: "unet" },
  })
  add({
    id: seed.failedImport,
    created: 1_762_000_000,
    name: "import-2025-11",
    mount: "import",
    state: "failed",
    size: 0,
    failure_reason: "NoSuchBucket: the specified bucket does not exist",
    source_bucket: { origin: "gcp", bucket: "example-missing" },
  })
  add(
    { id: seed.draftRecording, created: 0, name: "ecephys_730946", mount: "ecephys_730946", state: "draft", size: 0 },
    {
      creation: {
        at: now + 120,
        becomes: { state: "ready", created: Math.floor(now) + 120, files: 2, size: 4_404_019_200 },
      },
    },
  )
  add({
    id: seed.futureAsset,
    created: 1_763_000_000,
    name: "knowledge graph",
    mount: "graph",
    type: "knowledge_graph",
    state: "quarantined",
    last_used: 1_763_500_000,
    source_bucket: { origin: "azure", bucket: "example-graphs" },
  })
  add({ id: seed.looseFiles, created: 1_739_000_000, name: "reads lane 7", mount: "", size: 12 })
  add(
    { id: seed.archivedAsset, created: 1_600_000_000, name: "old recording", mount: "old", size: 1024 },
    { archived: true },
  )
  add({
    id: seed.oldAsset,
    created: 1_560_000_000,
    name: "legacy table",
    mount: "legacy",
    description: "",
    tags: null,
    owner_email: "",
    failure_reason: "",
    transfer_error: "",
    provenance: { commit: "", run_script: "", docker_image: "", capsule: "", computation: "" },
  })
  add(
    { id: seed.privateAsset, created: 1_755_000_000, name: "unpublished", mount: "unpublished", size: 77 },
    { permissions: onlyOwner },
  )
  add(
    { id: seed.discoverableAsset, created: 1_757_000_000, name: "atlas volumes", mount: "atlas", size: 9_000_000_000 },
    { permissions: discoverable },
  )
  add(
    {
      id: seed.graceLocked,
      created: 1_729_000_000,
      name: "reference drift",
      mount: "reference",
      owner: users.grace.id,
      size: 2048,
    },
    { permissions: discoverable },
  )
  add({ id: seed.exampleReference, created: 1_650_000_000, name: "Reference", mount: "Reference", size: 4096 })
}
