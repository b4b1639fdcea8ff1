/** A refusal that is about what the token may do, not about who its owner is. */
export interface ScopeRefusal {
  /** As Code Ocean calls it: `Capsule read`, `Data Asset write`. */
  requiredScope: string
  /** Whether the token lacks it for certain; else upstream may as well not know the token. */
  lacksScope: boolean
  /** What to tell a person. */
  sentence: string
}

/** The parts of the API whose calls go with the scopes for data assets; all the others go with those for capsules. */
const dataAssetRoutes = /^(data_assets|custom_metadata)\b/

/**
 * What a 401 or 403 says of the token's scopes: something where upstream's message speaks of them, or where it is the 401 of a
 * search, which means either that the token lacks the scope or that upstream doesn't know it.
 */
export function scopeRefusal(
  status: number,
  message: string | undefined,
  route: string,
  isWrite: boolean,
): ScopeRefusal | undefined {
  if (status !== 401 && status !== 403) return undefined
  const requiredScope = `${dataAssetRoutes.test(route) ? "Data Asset" : "Capsule"} ${isWrite ? "write" : "read"}`
  if (/\bscopes?\b/i.test(message ?? "")) {
    return { requiredScope, lacksScope: true, sentence: `(It takes a token with the scope ${requiredScope}.)` }
  }
  if (status !== 401 || !route.endsWith("/search")) return undefined
  const sentence = `(If Code Ocean does know the token, it lacks the scope ${requiredScope}.)`
  return { requiredScope, lacksScope: false, sentence }
}
