import { nullIfMissing } from "../../errors.ts"
import type { Kind } from "../capsule/rest.ts"
import type { Context } from "../context.ts"
import { loaderByKey } from "../loader.ts"
import * as rest from "./rest.ts"

interface PanelKey {
  kind: Kind
  id: string
  version?: number | undefined
}

const panelByKey = loaderByKey((context, key) => {
  const { kind, id, version }: PanelKey = JSON.parse(key)
  return nullIfMissing(rest.getAppPanel(context.upstream, kind, id, version))
})

/** The panel of a release, or the latest. Null if there is none. One call per distinct panel. */
export function appPanelOf(context: Context, kind: Kind, id: string, version: number | undefined) {
  return panelByKey(context).load(JSON.stringify({ kind, id, version } satisfies PanelKey))
}

/** Drops every panel that this request has loaded, after a write that may have changed them. */
export function clearAppPanels(context: Context): void {
  panelByKey(context).clearAll()
}
