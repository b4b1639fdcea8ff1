import { PrometheusMetrics } from "../../src/telemetry/prometheus.ts"
import { startGatewayOn, type World } from "./gateway.ts"

export interface Sample {
  name: string
  labels: Record<string, string>
  value: number
}

/** Reads the text of a scrape. */
export function samplesIn(text: string): Sample[] {
  return text
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => {
      const [, name = "", list = "", value = ""] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? []
      const labels = [...list.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, label, text]) => [label, text])
      return { name, labels: Object.fromEntries(labels), value: Number(value) }
    })
}

export interface MeasuredWorld extends Omit<World, "sandbox"> {
  /** The samples of a metric, without those that are zero. */
  samples(name: string): Promise<Sample[]>
  /** The sum of the samples of a metric with these labels. */
  total(name: string, labels?: Record<string, string>): Promise<number>
  render(): Promise<string>
}

/** A gateway with metrics on any upstream. */
export function startMeasuredGatewayOn(url: string, options: Parameters<typeof startGatewayOn>[1] = {}): MeasuredWorld {
  const metrics = new PrometheusMetrics(options.config?.persistedOperations?.values() ?? [])
  const world = startGatewayOn(url, { telemetry: { metrics }, ...options })
  const samples = async (name: string) =>
    samplesIn(await metrics.render()).filter((sample) => sample.name === name && sample.value !== 0)
  return {
    ...world,
    render: () => metrics.render(),
    samples,
    async total(name, labels = {}) {
      const fits = (sample: Sample) => Object.entries(labels).every(([label, value]) => sample.labels[label] === value)
      return (await samples(name)).filter(fits).reduce((sum, { value }) => sum + value, 0)
    },
  }
}
