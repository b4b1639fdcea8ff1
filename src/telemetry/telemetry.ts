import type { Config } from "../config/config.ts"
import type { Log } from "../log/log.ts"
import type { Metrics } from "./metrics.ts"
import type { Tracer } from "./tracer.ts"

/** The telemetry of one gateway, made once. What is off is undefined. */
export interface Telemetry {
  readonly metrics?: Metrics | undefined
  readonly tracer?: Tracer | undefined
}

/** Loads the telemetry that the settings ask for. The packages of the rest are not loaded. */
export async function loadTelemetry(config: Config, log: Log): Promise<Telemetry> {
  return {
    metrics: config.metricsPort === undefined ? undefined : await loadMetrics(config),
    tracer: config.otlpEndpoint === undefined ? undefined : await loadTracer(config, log),
  }
}

async function loadMetrics({ persistedOperations }: Config) {
  const { PrometheusMetrics } = await import("./prometheus.ts")
  return new PrometheusMetrics(persistedOperations?.values() ?? [])
}

async function loadTracer(config: Config, log: Log) {
  const { OtlpTracer } = await import("./otlp.ts")
  return new OtlpTracer(config, log)
}
