/** A scope that the caller's token lacks, certainly or possibly. */
export interface MissingScope {
  /** Code Ocean's name for it: `Capsule read`, `Data Asset write`. */
  requiredScope: string
  /** False if the token may as well be unknown to Code Ocean. */
  lacksScope: boolean
  /** A sentence for the client. */
  sentence: string
}

/** Routes that need a data asset scope. All others need a capsule scope. */
const dataAssetRoutes = /^(data_assets|custom_metadata)\b/

/**
 * The scope that a response's 401 or 403 is about. Undefined unless the message speaks of scopes, or the response is the 401
 * of a search: Code Ocean sends that both for a missing scope and for an unknown token.
 */
export function missingScope(
  status: number,
  message: string | undefined,
  route: string,
  isWrite: boolean,
): MissingScope | undefined {
  if (status !== 401 && status !== 403) return undefined
  const requiredScope = `${dataAssetRoutes.test(route) ? "Data Asset" : "Capsule"} ${isWrite ? "write" : "read"}`
  if (/\bscopes?\b/i.test(message ?? "")) {
    return { requiredScope, lacksScope: true, sentence: `(Requires a token with the scope ${requiredScope}.)` }
  }
  if (status !== 401 || !route.endsWith("/search")) return undefined
  const sentence = `(If Code Ocean knows the token, the token lacks the scope ${requiredScope}.)`
  return { requiredScope, lacksScope: false, sentence }
}
