import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { createInterface } from "node:readline"
import { seed, tokens } from "../sandbox/seed.ts"
import type { Sandbox } from "../sandbox/server.ts"

/*
 * Code Ocean's own MCP server for the comparison in docs/agents.md: the real one as a process, and a copy of its calls, with which a
 * test repeats the counts of REST calls without Python.
 */

// biome-ignore lint/suspicious/noExplicitAny: objects of the REST API, loosely typed.
export type Wire = any

/** Calls one of its tools. Resolves with the result as an object, or undefined if the tool failed. */
export type TheirTools = (tool: string, args: object) => Promise<Wire>

export interface TheirServer {
  call: TheirTools
  /** The REST calls so far, reads of files included. */
  restCalls(): number
  /** The text of the last result, as a model reads it. Undefined if it was not made by the real server. */
  text(): string | undefined
  close(): Promise<void>
}

const readTools: ReadonlySet<string> = new Set([
  "download_and_read_a_file_from_computation",
  "download_and_read_a_file_from_data_asset",
])

const pipelines: ReadonlySet<string> = new Set([seed.ecephysPipeline, seed.imagingPipeline])

/** Code Ocean answers for pipelines under the routes of capsules too. The sandbox does not. */
const routed = (path: string) =>
  path.replace(/\/capsules\/([\w-]+)\/computations/, (all, id) =>
    pipelines.has(id) ? `/pipelines/${id}/computations` : all,
  )

/** A copy of its tools, which makes the same REST calls. */
export function copyTheirServer(sandbox: Sandbox): TheirServer {
  let rest = 0

  async function send(method: string, path: string, body?: unknown): Promise<Wire> {
    rest += 1
    const response = await fetch(`${sandbox.url}/api/v1${routed(path)}`, {
      method,
      headers: {
        authorization: `Basic ${Buffer.from(`${tokens.ada}:`).toString("base64")}`,
        ...(body !== undefined && { "content-type": "application/json" }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status}`)
    return text === "" ? null : JSON.parse(text)
  }

  const search = (path: string) => async (args: Wire) => {
    const { results } = await send("POST", `/${path}/search`, args.search_params)
    // What a model sees of each.
    return { items: results.map(({ id, name, tags }: Wire) => ({ id, n: name, t: (tags ?? []).slice(0, 10) })) }
  }

  const read = (route: (args: Wire) => string) => async (args: Wire) => {
    const { download_url } = await send("GET", `/${route(args)}/urls?path=${encodeURIComponent(args.file_path)}`)
    rest += 1
    return (await fetch(download_url)).text()
  }

  /** Its client polls every five seconds, the first time at once. */
  async function poll(path: string, finalStates: readonly string[]): Promise<Wire> {
    for (;;) {
      const object = await send("GET", path)
      if (finalStates.includes(object.state)) return object
      sandbox.clock.advance(5)
    }
  }

  const tools: Record<string, (args: Wire) => Promise<Wire>> = {
    search_capsules: search("capsules"),
    search_pipelines: search("pipelines"),
    search_data_assets: search("data_assets"),
    get_capsule: ({ capsule_id }) => send("GET", `/capsules/${capsule_id}`),
    get_capsule_app_panel: ({ capsule_id }) => send("GET", `/capsules/${capsule_id}/app_panel`),
    list_computations: ({ capsule_id }) => send("GET", `/capsules/${capsule_id}/computations`),
    attach_data_assets: ({ capsule_id, attach_params }) =>
      send("POST", `/capsules/${capsule_id}/data_assets`, attach_params),
    get_computation: ({ computation_id }) => send("GET", `/computations/${computation_id}`),
    run_capsule: ({ run_params }) => send("POST", "/computations", run_params),
    async wait_until_completed({ computation_id }) {
      await send("GET", `/computations/${computation_id}`)
      return poll(`/computations/${computation_id}`, ["completed", "failed"])
    },
    get_data_asset: ({ data_asset_id }) => send("GET", `/data_assets/${data_asset_id}`),
    create_data_asset: ({ data_asset_params }) => send("POST", "/data_assets", data_asset_params),
    wait_until_ready: ({ data_asset }) => poll(`/data_assets/${data_asset.id}`, ["ready", "failed"]),
    update_metadata: ({ data_asset_id, update_params }) => send("PUT", `/data_assets/${data_asset_id}`, update_params),
    download_and_read_a_file_from_computation: read((args) => `computations/${args.computation_id}/results`),
    download_and_read_a_file_from_data_asset: read((args) => `data_assets/${args.data_asset_id}/files`),
  }

  return {
    async call(tool, args) {
      const run = tools[tool]
      if (run === undefined) throw new Error(`their server has no tool ${tool}`)
      return run(args).catch(() => undefined)
    },
    restCalls: () => rest,
    text: () => undefined,
    async close() {},
  }
}

/**
 * Starts the real server, which speaks JSON-RPC on its standard streams.
 * @param command starts it, such as `codeocean-mcp-server`
 */
export async function startTheirServer(command: string, sandbox: Sandbox): Promise<TheirServer & { tools: Wire[] }> {
  const proxy = createServer(async (request, response) => {
    const chunks = await request.toArray()
    const { host: _, connection: __, "content-length": ___, ...headers } = request.headers
    const answer = await fetch(`${sandbox.url}${routed(request.url as string)}`, {
      method: request.method as string,
      headers: headers as Record<string, string>,
      ...(chunks.length > 0 && { body: Buffer.concat(chunks) }),
    })
    response.writeHead(answer.status, { "content-type": answer.headers.get("content-type") ?? "text/plain" })
    response.end(Buffer.from(await answer.arrayBuffer()))
  })
  proxy.listen(0, "127.0.0.1")
  await once(proxy, "listening")
  const domain = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
  const child = spawn(command, {
    shell: true,
    stdio: ["pipe", "pipe", "ignore"],
    env: { ...process.env, CODEOCEAN_DOMAIN: domain, CODEOCEAN_TOKEN: tokens.ada },
  })
  const request = jsonRpc(child)
  await request("initialize", {
    protocolVersion: "2025-06-18",
    capabilities: {},
    clientInfo: { name: "comparison", version: "1" },
  })
  child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", method: "notifications/initialized" })}\n`)
  const { tools } = await request("tools/list", {})
  let fileReads = 0
  let text = ""
  return {
    tools,
    async call(tool, args) {
      const { content, structuredContent, isError } = await request("tools/call", { name: tool, arguments: args })
      text = content.map((part: Wire) => part.text).join("\n")
      if (isError) return undefined
      if (readTools.has(tool)) fileReads += 1
      const { result = structuredContent } = structuredContent ?? {}
      return withoutNulls(result)
    },
    restCalls: () => sandbox.requests.length + fileReads,
    text: () => text,
    async close() {
      child.stdin.end()
      await once(child, "exit")
      proxy.close()
      proxy.closeAllConnections()
    },
  }
}

function jsonRpc(child: ChildProcess): (method: string, params: object) => Promise<Wire> {
  const waiting = new Map<number, (message: Wire) => void>()
  createInterface({ input: child.stdout as NodeJS.ReadableStream }).on("line", (line) => {
    const message = JSON.parse(line)
    waiting.get(message.id)?.(message)
  })
  child.once("exit", (code) => {
    for (const end of waiting.values()) end({ error: { message: `their server ended with ${code}` } })
  })
  let id = 0
  return async (method, params) => {
    id += 1
    const answer = new Promise<Wire>((resolve) => waiting.set(id, resolve))
    child.stdin?.write(`${JSON.stringify({ jsonrpc: "2.0", id, method, params })}\n`)
    const { result, error } = await answer
    if (error !== undefined) throw new Error(error.message)
    return result
  }
}

function withoutNulls(value: Wire): Wire {
  return value === undefined
    ? undefined
    : JSON.parse(JSON.stringify(value, (_key, inner) => (inner === null ? undefined : inner)))
}
