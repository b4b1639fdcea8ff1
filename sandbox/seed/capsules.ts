import { seed, users } from "../seed.ts"
import type { World } from "../world.ts"
import { addOwned, addRun, discoverable, lab, onlyOwner, succeeded, visitor } from "./objects.ts"

/** All capsules except the Cell Counter and its release, with their runs. */
export function addCapsules(world: World): void {
  const now = world.clock.now()

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
