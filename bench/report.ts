import { cpus } from "node:os"
import type { Query } from "./queries.ts"

/** One server under one query in one round. */
export interface Cell {
  server: string
  query: string
  operations: number
  seconds: number
  p50: number
  p99: number
  /** CPU milliseconds an operation. */
  cpuMs: number
  rssMb: number
  /** REST calls an operation. */
  calls: number
  /** Which share of the time the upstream was busy. */
  busy: number
}

const median = (numbers: number[]): number => {
  const sorted = numbers.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  return ((sorted[Math.floor(middle - 0.5)] ?? 0) + (sorted[Math.floor(middle)] ?? 0)) / 2
}

const short = (number: number) => (number >= 100 ? number.toFixed(0) : number.toPrecision(number >= 10 ? 3 : 2))

const row = (cells: readonly string[]) => `| ${cells.join(" | ")} |`

/** The tables, as Markdown. */
export function report(
  rounds: readonly (readonly Cell[])[],
  servers: readonly { name: string; startMs: number }[],
  asked: readonly Query[],
): string {
  const names = servers.map(({ name }) => name)
  const find = (cells: readonly Cell[], server: string, query: string) =>
    cells.find((cell) => cell.server === server && cell.query === query)
  const of = (server: string, query: string) => rounds.flatMap((cells) => find(cells, server, query) ?? [])
  /** Within each round, so that what slowed the machine down in one slowed both down. */
  const ratios = (server: string, query: string) =>
    rounds.map((cells) => (find(cells, server, query)?.cpuMs ?? 0) / (find(cells, "limit", query)?.cpuMs ?? Number.NaN))
  const [cpu] = cpus()
  const lines = [
    `${new Date().toISOString().slice(0, 10)}, Node ${process.version}, ${cpus().length} cores (${cpu?.model.trim()}), \`npm run bench${process.argv.length > 2 ? ` -- ${process.argv.slice(2).join(" ")}` : ""}\``,
    "",
    row(["CPU an operation, as a ratio to `limit`", ...asked.map(({ name }) => name)]),
    row(["---", ...asked.map(() => "---:")]),
  ]
  for (const name of names) {
    const own = asked.map((query) =>
      of(name, query.name).length === 0
        ? ""
        : name === "limit"
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
      "RSS MB",
      "upstream busy",
    ]),
    row(["---", "---", ...Array(8).fill("---:")]),
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
          mid(({ rssMb }) => rssMb).toFixed(0),
          `${(100 * mid(({ busy }) => busy)).toFixed(0)} %`,
        ]),
      )
    }
  }
  lines.push(
    "",
    `Started to first answer: ${servers.map(({ name, startMs }) => `${name} ${startMs.toFixed(0)} ms`).join(", ")}.`,
  )
  return lines.join("\n")
}
