import { useSyncExternalStore } from "react"
import { fetchFromGateway } from "./gateway.ts"
import { sessionUrl, settings } from "./settings.ts"

/*
 * Who is signed in. The token is in a sealed cookie that no script can read. The gateway takes the cookie only together with the
 * header X-Session, which pages of other sites cannot send.
 */

/** Asks for the session that the browser has, whichever tab began it. */
const anySession = { "x-session": "1" }

/** Asks for this page's own session. The gateway refuses it if another user has signed in in another tab since. */
export function sessionHeaders(): { "x-session": string } {
  return "session" in state ? { "x-session": state.session.id } : anySession
}

export interface Session {
  id: string
  /** When the session ends unless it is used. */
  expiresAt?: string
  /** When it ends even if it is used. */
  endsAt?: string
}

export type SessionState =
  | { is: "unknown" }
  /** The gateway does not answer, so whether there is a session is not known. */
  | { is: "unreachable"; message: string }
  | { is: "signedOut" }
  | { is: "signedIn"; session: Session }
  /**
   * It has ended while pages are open. They stay as they are until the visitor signs in again, or goes on with `other`, the session
   * of another tab.
   */
  | { is: "expired"; session: Session; other?: Session }

let state: SessionState = { is: "unknown" }
const listeners = new Set<() => void>()
function set(next: SessionState): void {
  state = next
  for (const listener of listeners) listener()
}

export function subscribeToSession(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

export const sessionState = (): SessionState => state
export const useSession = (): SessionState => useSyncExternalStore(subscribeToSession, sessionState)

/** Written when the visitor signs out, which the other tabs notice. */
const signedOutTabKey = "explorer:signed-out-at"
addEventListener("storage", ({ key }) => {
  if (key === signedOutTabKey) sessionExpired()
})

/** Set when the visitor signs out of the demo, which would otherwise sign in again at once. */
const signedOutKey = "explorer:signed-out"

async function readSession(): Promise<{ response: Response; session: Session | undefined }> {
  const response = await fetchFromGateway(sessionUrl, { headers: anySession, credentials: "same-origin" })
  if (!response.ok) return { response, session: undefined }
  const { session } = (await response.json()) as { session: Session | null }
  return { response, session: session ?? undefined }
}

/** Asks the gateway for the session. In the demo, it starts one. */
export async function findSession(): Promise<void> {
  try {
    const { response, session } = await readSession()
    if (session !== undefined) set({ is: "signedIn", session })
    // Beyond a limit of the gateway, too, it is not known whether there is a session.
    else if (response.status >= 500 || response.status === 429)
      set({ is: "unreachable", message: `The gateway answers with HTTP ${response.status}.` })
    else if (settings.token !== undefined && sessionStorage.getItem(signedOutKey) === null) await signIn(settings.token)
    else set({ is: "signedOut" })
  } catch {
    set({ is: "unreachable", message: "The gateway does not answer." })
  }
}

/** Signs in with a token. Resolves with why it was refused; undefined if it was not. */
export async function signIn(token: string): Promise<string | undefined> {
  const response = await fetchFromGateway(sessionUrl, {
    method: "POST",
    headers: { ...anySession, "content-type": "application/json" },
    credentials: "same-origin",
    body: JSON.stringify({ token }),
  }).catch(() => undefined)
  if (response === undefined) return "The gateway does not answer. Try again in a moment."
  const body: unknown = await response.json().catch(() => undefined)
  if (response.ok) {
    sessionStorage.removeItem(signedOutKey)
    set({ is: "signedIn", session: (body as { session: Session }).session })
    return undefined
  }
  if (state.is === "unknown" || state.is === "unreachable") set({ is: "signedOut" })
  if (response.status === 401) return "Code Ocean does not know this token. It may be misspelt, expired or revoked."
  const seconds = response.headers.get("retry-after")
  if (response.status === 429)
    return seconds === null
      ? "Too many attempts. Try again in a moment."
      : `Too many attempts. Try again in ${seconds} s.`
  const message = (body as { errors?: { message?: string }[] } | undefined)?.errors?.[0]?.message
  return message ?? `The gateway answers with HTTP ${response.status}.`
}

/** Forgets the session. The token stays valid at Code Ocean. */
export async function signOut(): Promise<void> {
  await fetchFromGateway(sessionUrl, { method: "DELETE", headers: anySession, credentials: "same-origin" }).catch(
    () => undefined,
  )
  sessionStorage.setItem(signedOutKey, "true")
  localStorage.setItem(signedOutTabKey, String(Date.now()))
  set({ is: "signedOut" })
}

/** To be called when the gateway does not accept the session any more. */
export function sessionExpired(): void {
  if (state.is !== "signedIn") return
  const expired = { is: "expired", session: state.session } as const
  set(expired)
  readSession().then(
    ({ session }) => {
      // The page's own session goes on if Code Ocean no longer accepts its token.
      const isOther = session !== undefined && session.id !== expired.session.id
      if (isOther && state === expired) set({ ...expired, other: session })
    },
    () => undefined,
  )
}

/** Goes on with a session that began in another tab. */
export function continueWith(session: Session): void {
  set({ is: "signedIn", session })
}
