import { nullIfMissing } from "../../errors.ts"
import type { Kind } from "../capsule/rest.ts"
import type { Context } from "../context.ts"
import { loaderByKey } from "../loader.ts"
import * as rest from "./rest.ts"

/** Which job of which capsule or pipeline. */
export interface ReleaseKey {
  kind: Kind
  id: string
  jobId: string
}

const releaseByKey = loaderByKey((context, key) => {
  const { kind, id, jobId }: ReleaseKey = JSON.parse(key)
  return nullIfMissing(rest.getReleaseJob(context.upstream, kind, id, jobId))
})

/** The job that releases a new version of a capsule or pipeline. Null if there is none. One call for each distinct job. */
export function releaseOf(context: Context, { kind, id, jobId }: ReleaseKey): Promise<rest.ReleaseJob | null> {
  return releaseByKey(context).load(JSON.stringify({ kind, id, jobId } satisfies ReleaseKey))
}
