import { type Failure, nullIfMissing, Refusal, toFailure } from "../../errors.ts"
import type { TaskMemo } from "../../polling/tasks.ts"
import { DecodeError, isObject, isReadable, type SearchToken } from "../../upstream/decoders.ts"
import type { Context } from "../context.ts"
import * as rest from "../dataAsset/rest.ts"
import { readableString } from "../fields.ts"
import { tokenMark, usableToken } from "../pagination/position.ts"
import { describeMissing, missingPermissions } from "../permissions/missing.ts"
import { sendPermissions } from "../permissions/mutations.ts"
import { getPermissions, type Permissions } from "../permissions/rest.ts"

/** The data asset to create, and from which run, in the wire format. */
export interface CaptureRequest {
  computationId: string
  params: rest.DataAssetParams
  permissions: Permissions
}

export interface Step {
  step: "create" | "set_permissions"
  status: "done" | "already_done" | "failed"
  failure?: Failure
}

/** The data asset, and what was done for it. */
interface Captured {
  dataAsset: rest.DataAsset
  steps: Step[]
}

/**
 * Captures a result once, even if the client leaves. The captures of one caller with the same run and name, surrounding spaces
 * aside, run one after another, whether a mutation or a subscription began them, and the later ones find the data asset of the
 * first. Rejects if no data asset was created.
 */
export function captureOnce(context: Context, request: CaptureRequest): Promise<Captured> {
  const key = ["captureResult", request.computationId, request.params.name.trim()]
  return context.runToCompletion(key, request, (own, memo) => captureNow(own, request, memo))
}

/**
 * Creates the data asset unless this run already has one under this name, and sets its permissions. Each step has the full
 * deadline. Rejects if no data asset was created.
 */
async function captureNow(context: Context, request: CaptureRequest, memo: TaskMemo): Promise<Captured> {
  const earlier = (await recalled(context, memo)) ?? (await earlierCapture(context, request))
  context.reset()
  const dataAsset = earlier ?? (await created(context, request))
  memo.write(dataAsset.id)
  context.reset()
  const steps: Step[] = [{ step: "create", status: earlier === undefined ? "done" : "already_done" }]
  return { dataAsset, steps: [...steps, ...(await permissionSteps(context, dataAsset.id, request.permissions))] }
}

/** What this process captured before, if it still exists. A search may not find a data asset that was just created. */
async function recalled(context: Context, memo: TaskMemo): Promise<rest.DataAsset | undefined> {
  const id = memo.read()
  if (id === undefined) return undefined
  return (await nullIfMissing(rest.getDataAsset(context.upstream, id))) ?? undefined
}

/** Sends the write once. If the response is lost or unreadable, a search checks whether it succeeded. */
async function created(context: Context, request: CaptureRequest): Promise<rest.DataAsset> {
  try {
    return await rest.createDataAsset(context.upstream, request.params)
  } catch (error) {
    const failure = toFailure(error)
    if (failure?.outcomeUnknown !== true && failure?.code !== "UPSTREAM_INVALID_RESPONSE") throw error
    context.reset()
    const found = await earlierCapture(context, request).catch(() => undefined)
    if (found === undefined) throw error
    return found
  }
}

const nameOf = readableString("name")
const computationOf = readableString("computation")

function runOf({ provenance }: rest.DataAsset): string | null {
  return isObject(provenance) ? computationOf(provenance) : null
}

const maxPages = 10
const pageSize = 1000

/** The caller's data asset of this run with this name. One call for each 1,000 results with a similar name. */
async function earlierCapture(
  { upstream }: Context,
  { computationId, params: { name } }: CaptureRequest,
): Promise<rest.DataAsset | undefined> {
  const filters = [{ key: "name", value: name }]
  const tokens = new Set<string>()
  let next_token: SearchToken | undefined
  for (let page = 0; page < maxPages; page++) {
    const body = { type: "result", ownership: "created", filters, limit: pageSize, next_token }
    const answer = await rest.searchDataAssets(upstream, body)
    const found = answer.results
      .filter(isReadable)
      .find((asset) => runOf(asset) === computationId && nameOf(asset)?.trim() === name.trim())
    if (found !== undefined) return found
    if (answer.has_more !== true) return undefined
    next_token = usableToken(answer.next_token)
    // Code Ocean has more, but no way to it. Without seeing the rest, a second data asset might be created.
    if (next_token === undefined || tokens.has(tokenMark(next_token))) {
      throw new DecodeError(
        "Code Ocean sent an invalid response: its search has more results, but no new token for them. So it is unknown whether the result was captured before, and nothing was created.",
      )
    }
    tokens.add(tokenMark(next_token))
  }
  throw new Refusal(
    "CONFLICT",
    `More than ${maxPages * pageSize} of your results have names like this one, too many to see whether it was captured before. Use another name.`,
    null,
  )
}

/**
 * Sets the permissions, reads them back, and returns the step with its result. Returns no step if none are given. Three calls.
 */
export async function permissionSteps(context: Context, id: string, permissions: Permissions): Promise<Step[]> {
  if (Object.keys(permissions).length === 0) return []
  try {
    await sendPermissions(context, "data_assets", id, permissions)
    return [await readBack(context, id, permissions)]
  } catch (error) {
    const failure = toFailure(error)
    if (failure === undefined) throw error
    return [{ step: "set_permissions", status: "failed", failure }]
  }
}

/** The step, after the permissions were sent: a 2xx does not prove that all of them were set. */
async function readBack(context: Context, id: string, permissions: Permissions): Promise<Step> {
  context.reset()
  try {
    const missing = missingPermissions(permissions, await getPermissions(context.upstream, "data_assets", id))
    if (missing === null) return { step: "set_permissions", status: "done" }
    const failure: Failure = { code: "CONFLICT", message: describeMissing(missing), outcomeUnknown: false }
    return { step: "set_permissions", status: "failed", failure }
  } catch (error) {
    const failure = toFailure(error)
    if (failure === undefined) throw error
    const message = `The permissions were sent, but could not be read back: ${failure.message}`
    return { step: "set_permissions", status: "failed", failure: { ...failure, message, outcomeUnknown: true } }
  }
}

/** Whether every step is done. */
export function isDone(steps: readonly Step[]): boolean {
  return steps.every(({ status }) => status !== "failed")
}
