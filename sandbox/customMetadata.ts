import { isObject, ok, type Route, refuse } from "./route.ts"
import type { DataAsset } from "./world.ts"

interface Field {
  name: string
  type: "string" | "number" | "date"
  range?: { min?: number; max?: number }
  allowed_values?: (string | number)[]
  multiple?: boolean
  units?: string
  category?: string
  required?: boolean
}

/** The deployment's schema. `required` is a rule of the web forms, which the API does not enforce. */
const fields: Field[] = [
  { name: "subject id", type: "string", category: "Subject", required: true },
  { name: "data level", type: "string", allowed_values: ["raw", "derived", "simulated"], category: "Processing" },
  { name: "priority", type: "number", allowed_values: [1, 2, 3], category: "Processing" },
  { name: "probe count", type: "number", range: { min: 0, max: 12 }, category: "Acquisition" },
  { name: "acquisition date", type: "date", range: { min: 946_684_800 }, category: "Acquisition" },
  { name: "hours recorded", type: "number", range: { min: 0 }, units: "h", category: "Acquisition" },
  { name: "regions", type: "string", multiple: true },
]

export const customMetadataRoutes: Route[] = [
  {
    method: "GET",
    path: "/custom_metadata",
    scope: "datasets:read",
    handle: () => ok({ fields, categories: ["Subject", "Acquisition", "Processing"] }),
  },
]

/** The metadata of a body. Refuses values that the schema does not allow, by key. */
export function readCustomMetadata(given: unknown): NonNullable<DataAsset["custom_metadata"]> {
  if (!isObject(given)) return refuse(400, "custom_metadata must be an object")
  for (const [key, value] of Object.entries(given)) {
    const field = fields.find(({ name }) => name === key)
    if (!field) return refuse(400, `unknown custom metadata field "${key}"`)
    const values = field.multiple && Array.isArray(value) ? value : [value]
    for (const one of values) checkValue(field, one)
  }
  return given as NonNullable<DataAsset["custom_metadata"]>
}

function checkValue({ name, type, range, allowed_values }: Field, value: unknown): void {
  const expected = type === "string" ? "string" : "number"
  if (typeof value !== expected) refuse(400, `custom metadata field "${name}" must be a ${type}`)
  if (allowed_values && !allowed_values.includes(value as string | number))
    refuse(400, `custom metadata field "${name}" must be one of ${allowed_values.join(", ")}`)
  const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = range ?? {}
  if (typeof value === "number" && (value < min || value > max))
    refuse(400, `custom metadata field "${name}" is out of range`)
}
