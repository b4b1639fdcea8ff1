import type { Upstream } from "../../upstream/client.ts"
import { object } from "../../upstream/decoders.ts"

/** The custom metadata fields that a deployment's admins have defined. */
export interface CustomMetadataSchema {
  fields?: CustomMetadataField[]
  categories?: string[]
}

export interface CustomMetadataField {
  name: string
  type: string
  /** For a date, epoch seconds. */
  range?: { min?: number; max?: number }
  /** Strings or numbers. */
  allowed_values?: unknown[]
  multiple?: boolean
  units?: string
  category?: string
  required?: boolean
}

/** `GET /custom_metadata`: the deployment's custom metadata fields, the same for all callers. */
export function getCustomMetadata(upstream: Upstream): Promise<CustomMetadataSchema> {
  return upstream.read({ method: "GET", route: "custom_metadata", decode: object<CustomMetadataSchema> })
}
