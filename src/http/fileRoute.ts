import type { IncomingMessage, ServerResponse } from "node:http"
import { Link } from "../collections/linkedList.ts"
import { type ErrorCode, presentError } from "../errors.ts"
import type { Context } from "../graph/context.ts"
import { type Image, imageAt, NoImageError } from "../graph/files/image.ts"
import type { FileOwner } from "../graph/files/rest.ts"
import { FairSemaphore } from "../upstream/fairSemaphore.ts"
import type { BuildContext } from "./buildContext.ts"
import type { RequestState } from "./requestState.ts"
import { sendErrors, sendImage } from "./respond.ts"
import { filePath } from "./router.ts"

/** How many images are read at the same time, each of at most 8 MiB, and how many requests may wait for that. */
const maxReads = 8
const maxWaiting = 1_000

/** Why there is no image in the response. */
interface Problem {
  status: number
  code: ErrorCode
  message: string
  extensions?: Record<string, unknown>
}

/** The status for each code that such a request can have. */
const statuses: Partial<Record<ErrorCode, number>> = {
  BAD_USER_INPUT: 400,
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  CONFLICT: 409,
  RATE_LIMITED: 429,
  OVERLOADED: 503,
  UPSTREAM_TIMEOUT: 504,
  UPSTREAM_UNAVAILABLE: 503,
  UPSTREAM_INVALID_RESPONSE: 502,
}

/** Answers a request for an image among the files of a run or of a data asset. */
export type FileHandler = (request: IncomingMessage, response: ServerResponse, state: RequestState) => void

/**
 * Creates the handler of `GET /files/…`. It sends images only, and decides by their bytes what they are: a page of the gateway's own
 * origin shows them, so nothing else may come from there.
 * @param maxWaitMs how long a request may wait for its turn
 */
export function createFileRoute(buildContext: BuildContext, maxWaitMs: number): FileHandler {
  const reads = new FairSemaphore(maxReads, maxWaiting)

  async function read({ url = "" }: IncomingMessage, state: RequestState): Promise<Image | Problem> {
    try {
      const { pathname, searchParams } = new URL(url, "http://gateway")
      const [, kind, id = ""] = filePath.exec(pathname) ?? []
      const owner = { kind, id } as FileOwner
      const context = buildContext(state) as Context
      if (!(await hasPermit(state))) return tooManyWait
      state.onCancelled = () => state.endCalls()
      if (state.cancelled) state.endCalls()
      try {
        const image = await imageAt(context, owner, searchParams.get("path") ?? "")
        return image ?? missing
      } finally {
        reads.release()
      }
    } catch (error) {
      if (error instanceof NoImageError) {
        return { status: error.reason === "too large" ? 413 : 415, code: "BAD_USER_INPUT", message: error.message }
      }
      const { message, extensions } = presentError(error, state.requestId, state.log)
      const code = extensions.code as ErrorCode
      return { status: statuses[code] ?? 500, code, message, extensions }
    }
  }

  /** Resolves with true when there is a permit, which has to be released, and with false if that takes too long. */
  function hasPermit(state: RequestState): Promise<boolean> | boolean {
    if (reads.tryAcquire()) return true
    return new Promise((resolve) => {
      const call = new Link({ run: () => end(true) })
      const end = (isOurs: boolean) => {
        clearTimeout(timer)
        reads.remove(state.key, call)
        resolve(isOurs)
      }
      const timer = setTimeout(end, maxWaitMs, false)
      if (reads.enqueue(state.key, call) !== undefined) end(false)
    })
  }

  return (request, response, state) => {
    read(request, state)
      .then((result) => {
        const isImage = "type" in result
        const details = isImage ? { status: 200, bytes: result.bytes.length } : { status: result.status }
        if (!isImage) state.countError(result.code)
        state.endCalls()
        state.writeLine("file", state.cancelled ? "cancelled" : undefined, details)
        if (response.destroyed) return
        if (isImage) sendImage(response, state, result)
        else sendErrors(response, state, result)
      })
      .catch((error: unknown) => {
        state.log.error({ err: error }, "unexpected error")
        response.destroy()
      })
  }
}

const missing: Problem = { status: 404, code: "NOT_FOUND", message: "The file does not exist." }

const tooManyWait: Problem = {
  status: 503,
  code: "OVERLOADED",
  message: "Too many images are being read. Try again in a second.",
  extensions: { retryAfterSeconds: 1 },
}
