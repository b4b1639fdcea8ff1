import { cpus } from "node:os"
import type { Query } from "./queries.ts"
import { estimate, isSlower, median, tolerance } from "./statistics.ts"

/** The result of one server for one query in one round. */
export interface Cell {
  server: string
  query: string
  operations: number
  seconds: number
  p50: number
  p99: number
  /** CPU milliseconds per operation. */
  cpuMs: number
  /** Memory that JavaScript allocated per operation. */
  allocatedKb: number
  rssMb: number
  /** The largest resident size of the process since its start. */
  peakRssMb: number
  /** REST calls per operation. */
  calls: number
  /** The share of the time for which the upstream was busy, from 0 to 1. */
  busy: number
}

const short = (number: number) => (number >= 100 ? number.toFixed(0) : number.toPrecision(number >= 10 ? 3 : 2))

const row = (cells: readonly string[]) => `| ${cells.join(" | ")} |`

const header = () => {
  const [cpu] = cpus()
  const options = process.argv.length > 2 ? ` -- ${process.argv.slice(2).join(" ")}` : ""
  return `${new Date().toISOString().slice(0, 10)}, Node ${process.version}, ${cpus().length} cores (${cpu?.model.trim()}), \`npm run bench${options}\``
}

const only = (cells: readonly Cell[], server: string, query: string) =>
  cells.filter((cell) => cell.server === server && cell.query === query)

/** CPU milliseconds per operation over all measurements of one round. Undefined if there are none. */
function cpuMsOf(cells: readonly Cell[], server: string, query: string): number | undefined {
  const own = only(cells, server, query)
  const operations = own.reduce((sum, cell) => sum + cell.operations, 0)
  return operations === 0 ? undefined : own.reduce((sum, cell) => sum + cell.cpuMs * cell.operations, 0) / operations
}

/** Within each round, so that a slow phase of the machine affects both servers. */
const ratiosOf = (rounds: readonly (readonly Cell[])[], server: string, base: string, query: string) =>
  rounds.map((cells) => (cpuMsOf(cells, server, query) ?? 0) / (cpuMsOf(cells, base, query) ?? Number.NaN))

/** Compares the first server with the second: a table in Markdown, and the names of the queries on which the first is slower. */
export function comparison(
  rounds: readonly (readonly Cell[])[],
  [server = "", base = ""]: readonly string[],
  asked: readonly Query[],
): { text: string; slower: string[] } {
  const slower: string[] = []
  const columns = [
    `${server} CPU ms`,
    `${base} CPU ms`,
    "ratio",
    "95 % confidence interval",
    "least to most",
    "verdict",
  ]
  const lines = [header(), "", row(["query", ...columns]), row(["---", ...Array(5).fill("---:"), "---"])]
  for (const { name: query } of asked) {
    const cpuMs = (of: string) => short(median(rounds.map((cells) => cpuMsOf(cells, of, query) ?? Number.NaN)))
    const { ratio, low, high, least, most } = estimate(ratiosOf(rounds, server, base, query))
    const verdict = isSlower({ low }) ? "SLOWER" : "not slower"
    if (isSlower({ low })) slower.push(query)
    const range = (from: number, to: number) => `${from.toFixed(3)} to ${to.toFixed(3)}`
    const cells = [cpuMs(server), cpuMs(base), ratio.toFixed(3), range(low, high), range(least, most), verdict]
    lines.push(row([query, ...cells]))
  }
  lines.push("", `SLOWER: the whole confidence interval is above ${tolerance}.`)
  return { text: lines.join("\n"), slower }
}

/** The tables, as Markdown. */
export function report(
  rounds: readonly (readonly Cell[])[],
  servers: readonly { name: string; startMs: number }[],
  asked: readonly Query[],
): string {
  const names = servers.map(({ name }) => name)
  const base = names.includes("limit") ? "limit" : (names[0] ?? "")
  const of = (server: string, query: string) => rounds.flatMap((cells) => only(cells, server, query))
  const ratios = (server: string, query: string) => ratiosOf(rounds, server, base, query)
  const lines = [
    header(),
    "",
    row([`CPU per operation, as a ratio to \`${base}\``, ...asked.map(({ name }) => name)]),
    row(["---", ...asked.map(() => "---:")]),
  ]
  for (const name of names) {
    const own = asked.map((query) =>
      of(name, query.name).length === 0
        ? ""
        : name === base
          ? `${short(median(of(name, query.name).map(({ cpuMs }) => cpuMs)))} ms`
          : median(ratios(name, query.name)).toFixed(2),
    )
    lines.push(row([name, ...own]))
  }
  lines.push(
    "",
    row([
      "query",
      "server",
      "CPU ms",
      "ratio (least to most)",
      "requests/s",
      "p50 ms",
      "p99 ms",
      "REST calls",
      "kB allocated",
      "RSS MB",
      "upstream busy",
    ]),
    row(["---", "---", ...Array(9).fill("---:")]),
  )
  for (const { name: query } of asked) {
    for (const server of names) {
      const all = of(server, query)
      if (all.length === 0) continue
      const mid = (value: (cell: Cell) => number) => median(all.map(value))
      const spread = ratios(server, query)
      lines.push(
        row([
          query,
          server,
          short(mid(({ cpuMs }) => cpuMs)),
          `${median(spread).toFixed(2)} (${Math.min(...spread).toFixed(2)} to ${Math.max(...spread).toFixed(2)})`,
          short(mid(({ operations, seconds }) => operations / seconds)),
          short(mid(({ p50 }) => p50)),
          short(mid(({ p99 }) => p99)),
          mid(({ calls }) => calls).toFixed(1),
          short(mid(({ allocatedKb }) => allocatedKb)),
          mid(({ rssMb }) => rssMb).toFixed(0),
          `${(100 * mid(({ busy }) => busy)).toFixed(0)} %`,
        ]),
      )
    }
  }
  lines.push(
    "",
    `Time from start to first response: ${servers.map(({ name, startMs }) => `${name} ${startMs.toFixed(0)} ms`).join(", ")}.`,
  )
  return lines.join("\n")
}

/** CPU and memory of the gateway with variants of Node's flags, as Markdown. */
export function memoryReport(
  rounds: readonly (readonly Cell[])[],
  variants: readonly string[],
  asked: readonly Query[],
  idle: readonly { server: string; rssMb: number }[],
): string {
  const columns = asked.flatMap(({ name }) => [`${name} CPU ms`, `${name} peak MB`])
  const lines = [
    header(),
    "",
    row(["flags", "MB after start", ...columns]),
    row(["---", ...Array(columns.length + 1).fill("---:")]),
  ]
  for (const variant of variants) {
    const cells = asked.flatMap(({ name }) => {
      const own = rounds.flatMap((round) => only(round, variant, name))
      return [
        short(median(own.map(({ cpuMs }) => cpuMs))),
        Math.max(...own.map(({ peakRssMb }) => peakRssMb)).toFixed(0),
      ]
    })
    const atStart = idle.filter(({ server }) => server === variant).map(({ rssMb }) => rssMb)
    lines.push(row([`\`${variant}\``, median(atStart).toFixed(0), ...cells]))
  }
  return lines.join("\n")
}
