/** The proxy of `HTTPS_PROXY` or `HTTP_PROXY` has not made a connection. The message is for the log, and names the proxy. */
export class ProxyError extends Error {
  /** What has failed, for clients. Follows "can't be reached:". Names no host. */
  readonly reason: string
  constructor(proxy: string, reason: string, cause?: unknown) {
    super(`proxy ${proxy}: ${reason}`, { cause })
    this.reason = reason
  }
}

const untrustedIssuer = "its certificate is signed by an authority that the gateway does not trust"

/** What is wrong with a certificate, by the error's code. */
const certificateProblems: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is self-signed",
  SELF_SIGNED_CERT_IN_CHAIN: untrustedIssuer,
  UNABLE_TO_GET_ISSUER_CERT: untrustedIssuer,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: untrustedIssuer,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    "its certificate's chain is incomplete, or is signed by an authority that the gateway does not trust",
  CERT_HAS_EXPIRED: "its certificate has expired",
  CERT_NOT_YET_VALID: "its certificate is not valid yet",
  ERR_TLS_CERT_ALTNAME_INVALID: "its certificate is for another host name",
  HOSTNAME_MISMATCH: "its certificate is for another host name",
}

/**
 * Why a connection could not be made, for clients: a clause that names no host. Undefined if the host is down or does not exist.
 */
export function unreachableReason(error: unknown): string | undefined {
  for (let cause = error, depth = 0; cause instanceof Error && depth < 4; cause = cause.cause, depth++) {
    if (cause instanceof ProxyError) return cause.reason
    const problem = certificateProblem((cause as NodeJS.ErrnoException).code)
    if (problem !== undefined) return problem
  }
  return undefined
}

function certificateProblem(code: unknown): string | undefined {
  if (typeof code !== "string") return undefined
  const problem = certificateProblems[code]
  if (problem !== undefined) return `${problem} (${code})`
  if (/CERT|^INVALID_(CA|PURPOSE)$|^PATH_LENGTH_EXCEEDED$|^CRL_/.test(code))
    return `its certificate can't be verified (${code})`
  // Such as plain HTTP at an https address.
  return code.startsWith("ERR_SSL_") ? `TLS can't be negotiated (${code})` : undefined
}
