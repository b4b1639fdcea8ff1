import { useComputedColorScheme } from "@mantine/core"
import { useEffect, useMemo, useRef, useState } from "react"
import uPlot from "uplot"
import "uplot/dist/uPlot.min.css"
import { navigate } from "../../app/router.ts"
import type { ComputationOutcome } from "../../data/schema.generated.ts"
import { Outcome, outcomes } from "../../parts/Facts.tsx"
import { count, duration, inFull } from "../../parts/format.ts"
import classes from "./Runnable.module.css"
import { isWide, linesOf, type Point, rangeOf } from "./runTime.ts"

interface RunChartProps {
  points: readonly Point[]
  pathOf(point: Point): string
}

const height = 200
const radius = 4
/** How near the pointer must be to a point, in pixels. */
const reach = 14

/**
 * How long runs took, by the time of their start, coloured and shaped by their outcome. The list below has the same as text, and is
 * the way for the keyboard.
 */
export default function RunChart({ points, pathOf }: RunChartProps) {
  const place = useRef<HTMLDivElement>(null)
  const scheme = useComputedColorScheme()
  const [near, setNear] = useState<{ point: Point; left: number; top: number }>()
  const latest = useRef({ points, pathOf })
  latest.current = { points, pathOf }
  const logarithmic = useMemo(() => isWide(points), [points])
  const range = useMemo(() => rangeOf(points, logarithmic), [points, logarithmic])

  useEffect(() => {
    const target = place.current!
    const colors = colorsOf(target)
    const axis = {
      stroke: colors.text,
      grid: { stroke: colors.line, width: 1 },
      ticks: { show: false },
      font: "11px system-ui",
    }
    const chart = new uPlot(
      {
        width: target.clientWidth,
        height,
        cursor: { show: false },
        legend: { show: false },
        scales: {
          x: { range: () => padded(points) },
          y: { distr: logarithmic ? 3 : 1, range: () => range },
        },
        axes: [
          { ...axis, size: 32, space: 90, values: timesOf },
          {
            ...axis,
            size: 62,
            splits: () => linesOf(range, logarithmic),
            values: (_chart, times) => times.map((time) => (time === 0 ? "0" : duration(time))),
            // All of the lines have a label, on a logarithmic axis too.
            filter: (_chart, times) => times,
          },
        ],
        series: [{}, { paths: () => null, points: { show: false } }],
        hooks: { draw: [(drawn) => drawPoints(drawn, latest.current.points, colors)] },
      },
      [points.map(({ started }) => started), points.map(({ runTime }) => Math.max(runTime, logarithmic ? 1 : 0))],
      target,
    )
    const sizes = new ResizeObserver(() => chart.setSize({ width: target.clientWidth, height }))
    sizes.observe(target)
    const find = ({ offsetX, offsetY }: MouseEvent) => nearest(chart, latest.current.points, offsetX, offsetY)
    const onMove = (event: MouseEvent) => {
      const found = find(event)
      const { left, top } = { left: chart.over.offsetLeft, top: chart.over.offsetTop }
      setNear(found && { point: found.point, left: left + found.x, top: top + found.y })
      chart.over.style.cursor = found ? "pointer" : ""
    }
    const onLeave = () => setNear(undefined)
    const onClick = (event: MouseEvent) => {
      const found = find(event)
      if (found) navigate(latest.current.pathOf(found.point))
    }
    chart.over.addEventListener("mousemove", onMove)
    chart.over.addEventListener("mouseleave", onLeave)
    chart.over.addEventListener("click", onClick)
    return () => {
      sizes.disconnect()
      chart.destroy()
      setNear(undefined)
    }
  }, [points, scheme, logarithmic, range])

  return (
    <div className={classes.chart} style={{ minHeight: height }}>
      <div ref={place} role="img" aria-label={summaryOf(points)} />
      {near && (
        <div className={classes.tip} style={{ left: near.left, top: near.top }}>
          <strong>{near.point.name}</strong>
          <Outcome of={near.point.outcome} />
          <span>
            {duration(near.point.runTime)}, {inFull(new Date(near.point.started * 1_000))}
          </span>
        </div>
      )}
    </div>
  )
}

function summaryOf(points: readonly Point[]): string {
  const parts = Object.entries(outcomes).flatMap(([outcome, { label }]) => {
    const times = points.filter((point) => point.outcome === outcome).map(({ runTime }) => runTime)
    if (times.length === 0) return []
    return [
      `${times.length} ${label.toLowerCase()}, ${duration(Math.min(...times))} to ${duration(Math.max(...times))}`,
    ]
  })
  return `Run time of ${count(points.length, "run")} by the time of their start: ${parts.join("; ")}.`
}

type Colors = Record<ComputationOutcome | "text" | "line" | "body", string>

/** The colours of the theme as a canvas takes them: without variables. */
function colorsOf(target: HTMLElement): Colors {
  const probe = document.createElement("span")
  target.append(probe)
  const resolve = (color: string) => {
    probe.style.color = color
    return getComputedStyle(probe).color
  }
  const ofOutcomes = Object.entries(outcomes).map(([outcome, { color }]) => [outcome, resolve(color)])
  const colors = {
    ...Object.fromEntries(ofOutcomes),
    text: resolve("var(--mantine-color-dimmed)"),
    line: resolve("var(--line)"),
    body: resolve("var(--mantine-color-body)"),
  }
  probe.remove()
  return colors
}

/** Points at the edges are not cut, and a single one is in the middle. */
function padded(points: readonly Point[]): [number, number] {
  // They are in the order of their start. The chart itself would put a single one at the edge of years.
  const [from, to] = [points[0]!.started, points.at(-1)!.started]
  const margin = Math.max((to - from) * 0.03, 3_600)
  return [from - margin, to + margin]
}

const dates = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" })
const years = new Intl.DateTimeFormat("en-GB", { month: "short", year: "numeric" })
const times = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" })

function timesOf(_chart: uPlot, splits: number[]): string[] {
  const step = (splits[1] ?? 0) - (splits[0] ?? 0)
  let before = ""
  return splits.map((split) => {
    const time = new Date(split * 1_000)
    if (step >= 28 * 86_400) return years.format(time)
    const date = dates.format(time)
    const text = step >= 86_400 || step === 0 || date !== before ? date : times.format(time)
    before = date
    return text
  })
}

/** A shape for each outcome, because colours alone do not tell them apart for everyone. */
function drawPoints(chart: uPlot, points: readonly Point[], colors: Colors): void {
  const { ctx } = chart
  const scale = devicePixelRatio
  const size = radius * scale
  ctx.save()
  ctx.lineWidth = 1.75 * scale
  ctx.lineCap = "round"
  for (const point of points) {
    const x = chart.valToPos(point.started, "x", true)
    const y = chart.valToPos(Math.max(point.runTime, 1), "y", true)
    const color = colors[point.outcome]
    ctx.beginPath()
    if (point.outcome === "FAILED") {
      ctx.moveTo(x - size, y - size)
      ctx.lineTo(x + size, y + size)
      ctx.moveTo(x + size, y - size)
      ctx.lineTo(x - size, y + size)
    } else if (point.outcome === "STOPPED") ctx.rect(x - size * 0.85, y - size * 0.85, size * 1.7, size * 1.7)
    else if (point.outcome === "SUSPECT") {
      ctx.moveTo(x, y - size * 1.2)
      ctx.lineTo(x + size * 1.15, y + size * 0.9)
      ctx.lineTo(x - size * 1.15, y + size * 0.9)
      ctx.closePath()
    } else ctx.arc(x, y, size, 0, 2 * Math.PI)
    if (point.outcome === "FAILED" || point.outcome === "IN_PROGRESS") {
      ctx.strokeStyle = color
      ctx.stroke()
    } else {
      // An edge in the colour of the page keeps points apart that overlap.
      ctx.fillStyle = color
      ctx.strokeStyle = colors.body
      ctx.fill()
      ctx.stroke()
    }
  }
  ctx.restore()
}

function nearest(chart: uPlot, points: readonly Point[], left: number, top: number) {
  let best: { point: Point; x: number; y: number; distance: number } | undefined
  for (const point of points) {
    const x = chart.valToPos(point.started, "x")
    const y = chart.valToPos(Math.max(point.runTime, 1), "y")
    const distance = Math.hypot(x - left, y - top)
    if (distance <= reach && distance < (best?.distance ?? Number.POSITIVE_INFINITY)) best = { point, x, y, distance }
  }
  return best
}
