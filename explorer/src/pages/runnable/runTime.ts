import type { ComputationOutcome } from "../../data/schema.generated.ts"

/** What the chart shows of a run. */
export interface Point {
  id: string
  name: string
  outcome: ComputationOutcome
  /** Epoch seconds. */
  started: number
  /** Seconds. */
  runTime: number
}

interface Run {
  id: string
  name: string
  outcome: ComputationOutcome
  created: string | null
  runTime: number | null
}

/** The runs whose time is known, the oldest first. One in progress has run until now. */
export function pointsOf(runs: readonly Run[], now: number): Point[] {
  return runs
    .flatMap(({ id, name, outcome, created, runTime }) => {
      if (created === null) return []
      const started = Date.parse(created) / 1_000
      const ran = outcome === "IN_PROGRESS" ? now / 1_000 - started : runTime
      return ran === null ? [] : [{ id, name, outcome, started, runTime: Math.max(ran, 0) }]
    })
    .toSorted((a, b) => a.started - b.started)
}

const minute = 60
const hour = 60 * minute
const day = 24 * hour

/** The times at which an axis may have a line, in seconds. */
const roundTimes = [
  ...[1, 2, 5, 10, 20, 30],
  ...[1, 2, 5, 10, 20, 30].map((count) => count * minute),
  ...[1, 2, 3, 6, 12].map((count) => count * hour),
  ...[1, 2, 5, 10, 20, 50, 100].map((count) => count * day),
]

/** Whether run times differ so much that only a logarithmic scale shows all of them. */
export function isWide(points: readonly Point[]): boolean {
  const times = points.map(({ runTime }) => Math.max(runTime, 1))
  return Math.max(...times) / Math.min(...times) > 50
}

/** The range of the axis of run times: from a round time or zero to a round time. */
export function rangeOf(points: readonly Point[], logarithmic: boolean): [number, number] {
  const times = points.map(({ runTime }) => Math.max(runTime, 1))
  const least = Math.min(...times)
  const most = Math.max(...times, 1)
  const end = roundTimes.find((time) => time >= most * 1.05) ?? most * 1.2
  if (!logarithmic) return [0, end]
  return [roundTimes.findLast((time) => time <= least * 0.95) ?? 0.7, end]
}

/** Round times for the lines of the axis, about five of them. */
export function linesOf([from, to]: readonly [number, number], logarithmic: boolean): number[] {
  if (logarithmic) {
    const within = roundTimes.filter((time) => time >= from && time <= to)
    const every = Math.ceil(within.length / 5)
    return within.filter((_, index) => index % every === 0)
  }
  const step = roundTimes.find((time) => to / time <= 6) ?? to / 5
  return Array.from({ length: Math.floor(to / step) + 1 }, (_, index) => index * step)
}
