import type { Upstream } from "../../upstream/client.ts"
import { object } from "../../upstream/decoders.ts"
import type { Kind } from "../capsule/rest.ts"

/** The form for the parameters of a run. */
export interface AppPanel {
  general?: { title?: string; instructions?: string; help_text?: string }
  data_assets?: PanelDataAsset[]
  categories?: Category[]
  parameters?: PanelParameter[]
  results?: { file_name?: string }[]
  /** Only pipelines of capsules have processes, and then no categories and parameters of their own. */
  processes?: { name?: string; categories?: Category[]; parameters?: PanelParameter[] }[]
}

export interface PanelDataAsset {
  id: string
  mount?: string
  name?: string
  description?: string
  help_text?: string
  kind?: string
  accessible?: boolean
}

export interface Category {
  id?: string
  name?: string
  description?: string
  help_text?: string
}

export interface PanelParameter {
  name?: string
  type?: string
  /** A category's id. */
  category?: string
  param_name?: string
  description?: string
  help_text?: string
  value_type?: string
  default_value?: string
  required?: boolean
  hidden?: boolean
  minimum?: number
  maximum?: number
  pattern?: string
  value_options?: string[]
}

/**
 * `GET /{kind}/{id}/app_panel?version=`: the app panel of a release, or the latest.
 * Rejects with UpstreamError: 404 if there is no panel, or no such capsule or pipeline.
 */
export function getAppPanel(
  upstream: Upstream,
  kind: Kind,
  id: string,
  version: number | undefined,
): Promise<AppPanel> {
  return upstream.read({
    method: "GET",
    route: `${kind}/{id}/app_panel`,
    ids: { id },
    query: { version },
    decode: object<AppPanel>,
  })
}
