import { setTimeout as sleep } from "node:timers/promises"
import { type Failure, nullIfMissing, presentError, Refusal, toFailure } from "../../errors.ts"
import type { LineLog } from "../../log/log.ts"
import { settledWithin } from "../../polling/clock.ts"
import type { Turn } from "../../polling/turn.ts"
import { noNote, unfinished } from "../../store/store.ts"
import { DecodeError, isObject, isReadable, type SearchToken } from "../../upstream/decoders.ts"
import type { Context, Polling, RequestInfo } from "../context.ts"
import { watchDataAsset } from "../dataAsset/queries.ts"
import * as rest from "../dataAsset/rest.ts"
import { DataAssetState } from "../dataAsset/type.ts"
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
  polling: Polling
}

export interface Step {
  step: "create" | "set_permissions"
  status: "done" | "already_done" | "pending" | "failed"
  failure?: Failure
}

/** The data asset, and what was done for it. */
interface Captured {
  dataAsset: rest.DataAsset
  steps: Step[]
  /** All steps, when none is pending any more. Never rejects. */
  finished: Promise<Step[]>
}

/**
 * Captures a result once, even if the client disconnects. Captures with the same run and name, surrounding spaces aside, run one
 * after another, whether a mutation or a subscription began them, and the later ones find the data asset of the first. Permissions
 * are set once the data asset is READY; the step is pending until then. Rejects if no data asset was created.
 */
export async function captureOnce(context: Context, request: CaptureRequest): Promise<Captured> {
  const { computationId, params } = request
  const key = ["captureResult", computationId.toLowerCase(), params.name.trim()]
  const [dataAsset, create] = await context.runToCompletion(key, params, (own, task) =>
    task
      .alone((turn) => createOnce(own, request, turn))
      .catch((error: unknown) => {
        countStep(own, { step: "create", status: "failed" })
        throw error
      }),
  )
  if (Object.keys(request.permissions).length === 0) {
    const steps = [create]
    return { dataAsset, steps, finished: Promise.resolve(steps) }
  }
  const finished = bothSteps(create, shareOnce(context, dataAsset, request))
  return { dataAsset, steps: [create, pending], finished }
}

/** Outside of `captureOnce`, whose closures refer to the whole request. */
async function bothSteps(create: Step, share: Promise<Step>): Promise<Step[]> {
  return [create, await share]
}

const pending: Step = { step: "set_permissions", status: "pending" }

/** How long a mutation waits for the first read of a draft, in milliseconds. */
const maxFirstReadMs = 5_000
/** How long a mutation waits for the permissions of a data asset that is READY, in milliseconds. Three calls take less as a rule. */
const maxSharingMs = 20_000

/** The steps of a capture for a client that does not follow the data asset: a draft's permissions are pending. */
export async function stepsOfMutation(context: Context, captured: Captured, polling: Polling): Promise<Step[]> {
  const { dataAsset, steps, finished } = captured
  if (steps.every(({ status }) => status !== "pending")) return steps
  if (!isReady(dataAsset, context) && (await isDraftAtFirstRead(context, dataAsset.id, polling))) return steps
  return (await settledWithin(maxSharingMs, finished)) ?? steps
}

/** Whether the data asset is still a draft. Makes no call of its own: this is the first read of the task that sets the permissions. */
async function isDraftAtFirstRead(context: Context, id: string, polling: Polling): Promise<boolean> {
  const updates = watchDataAsset(id, context, polling)
  const read = await settledWithin(maxFirstReadMs, updates.next())
  await updates.return?.()
  if (read === undefined) return true
  const { done, value } = read
  return done !== true && "value" in value && !value.isFinal
}

/** Creates the data asset unless this run already has one under this name. Each call has the full deadline. */
async function createOnce(
  context: Context,
  request: CaptureRequest,
  turn: Turn,
): Promise<[dataAsset: rest.DataAsset, step: Step]> {
  context.reset()
  const earlier =
    (await noted(context, request, turn)) ??
    (await (turn.wasCutOff ? appearingCapture(context, request, turn) : earlierCapture(context, request)))
  if (earlier === undefined) await turn.confirm()
  context.reset()
  const dataAsset = earlier ?? (await created(context, request, turn))
  turn.leave(dataAsset.id)
  return [dataAsset, countStep(context, { step: "create", status: earlier === undefined ? "done" : "already_done" })]
}

/** Counts a step that has ended. Called within a task, so that captures that share a step count it once. */
function countStep({ state }: Context, step: Step): Step {
  state.metrics?.onCaptureStep(step.step, step.status)
  return step
}

/**
 * What the caller captured before, if it still exists, has kept its name, and has not failed. A search may not find a data asset
 * that was just created.
 */
async function noted(context: Context, request: CaptureRequest, turn: Turn): Promise<rest.DataAsset | undefined> {
  if (turn.note === undefined) return undefined
  const dataAsset = await nullIfMissing(rest.getDataAsset(context.upstream, turn.note))
  return dataAsset !== null && isUsable(dataAsset, request, context) ? dataAsset : undefined
}

/** Sends the write once. If the response is lost or unreadable, a search checks whether it succeeded. */
async function created(context: Context, request: CaptureRequest, turn: Turn): Promise<rest.DataAsset> {
  try {
    return await rest.createDataAsset(context.upstream, request.params)
  } catch (error) {
    const failure = toFailure(error)
    if (failure?.outcomeUnknown !== true && failure?.code !== "UPSTREAM_INVALID_RESPONSE") throw error
    context.reset()
    const found = await earlierCapture(context, request).catch(() => undefined)
    if (found !== undefined) return found
    turn.leave(unfinished)
    throw error
  }
}

/** The first and the longest pause between two searches for a data asset that may be being created, in milliseconds. */
const [minPauseMs, maxPauseMs] = [500, 5_000]

/**
 * Like `earlierCapture`, after a creation whose outcome is unknown. Searches for as long as a call can take: it may not have
 * ended, and a search may not find the data asset at once.
 */
async function appearingCapture(
  context: Context,
  request: CaptureRequest,
  turn: Turn,
): Promise<rest.DataAsset | undefined> {
  const until = performance.now() + context.callTimeoutMs
  for (let pauseMs = minPauseMs; ; pauseMs = Math.min(1.5 * pauseMs, maxPauseMs)) {
    context.reset()
    const leftMs = until - performance.now()
    const found = await earlierCapture(context, request)
    if (found !== undefined) return found
    if (leftMs <= 0) {
      turn.leave(noNote)
      return undefined
    }
    await sleep(Math.min(pauseMs, leftMs))
  }
}

const nameOf = readableString("name")
const computationOf = readableString("computation")

/** Whether the data asset has the name of the capture, which Code Ocean keeps without surrounding spaces, and has not failed. */
function isUsable(dataAsset: rest.DataAsset, { params }: CaptureRequest, context: Context): boolean {
  return nameOf(dataAsset)?.trim() === params.name.trim() && stateOf(dataAsset, context) !== "failed"
}

/** Whether the data asset has the results of this run. As in Code Ocean, ids are compared without regard to case. */
function isOfRun({ provenance }: rest.DataAsset, { computationId }: CaptureRequest): boolean {
  return isObject(provenance) && computationOf(provenance)?.toLowerCase() === computationId.toLowerCase()
}

const maxPages = 10
const pageSize = 1000

/** The caller's data asset of this run with this name. One call for each 1,000 results with a similar name. */
async function earlierCapture(context: Context, request: CaptureRequest): Promise<rest.DataAsset | undefined> {
  const filters = [{ key: "name", value: request.params.name.trim() }]
  const tokens = new Set<string>()
  let next_token: SearchToken | undefined
  for (let page = 0; page < maxPages; page++) {
    const body = { type: "result", ownership: "created", filters, limit: pageSize, next_token }
    const answer = await rest.searchDataAssets(context.upstream, body)
    const found = answer.results
      .filter(isReadable)
      .find((asset) => isOfRun(asset, request) && isUsable(asset, request, context))
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
 * Sets the permissions once the data asset is READY, and reads them back, since a 2xx does not prove that all of them were set.
 * Continues if the client disconnects. A failure is logged, because the client may be gone. Never rejects.
 */
function shareOnce(context: Context, dataAsset: rest.DataAsset, request: CaptureRequest): Promise<Step> {
  // What the task refers to is kept for as long as the data asset is a draft, so it is little.
  const { permissions, polling } = request
  const { id } = dataAsset
  const wasReady = isReady(dataAsset, context)
  const key = ["captureResult permissions", id]
  // Each waits with its own polling options. Only what changes the permissions runs alone.
  const step = context.runToCompletion(key, [permissions, polling], async (own, task): Promise<Step> => {
    try {
      if (!wasReady) await untilReady(own, id, polling)
      const failure = await task.alone(() => share(own, id, permissions))
      const done: Step = { step: "set_permissions", status: "done" }
      return countStep(own, failure === undefined ? done : notShared(own.state.log, id, failure))
    } catch (error) {
      return countStep(own, notShared(own.state.log, id, failureOf(error, own.state)))
    }
  })
  // Rejects if the caller has too many tasks.
  const { log } = context.state
  return step.catch((error) => notShared(log, id, toFailure(error) as Failure))
}

function notShared(log: LineLog, dataAssetId: string, failure: Failure): Step {
  log.warn({ dataAssetId, ...failure }, "the permissions of a captured result were not set")
  return { step: "set_permissions", status: "failed", failure }
}

/** Sets the permissions, and reads them back. Returns what is wrong. */
async function share(context: Context, id: string, permissions: Permissions): Promise<Failure | undefined> {
  context.reset()
  const lost = await sendPermissions(context, "data_assets", id, permissions).then(() => undefined, unknownOutcome)
  context.reset()
  const failure = await checkPermissions(context, id, permissions)
  return failure && (lost ?? failure)
}

/** The failure of a write that may have taken effect. Throws the error of any other. */
function unknownOutcome(error: unknown): Failure {
  const failure = toFailure(error)
  if (failure?.outcomeUnknown !== true) throw error
  return failure
}

/** The error as data. One that is a bug is logged and masked. */
function failureOf(error: unknown, { requestId, log }: RequestInfo): Failure {
  return toFailure(error) ?? (toFailure(presentError(error, requestId, log)) as Failure)
}

/** How long a task waits for a data asset without a time limit of the client's, in milliseconds. */
const defaultReadyLimitMs = 24 * 3_600_000

/** Waits until the data asset is READY. Throws if its creation fails, if it cannot be read, or at the time limit. */
async function untilReady(context: Context, id: string, polling: Polling): Promise<void> {
  const timeLimitMs = polling.timeLimitMs ?? defaultReadyLimitMs
  let latest: rest.DataAsset | undefined
  for await (const update of watchDataAsset(id, context, { ...polling, timeLimitMs, justRead: true })) {
    if ("error" in update) throw update.error
    if (update.isFinal) latest = update.value
  }
  if (latest === undefined) {
    const message =
      "The gateway stopped before the data asset was READY, so its permissions are not set. Capture the result again: no second data asset is created, and the permissions are set."
    throw new Refusal("CONFLICT", message, null)
  }
  if (isReady(latest, context)) return
  throw new Refusal("CONFLICT", "The data asset's creation failed, so its permissions are not set.", null)
}

function stateOf({ state }: rest.DataAsset, context: Context): string {
  return DataAssetState.read(state, context)
}

export function isReady(dataAsset: rest.DataAsset, context: Context): boolean {
  return stateOf(dataAsset, context) === "ready"
}

/** Compares the permissions with what was asked for. Returns what is wrong. */
async function checkPermissions(
  { upstream, state }: Context,
  id: string,
  permissions: Permissions,
): Promise<Failure | undefined> {
  try {
    const missing = missingPermissions(permissions, await getPermissions(upstream, "data_assets", id))
    return missing === null ? undefined : { code: "CONFLICT", message: describeMissing(missing), outcomeUnknown: false }
  } catch (error) {
    const failure = failureOf(error, state)
    const message = `The permissions were sent, but could not be read back: ${failure.message}`
    return { ...failure, message, outcomeUnknown: true }
  }
}

/** Whether every step is done. */
export function isDone(steps: readonly Step[]): boolean {
  return steps.every(({ status }) => status === "done" || status === "already_done")
}
