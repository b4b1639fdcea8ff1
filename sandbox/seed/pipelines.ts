import { seed, users } from "../seed.ts"
import type { World } from "../world.ts"
import { addOwned, addRun, lab, onlyOwner, succeeded } from "./objects.ts"

/** The pipelines and their runs. */
export function addPipelines(world: World): void {
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
    description: "Stitches and registers.",
    field: "Neuroscience",
    tags: ["imaging"],
    versions: [{ major_version: 1, minor_version: 0, release_time: 1_746_000_000 }],
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
