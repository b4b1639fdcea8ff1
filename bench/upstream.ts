import { createServer, type Socket } from "node:net"
import { performance } from "node:perf_hooks"
import { idOf } from "./queries.ts"

/**
 * A simulated Code Ocean that takes very little CPU. Every response is prepared before the measurement. The HTTP parser supports only
 * what these clients send: one request at a time on a connection, and bodies with a length. Calls without credentials are rejected, so
 * that no server can gain time by omitting them. It answers each message of its parent with its counts.
 */
const capsules = Array.from({ length: 1100 }, (_, n) => ({
  id: idOf("capsule", n),
  created: 1_700_000_000 + n,
  name: `Capsule ${n}`,
  status: n % 3 === 0 ? "release" : "non_release",
  owner: "8a4b2f1e-6d3c-4f5a-9b7e-0c1d2e3f4a5b",
  slug: String(1_000_000 + n),
  owner_email: "ada@example.org",
  last_accessed: 1_760_000_000 + n,
  description: "Sorts the spikes of one recording and writes the units, their quality metrics and a summary. ".repeat(
    2,
  ),
  field: "Neuroscience",
  tags: ["ecephys", "sorting", `batch-${n % 20}`],
  cloned_from_url: "https://git.example.org/analysis/spike-sorting.git",
  original_capsule: {
    id: idOf("capsule", (n + 1) % 1100),
    major_version: 1,
    minor_version: 0,
    name: "Origin",
    public: true,
  },
  submission: { timestamp: 1_750_000_000, commit: "9f2c3a1b7d", verified: true, verified_timestamp: 1_750_100_000 },
  versions: [1, 2, 3].map((major) => ({
    major_version: major,
    minor_version: 0,
    release_time: 1_740_000_000 + major,
    doi: `10.24433/CO.${1_000_000 + n}.v${major}`,
  })),
  article: {
    id: `article-${n}`,
    url: "https://journal.example.org/articles/spike-sorting",
    doi: "10.1000/example.1",
    citation: "Ada et al., Spike sorting at scale, 2025",
    state: "published",
    name: "Spike sorting at scale",
    journal_name: "Journal of Examples",
    publish_time: 1_745_000_000,
  },
}))

const inputs = (n: number) => [0, 1].map((i) => ({ id: idOf("asset", (n + i * 20) % 40), mount: `input_${i}` }))

const computationsOf = (n: number) =>
  [0, 1, 2, 3, 4].map((run) => ({
    id: idOf("computation", n * 5 + run),
    name: `Run ${run}`,
    owner: "8a4b2f1e-6d3c-4f5a-9b7e-0c1d2e3f4a5b",
    created: 1_755_000_000 - run * 3600,
    run_time: 600 + run,
    state: "completed",
    end_status: "succeeded",
    exit_code: 0,
    has_results: true,
    cloud_workstation: false,
    parameters: [{ name: "Sorter", param_name: "sorter", value: "kilosort4" }],
    data_assets: inputs(n * 5 + run),
  }))

const panelOf = (n: number) => ({
  general: { title: `Panel ${n}`, instructions: "Choose a sorter." },
  data_assets: inputs(n).map((input) => ({ ...input, name: "Recording", kind: "internal", accessible: true })),
  parameters: ["Sorter", "Threshold", "Probe"].map((name) => ({
    name,
    type: "text",
    param_name: name.toLowerCase(),
    value_type: "string",
    default_value: "default",
  })),
})

const asset = (n: number) => ({
  id: idOf("asset", n),
  name: `ecephys_73${n}`,
  mount: `ecephys_73${n}`,
  owner: "8a4b2f1e-6d3c-4f5a-9b7e-0c1d2e3f4a5b",
  created: 1_730_000_000,
  last_used: 1_760_000_000,
  state: "ready",
  type: "dataset",
  files: 120,
  size: 535_129_947_980 + n,
  description: "A recording with four probes.",
  tags: ["ecephys", "raw"],
  custom_metadata: { "subject id": `73${n}`, modality: "ecephys" },
  source_bucket: { origin: "aws", bucket: "open-data", prefix: `ecephys_73${n}`, external: true },
})

function answer(status: string, body: string | undefined): Buffer {
  const head =
    body === undefined ? "" : `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n`
  return Buffer.from(`HTTP/1.1 ${status}\r\n${head}\r\n${body ?? ""}`)
}

const ok = (value: unknown) => answer("200 OK", JSON.stringify(value))
const done = answer("204 No Content", undefined)
const unauthorized = answer("401 Unauthorized", '{"message":"no credentials"}')
const unknown = answer("404 Not Found", '{"message":"not found"}')

const answers = new Map<string, Buffer>()
for (const [n, capsule] of capsules.entries()) {
  answers.set(`GET /api/v1/capsules/${capsule.id}`, ok(capsule))
  answers.set(`GET /api/v1/capsules/${capsule.id}/computations`, ok(computationsOf(n)))
  answers.set(`GET /api/v1/capsules/${capsule.id}/app_panel`, ok(panelOf(n)))
  answers.set(`PATCH /api/v1/capsules/${capsule.id}/archive?archive=true`, done)
}
for (let n = 0; n < 40; n++) answers.set(`GET /api/v1/data_assets/${idOf("asset", n)}`, ok(asset(n)))

/** The responses to searches by request body. Each is made for the first such request, before the measurement. */
const searches = new Map<string, Buffer>()

function search(body: string): Buffer {
  const { limit = 100, offset, next_token, query = "" } = JSON.parse(body)
  const ids = new Set(Array.from(query.matchAll(/\bid:(\S+)/g), ([, id]) => id))
  const found = ids.size === 0 ? capsules : capsules.filter(({ id }) => ids.has(id))
  const start = Number(next_token ?? offset ?? 0)
  const end = start + limit
  const has_more = end < found.length
  const page = ok({ has_more, ...(has_more && { next_token: String(end) }), results: found.slice(start, end) })
  searches.set(body, page)
  return page
}

let calls = 0
let idleAt = performance.eventLoopUtilization()

function reply(head: string, body: string): Buffer {
  calls += 1
  if (!/\r\nauthorization: basic ./i.test(head)) return unauthorized
  const line = head.slice(0, head.indexOf(" HTTP/1.1"))
  if (line !== "POST /api/v1/capsules/search") return answers.get(line) ?? unknown
  return searches.get(body) ?? search(body)
}

function serve(socket: Socket): void {
  let received = ""
  socket.setNoDelay(true)
  socket.on("error", () => socket.destroy())
  socket.on("data", (chunk) => {
    received += chunk.toString("latin1")
    const headEnd = received.indexOf("\r\n\r\n")
    if (headEnd < 0) return
    const head = received.slice(0, headEnd)
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0)
    if (received.length < headEnd + 4 + length) return
    const body = received.slice(headEnd + 4)
    received = ""
    socket.write(reply(head, body))
  })
}

/** Sends the number of calls since the last message, and the share of the time since then for which this process was busy. */
process.on("message", () => {
  process.send?.({ calls, busy: performance.eventLoopUtilization(idleAt).utilization })
  calls = 0
  idleAt = performance.eventLoopUtilization()
})
process.on("disconnect", () => process.exit())
createServer(serve).listen(Number(process.env.PORT), "127.0.0.1", () => process.send?.("listening"))
