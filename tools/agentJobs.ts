import { seed, tokens } from "../sandbox/seed.ts"
import type { Sandbox } from "../sandbox/server.ts"

/** A tool call: its name and arguments. */
export type ToolCall = readonly [name: string, args: Record<string, unknown>]

/** A job, with the calls of our tools and those of Code Ocean's own MCP server. */
export interface Job {
  name: string
  ours(call: Ours): Promise<void>
  theirs(call: Theirs): Promise<void>
  /** Why ours makes more calls, or what the other side cannot do. */
  note?: string
}

/** Calls one of our tools and resolves with its answer. */
// biome-ignore lint/suspicious/noExplicitAny: answers have any shape.
export type Ours = (name: string, args?: Record<string, unknown>) => Promise<any>

// biome-ignore lint/suspicious/noExplicitAny: objects of the REST API, loosely typed.
type Wire = any

/**
 * The published server's tools on the sandbox: each makes the REST calls of the real one, and its result is the client's object as
 * JSON. The nulls and the indentation that the real one adds are left out.
 */
export class Theirs {
  readonly calls: { call: ToolCall; result: unknown }[] = []
  rest = 0
  readonly #sandbox: Sandbox

  constructor(sandbox: Sandbox) {
    this.#sandbox = sandbox
  }

  async #send(method: string, path: string, body?: unknown): Promise<Wire> {
    this.rest += 1
    const response = await fetch(`${this.#sandbox.url}/api/v1${path}`, {
      method,
      headers: {
        authorization: `Basic ${Buffer.from(`${tokens.ada}:`).toString("base64")}`,
        ...(body !== undefined && { "content-type": "application/json" }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
    return text === "" ? null : JSON.parse(text)
  }

  #note<T>(name: string, args: Record<string, unknown>, result: T): T {
    this.calls.push({ call: [name, args], result })
    return result
  }

  async #search(name: string, path: string, search_params: object): Promise<Wire> {
    const { results, has_more, next_token = null } = await this.#send("POST", path, search_params)
    const items = results.map(({ id, name, slug, description, tags }: Wire) => ({
      id,
      n: name,
      ...(slug !== undefined && { s: slug }),
      d: description ? description.slice(0, 200) : null,
      t: (tags ?? []).slice(0, 10),
    }))
    return this.#note(name, { search_params }, { items, has_more, next_token, item_count: items.length })
  }

  searchCapsules = (params: object) => this.#search("search_capsules", "/capsules/search", params)
  searchPipelines = (params: object) => this.#search("search_pipelines", "/pipelines/search", params)
  searchDataAssets = (params: object) => this.#search("search_data_assets", "/data_assets/search", params)

  async get(kind: "capsule" | "computation" | "data_asset", id: string): Promise<Wire> {
    return this.#note(`get_${kind}`, { [`${kind}_id`]: id }, await this.#send("GET", `/${kind}s/${id}`))
  }

  async panel(capsule_id: string): Promise<Wire> {
    return this.#note(
      "get_capsule_app_panel",
      { capsule_id },
      await this.#send("GET", `/capsules/${capsule_id}/app_panel`),
    )
  }

  /** The tool has only capsules, but their route answers for pipelines too. The sandbox's does not. */
  async runs(capsule_id: string, kind = "capsules"): Promise<Wire> {
    return this.#note(
      "list_computations",
      { capsule_id },
      await this.#send("GET", `/${kind}/${capsule_id}/computations`),
    )
  }

  async read(kind: "computation" | "data_asset", id: string, file_path: string): Promise<void> {
    const route = kind === "computation" ? `computations/${id}/results` : `data_assets/${id}/files`
    const args = { [`${kind}_id`]: id, file_path }
    const name = `download_and_read_a_file_from_${kind}`
    try {
      const { download_url } = await this.#send("GET", `/${route}/urls?path=${encodeURIComponent(file_path)}`)
      this.rest += 1
      this.#note(name, args, (await (await fetch(download_url)).text()).slice(0, 50_000))
    } catch (error) {
      this.#note(name, args, (error as Error).message.slice(0, 100))
    }
  }

  async listResults(computation_id: string): Promise<void> {
    const result = await this.#send("POST", `/computations/${computation_id}/results`, { path: "" })
    this.#note("list_computation_results", { computation_id }, result)
  }

  async run(run_params: object): Promise<Wire> {
    return this.#note("run_capsule", { run_params }, await this.#send("POST", "/computations", run_params))
  }

  /** The tool reads the object, and the client polls until it is final. `passes` lets that time pass. */
  async wait(kind: "computation" | "data_asset", object: Wire, seconds: number): Promise<Wire> {
    if (kind === "computation") await this.#send("GET", `/computations/${object.id}`)
    this.#sandbox.clock.advance(seconds)
    const result = await this.#send("GET", `/${kind}s/${object.id}`)
    return kind === "computation"
      ? this.#note("wait_until_completed", { computation_id: object.id }, result)
      : this.#note("wait_until_ready", { data_asset: object }, result)
  }

  async create(data_asset_params: object): Promise<Wire> {
    const result = await this.#send("POST", "/data_assets", data_asset_params)
    return this.#note("create_data_asset", { data_asset_params }, result)
  }

  async update(data_asset_id: string, update_params: object): Promise<void> {
    const result = await this.#send("PUT", `/data_assets/${data_asset_id}`, update_params)
    this.#note("update_metadata", { data_asset_id, update_params }, result)
  }

  async attach(capsule_id: string, attach_params: object): Promise<void> {
    const result = await this.#send("POST", `/capsules/${capsule_id}/data_assets`, attach_params)
    this.#note("attach_data_assets", { capsule_id, attach_params }, result)
  }
}

const isBad = ({ end_status, exit_code, state }: Wire) =>
  state === "failed" || end_status === "failed" || (state === "completed" && exit_code !== undefined && exit_code !== 0)

/** The twelve jobs of docs/jobs.md, and the one that the tools for agents are for. */
export const agentJobs: readonly Job[] = [
  {
    name: "which runs failed lately, why, and on which data?",
    note: "Ours searches what the caller created and what was shared, each by itself.",
    ours: (call) => call("what_failed"),
    async theirs(call) {
      const [capsules, pipelines] = [
        await call.searchCapsules({ limit: 1000 }),
        await call.searchPipelines({ limit: 1000 }),
      ]
      const inputs = new Set<string>()
      for (const [{ items }, kind] of [
        [capsules, "capsules"],
        [pipelines, "pipelines"],
      ] as const) {
        for (const { id } of items) {
          const runs = await call.runs(id, kind).catch(() => [])
          for (const run of runs.filter(isBad)) {
            await call.read("computation", run.id, "output")
            for (const { id } of run.data_assets ?? []) inputs.add(id)
          }
        }
      }
      for (const id of inputs) await call.get("data_asset", id).catch(() => undefined)
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
      const { items } = await call.searchDataAssets({ filters, sort_field: "created", sort_order: "desc", limit: 1 })
      const { provenance } = await call.get("data_asset", items[0].id)
      await call.get("capsule", provenance.capsule)
      await call.get("computation", provenance.computation)
      for (const id of provenance.data_assets) await call.get("data_asset", id)
    },
  },
  {
    name: "run, wait, capture, share",
    note: "Theirs cannot share. Ours checks the values, looks for an earlier capture, and reads permissions back.",
    async ours(call) {
      const values = [{ paramName: "stain", value: "NeuN" }]
      const { runCapsule } = await call("run", { id: seed.cellCounter, values })
      await call("capture_result", {
        id: runCapsule.computation.id,
        name: "Counts",
        mount: "counts",
        tags: ["counts"],
        users: [{ email: "grace@example.org", role: "VIEWER" }],
      })
    },
    async theirs(call) {
      const run = await call.run({
        capsule_id: seed.cellCounter,
        named_parameters: [{ param_name: "stain", value: "NeuN" }],
      })
      await call.wait("computation", run, 600)
      const source = { computation: { id: run.id } }
      const asset = await call.create({ name: "Counts", mount: "counts", tags: ["counts"], source })
      await call.wait("data_asset", asset, 60)
    },
  },
  {
    name: "did this run really succeed?",
    ours: (call) => call("show_run", { id: seed.hollowSuccess }),
    async theirs(call) {
      await call.get("computation", seed.hollowSuccess)
      await call.read("computation", seed.hollowSuccess, "output")
    },
  },
  {
    name: "the failed runs of a pipeline, and why",
    ours: (call) => call("failed_runs", { id: seed.ecephysPipeline, pipeline: true }),
    async theirs(call) {
      const runs = await call.runs(seed.ecephysPipeline, "pipelines")
      for (const { id } of runs.filter(isBad)) await call.read("computation", id, "output")
    },
  },
  {
    name: "which runs used this data asset?",
    ours: (call) => call("used_by", { id: seed.mouseRecording }),
    async theirs(call) {
      const { items } = await call.searchCapsules({ query: seed.mouseRecording })
      const pipelines = await call.searchPipelines({ query: seed.mouseRecording })
      for (const { id } of items) await call.runs(id)
      for (const { id } of pipelines.items) await call.runs(id, "pipelines")
    },
  },
  {
    name: "all data assets of a subject, with their metadata",
    ours: (call) => call("find_data", { filters: [{ key: "subject id", value: "730945" }], metadata: true }),
    async theirs(call) {
      const { items } = await call.searchDataAssets({ filters: [{ key: "subject id", value: "730945" }] })
      for (const { id } of items) await call.get("data_asset", id)
    },
  },
  {
    name: "edit the tags of many data assets, after a dry run",
    note: "Theirs has no dry run. Ours reads each data asset again before it is written.",
    async ours(call) {
      const edit = { search: { filters: [{ key: "subject id", value: "640118" }] }, addTags: ["checked"] }
      await call("edit_data", edit)
      await call("edit_data", { ...edit, dryRun: false })
    },
    async theirs(call) {
      const { items } = await call.searchDataAssets({ filters: [{ key: "subject id", value: "640118" }] })
      for (const { id, t } of items) await call.update(id, { tags: [...t, "checked"] })
    },
  },
  {
    name: "attach by name, tag or query",
    async ours(call) {
      await call("attach_data", { capsuleId: seed.ecephysQuality, search: { query: "name:sorted", type: "RESULT" } })
    },
    async theirs(call) {
      const { items } = await call.searchDataAssets({ query: "name:sorted", type: "result" })
      await call.attach(
        seed.ecephysQuality,
        items.map(({ id }: Wire) => ({ id })),
      )
    },
  },
  {
    name: "everything that I own",
    ours: (call) => call("inventory"),
    async theirs(call) {
      await call.searchCapsules({ ownership: "created", limit: 1000 })
      await call.searchPipelines({ ownership: "created", limit: 1000 })
      await call.searchDataAssets({ ownership: "created", limit: 1000 })
    },
  },
  {
    name: "archived data assets that nothing uses",
    ours: (call) => call("unused_data"),
    async theirs(call) {
      const { items } = await call.searchDataAssets({ archived: true })
      for (const { id } of items) {
        await call.searchCapsules({ query: id })
        await call.searchPipelines({ query: id })
      }
    },
  },
  {
    name: "read one small file of many data assets",
    ours: (call) => call("read_files", { path: "processing.json", filters: [{ key: "tags", value: "imaging" }] }),
    async theirs(call) {
      const { items } = await call.searchDataAssets({
        filters: [{ key: "tags", value: "imaging" }],
        origin: "internal",
      })
      for (const { id } of items) await call.read("data_asset", id, "processing.json")
    },
  },
  {
    name: "learn the parameters, run, and check that they landed",
    note: "Ours also reads the capsule itself, and checks the values before the run.",
    async ours(call) {
      await call("show_capsule", { id: seed.cellCounter, listRuns: false })
      await call("run", { id: seed.cellCounter, values: [{ paramName: "stain", value: "NeuN" }] })
    },
    async theirs(call) {
      await call.panel(seed.cellCounter)
      await call.run({ capsule_id: seed.cellCounter, named_parameters: [{ param_name: "stain", value: "NeuN" }] })
    },
  },
]
