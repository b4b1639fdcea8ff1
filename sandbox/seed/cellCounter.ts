import { seed, users } from "../seed.ts"
import type { AppPanel, World } from "../world.ts"
import { addOwned, addRun, lab, succeeded, visitor } from "./objects.ts"

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

/** The Cell Counter, its release and the capsule that verified it, with their runs. */
export function addCellCounter(world: World): void {
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
}
