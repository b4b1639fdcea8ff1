import type { Config } from "../config/config.ts"
import type { Telemetry } from "./metrics.ts"

/** Loads the telemetry that the settings ask for. The packages of the rest are not loaded. */
export async function loadTelemetry(config: Pick<Config, "metricsPort" | "persistedOperations">): Promise<Telemetry> {
  if (config.metricsPort === undefined) return {}
  const { PrometheusMetrics } = await import("./prometheus.ts")
  return { metrics: new PrometheusMetrics(config.persistedOperations?.values() ?? []) }
}
