import type { ErrorCode } from "../errors.ts"
import type { RejectionReason } from "../telemetry/metrics.ts"

/** The response to a request that is not admitted. */
export interface Rejection {
  reason: RejectionReason
  status: 400 | 401 | 403 | 408 | 413 | 415 | 429 | 500 | 503
  code: ErrorCode
  message: string
  retryAfterSeconds?: number
  /** The content encodings that a request body may have. */
  acceptEncoding?: string
}
