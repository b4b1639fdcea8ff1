import * as v from "valibot"
import { boolean, ratio } from "../src/config/kinds.ts"
import type { Row } from "../src/config/row.ts"
import { groups } from "../src/config/settings.ts"

/** Settings that the chart sets itself. They are no values. */
export const setByChart: ReadonlySet<string> = new Set([
  "HOST",
  "PORT",
  "METRICS_PORT",
  "PERSISTED_OPERATIONS",
  "MCP_TOOLS",
])

const text = v.optional(v.string())

/** Variables that the packages of OpenTelemetry read themselves. The chart and the compose file pass them on, too. */
export const readByPackages: readonly Row[] = [
  { name: "OTEL_SERVICE_NAME", kind: text, meaning: "The name of the service in traces." },
  { name: "OTEL_RESOURCE_ATTRIBUTES", kind: text, meaning: "Attributes of all spans, such as `key=value,key=value`." },
  { name: "OTEL_EXPORTER_OTLP_HEADERS", kind: text, secret: "value", meaning: "Headers for the collector." },
]

/** The part of the schema of the chart's values that depends on the table of settings. */
export function chartSettings(): Record<"settings" | "secretSettings", object> {
  const ofTable = groups.flatMap(([, group]): Row[] => Object.values(group)).filter(({ name }) => !setByChart.has(name))
  const rows = [...ofTable, ...readByPackages]
  const byName = (chosen: Row[], schemaOf: (row: Row) => object) =>
    Object.fromEntries(chosen.map((row) => [row.name, { ...schemaOf(row), description: row.meaning }]))
  return {
    settings: {
      type: "object",
      additionalProperties: false,
      required: ["CODEOCEAN_URL"],
      properties: byName(
        rows.filter(({ secret }) => secret !== "value"),
        schemaOf,
      ),
    },
    secretSettings: {
      type: "object",
      additionalProperties: false,
      properties: byName(
        rows.filter(({ secret }) => secret !== undefined),
        () => ({ allOf: [{ $ref: "#/definitions/secretReference" }] }),
      ),
    },
  }
}

interface Kind extends v.GenericSchema {
  wrapped?: Kind
  options?: readonly unknown[]
  pipe?: readonly (Kind & { requirement?: unknown })[]
}

/** A value's schema. The gateway checks the value itself at its start; this finds most mistakes before the installation. */
function schemaOf({ name, kind, secret }: Row): object {
  const { wrapped, ...outer } = kind as Kind
  const checked = wrapped ?? (outer as Kind)
  if (wrapped === boolean || kind === boolean) return { type: "boolean" }
  if (kind === ratio) return { type: ["number", "string"] }
  const requirement = (type: string) => checked.pipe?.find((action) => action.type === type)?.requirement
  const minimum = requirement("min_value")
  if (minimum !== undefined) return { type: "integer", minimum, maximum: requirement("max_value") }
  if (checked.options !== undefined) return { enum: checked.options }
  // A password would be readable in the values and in the Deployment.
  if (secret === "password") return { type: "string", pattern: "^[^@]*$" }
  return name === "CODEOCEAN_URL" ? { type: "string", pattern: "^https?://" } : { type: "string" }
}
