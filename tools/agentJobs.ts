import { seed } from "../sandbox/seed.ts"
import type { TheirTools, Wire } from "./theirServer.ts"

/** A tool call: its name and arguments. */
export type ToolCall = readonly [name: string, args: object]

/** A job, with the calls of a careful agent that makes no mistake, with our tools and with those of Code Ocean's own MCP server. */
export interface Job {
  name: string
  ours(call: Ours): Promise<void>
  theirs(call: TheirTools): Promise<void>
  /** Where the two sides do not do the same. */
  note?: string
  /** Whether the sandbox has 40 more data assets. */
  many?: true
}

/** Calls one of our tools and resolves with its answer. */
// biome-ignore lint/suspicious/noExplicitAny: answers have any shape.
export type Ours = (name: string, args?: Record<string, unknown>) => Promise<any>

const isBad = ({ end_status, exit_code, state }: Wire) =>
  state === "failed" || end_status === "failed" || (state === "completed" && exit_code !== undefined && exit_code !== 0)

const stain = [{ param_name: "stain", value: "NeuN" }]
const ours = { stain: [{ paramName: "stain", value: "NeuN" }] }

const fortyDataAssets = [
  { key: "tags", value: "generated" },
  { key: "data level", value: "raw" },
]

/** The twelve jobs of docs/jobs.md, and the one that the tools for agents are for. */
export const agentJobs: readonly Job[] = [
  {
    name: "which runs failed lately, why, and on which data?",
    note: "Both search what the caller created, and what was shared. Without `ownership`, a search finds all that is public, too.",
    ours: (call) => call("what_failed"),
    async theirs(call) {
      const inputs = new Set<string>()
      for (const search of ["search_capsules", "search_pipelines"]) {
        for (const ownership of ["created", "shared"]) {
          const { items } = await call(search, { search_params: { ownership, limit: 1000 } })
          for (const { id } of items) {
            // Fails for those that the caller may find, but not open.
            const runs = (await call("list_computations", { capsule_id: id })) ?? []
            for (const run of runs.filter(isBad)) {
              await call("download_and_read_a_file_from_computation", { computation_id: run.id, file_path: "output" })
              for (const { id } of run.data_assets ?? []) inputs.add(id)
            }
          }
        }
      }
      for (const data_asset_id of inputs) await call("get_data_asset", { data_asset_id })
    },
  },
  {
    name: "the newest data asset with a tag, and where it came from",
    async ours(call) {
      const filters = [{ key: "tags", value: "derived" }]
      await call("find_data", { filters, orderBy: { field: "CREATED", direction: "DESC" }, first: 1, provenance: true })
    },
    async theirs(call) {
      const filters = [{ key: "tags", value: "derived" }]
      const newest = { filters, sort_field: "created", sort_order: "desc", limit: 1 }
      const { items } = await call("search_data_assets", { search_params: newest })
      const { provenance } = await call("get_data_asset", { data_asset_id: items[0].id })
      await call("get_capsule", { capsule_id: provenance.capsule })
      await call("get_computation", { computation_id: provenance.computation })
      for (const data_asset_id of provenance.data_assets) await call("get_data_asset", { data_asset_id })
    },
  },
  {
    name: "run, wait, capture, share",
    note: "Theirs cannot share, which costs ours three calls, and looks for no earlier capture, which costs one. Its agent compares the values with the app panel; ours leaves that to `run`.",
    async ours(call) {
      const { runCapsule } = await call("run", { id: seed.cellCounter, values: ours.stain })
      await call("capture_result", {
        id: runCapsule.computation.id,
        name: "Counts",
        mount: "counts",
        tags: ["counts"],
        users: [{ email: "grace@example.org", role: "VIEWER" }],
      })
    },
    async theirs(call) {
      await call("get_capsule_app_panel", { capsule_id: seed.cellCounter })
      const run = await call("run_capsule", { run_params: { capsule_id: seed.cellCounter, named_parameters: stain } })
      await call("wait_until_completed", { computation_id: run.id })
      const source = { computation: { id: run.id } }
      const wanted = { name: "Counts", mount: "counts", tags: ["counts"], source }
      const data_asset = await call("create_data_asset", { data_asset_params: wanted })
      await call("wait_until_ready", { data_asset })
    },
  },
  {
    name: "did this run really succeed?",
    ours: (call) => call("show_run", { id: seed.hollowSuccess }),
    async theirs(call) {
      const computation_id = seed.hollowSuccess
      await call("get_computation", { computation_id })
      await call("download_and_read_a_file_from_computation", { computation_id, file_path: "output" })
    },
  },
  {
    name: "the failed runs of a pipeline, and why",
    ours: (call) => call("failed_runs", { id: seed.ecephysPipeline, pipeline: true }),
    async theirs(call) {
      const runs = await call("list_computations", { capsule_id: seed.ecephysPipeline })
      for (const { id } of runs.filter(isBad)) {
        await call("download_and_read_a_file_from_computation", { computation_id: id, file_path: "output" })
      }
    },
  },
  {
    name: "which runs used this data asset?",
    ours: (call) => call("used_by", { id: seed.mouseRecording }),
    async theirs(call) {
      for (const search of ["search_capsules", "search_pipelines"]) {
        const { items } = await call(search, { search_params: { query: seed.mouseRecording } })
        for (const { id } of items) await call("list_computations", { capsule_id: id })
      }
    },
  },
  {
    name: "all data assets of a subject, with their metadata",
    note: "40 of them",
    many: true,
    ours: (call) => call("find_data", { filters: fortyDataAssets, metadata: true, first: 100 }),
    async theirs(call) {
      const { items } = await call("search_data_assets", { search_params: { filters: fortyDataAssets } })
      for (const { id } of items) await call("get_data_asset", { data_asset_id: id })
    },
  },
  {
    name: "edit the tags of many data assets, after a dry run",
    note: "40 of them. Both read each again after the user has agreed, since a write replaces all its tags. Theirs has no dry run: its agent shows what the search has found.",
    many: true,
    async ours(call) {
      const { items } = await call("edit_data", { search: { filters: fortyDataAssets }, addTags: ["checked"] })
      const ids = items.map(({ dataAssetId }: { dataAssetId: string }) => dataAssetId)
      await call("edit_data", { ids, addTags: ["checked"], dryRun: false })
    },
    async theirs(call) {
      const { items } = await call("search_data_assets", { search_params: { filters: fortyDataAssets } })
      for (const { id } of items) {
        const { tags } = await call("get_data_asset", { data_asset_id: id })
        await call("update_metadata", { data_asset_id: id, update_params: { tags: [...tags, "checked"] } })
      }
    },
  },
  {
    name: "attach by name, tag or query",
    async ours(call) {
      await call("attach_data", { capsuleId: seed.ecephysQuality, search: { query: "name:sorted", type: "RESULT" } })
    },
    async theirs(call) {
      const { items } = await call("search_data_assets", { search_params: { query: "name:sorted", type: "result" } })
      const attach_params = items.map(({ id }: Wire) => ({ id }))
      await call("attach_data_assets", { capsule_id: seed.ecephysQuality, attach_params })
    },
  },
  {
    name: "everything that I own",
    ours: (call) => call("inventory"),
    async theirs(call) {
      for (const search of ["search_capsules", "search_pipelines", "search_data_assets"]) {
        await call(search, { search_params: { ownership: "created", limit: 1000 } })
      }
    },
  },
  {
    name: "archived data assets that nothing uses",
    ours: (call) => call("unused_data"),
    async theirs(call) {
      const { items } = await call("search_data_assets", { search_params: { archived: true } })
      for (const { id } of items) {
        await call("search_capsules", { search_params: { query: id } })
        await call("search_pipelines", { search_params: { query: id } })
      }
    },
  },
  {
    name: "read one small file of many data assets",
    ours: (call) => call("read_files", { path: "processing.json", filters: [{ key: "tags", value: "imaging" }] }),
    async theirs(call) {
      const search_params = { filters: [{ key: "tags", value: "imaging" }], origin: "internal" }
      const { items } = await call("search_data_assets", { search_params })
      for (const { id } of items) {
        await call("download_and_read_a_file_from_data_asset", { data_asset_id: id, file_path: "processing.json" })
      }
    },
  },
  {
    name: "learn the parameters, run, and check that they landed",
    note: "Ours reads the app panel once more, with which `run` checks the values.",
    async ours(call) {
      await call("show_capsule", { id: seed.cellCounter, parametersOnly: true })
      await call("run", { id: seed.cellCounter, values: ours.stain })
    },
    async theirs(call) {
      await call("get_capsule_app_panel", { capsule_id: seed.cellCounter })
      await call("run_capsule", { run_params: { capsule_id: seed.cellCounter, named_parameters: stain } })
    },
  },
]
