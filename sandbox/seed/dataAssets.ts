import { seed, users } from "../seed.ts"
import { addDataAsset, type DataAsset, type World } from "../world.ts"
import { discoverable, type Given, onlyOwner } from "./objects.ts"

/** The data assets. */
export function addDataAssets(world: World): void {
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
