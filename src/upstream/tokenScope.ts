/** What a 401 or 403 says of the caller's token. */
export interface MissingScope {
  /** Code Ocean's name for the scope that the call needs: `Capsule read`, `Data Asset write`. */
  requiredScope: string
  /** True if Code Ocean says that the token lacks the scope. False if the token may as well be wrong or expired. */
  lacksScope: boolean
  /** A sentence for the client. */
  sentence: string
}

/** Routes that need a data asset scope. All others need a capsule scope. */
const dataAssetRoutes = /^(data_assets|custom_metadata)\b/

/** Words of a message that name another cause than a missing scope. */
const otherCauses = /\b(invalid|valid|expired|unknown|revoked|malformed)\b/i

/**
 * The scope that a response's 401 or 403 may be about. Code Ocean answers 401 to an unknown token, to an expired one and, on some
 * routes, to one that lacks the scope. Undefined for a 403 that does not speak of scopes: that is about the object.
 */
export function missingScope(
  status: number,
  message: string | undefined,
  route: string,
  isWrite: boolean,
): MissingScope | undefined {
  if (status !== 401 && status !== 403) return undefined
  const requiredScope = `${dataAssetRoutes.test(route) ? "Data Asset" : "Capsule"} ${isWrite ? "write" : "read"}`
  const speaksOfScopes = /\bscopes?\b/i.test(message ?? "")
  if (speaksOfScopes && !(status === 401 && otherCauses.test(message ?? ""))) {
    return { requiredScope, lacksScope: true, sentence: `(Requires a token with the scope ${requiredScope}.)` }
  }
  if (status !== 401) return undefined
  const sentence = `(Code Ocean did not accept the token. It may be wrong or expired, or lack the scope ${requiredScope}.)`
  return { requiredScope, lacksScope: false, sentence }
}
