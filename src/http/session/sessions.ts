import { hash } from "node:crypto"
import type { IncomingHttpHeaders } from "node:http"
import type { Store, StoreWait } from "../../store/store.ts"
import { type CookieName, createCookies, isSameOrigin, setCookie } from "./cookie.ts"
import { createSeal, newSessionId, type OpenedSession } from "./seal.ts"

/** A session is over when so many times the hours of SESSION_HOURS have passed since its start, however much it is used. */
const maxLives = 3
/** A cookie is sealed again at most so often. */
const resealAfterSeconds = 60

/** The session of a request. */
export interface ActiveSession extends OpenedSession {
  readonly cookieName: CookieName
}

/** Why a request that asks for its session has none: a sentence for the client. */
export interface NoSession {
  readonly missing: string
}

/** What a page may know of its session. */
export interface SessionDescription {
  id: string
  startedAt: string
  /** When it ends if it is not used until then. */
  expiresAt: string
  /** When it ends however much it is used. */
  endsAt: string
}

export interface Sessions {
  /** Undefined if the request does not ask for a session. */
  open(headers: IncomingHttpHeaders): ActiveSession | NoSession | undefined
  /** Whether the user has signed out of it. */
  isEnded(session: ActiveSession, storeWait?: StoreWait): Promise<boolean>
  /** A new session for a token. Undefined if the browser would not keep its cookie. */
  start(token: string, headers: IncomingHttpHeaders): { session: ActiveSession; cookie: string } | undefined
  /** Ends a session before its time. Resolves when the other replicas can know. */
  end(session: ActiveSession, storeWait?: StoreWait): Promise<void>
  /** The Set-Cookie header that extends a session. Undefined while it is not necessary. */
  renewal(session: ActiveSession): string | undefined
  /** Calls back when the session ends while a response is being sent. Returns a function that stops it. */
  onEnd(session: ActiveSession, callback: () => void): () => void
  /** Calls back for the sessions whose time has passed. To be called at short intervals. */
  check(): void
  describe(session: ActiveSession): SessionDescription
  /** The Set-Cookie header that removes the cookie. */
  clearedCookie(headers: IncomingHttpHeaders): string | undefined
}

const topic = "sessions"

/**
 * Sessions without a table: the cookie is the session. Only what was signed out is remembered, until it would have ended anyway.
 * @param options.hours how long a session lasts after it was last used
 * @param options.isLocal whether only this machine can connect, and not through a proxy
 * @param options.now the time in milliseconds, the same for all replicas
 */
export function createSessions(options: {
  secrets: readonly string[]
  hours: number
  isLocal: boolean
  store: Store
  now(): number
}): Sessions {
  const { store } = options
  const seal = createSeal(options.secrets)
  const cookies = createCookies(options.isLocal)
  const lifeSeconds = options.hours * 3_600
  /** What to call when a session ends, by the digest of its id. */
  const listeners = new Map<string, Set<Listener>>()
  store.listen(topic, (name) => notify(name))

  const nowSeconds = () => Math.floor(options.now() / 1_000)
  const endsAt = ({ startedAt }: ActiveSession) => startedAt + maxLives * lifeSeconds
  const expiresAt = (session: ActiveSession) => Math.min(session.sealedAt + lifeSeconds, endsAt(session))

  function sealed(session: ActiveSession): string {
    const { cookieName } = session
    return setCookie(cookieName, seal.seal(session, cookieName), expiresAt(session) - nowSeconds())
  }

  function notify(name: string) {
    for (const { callback } of listeners.get(name) ?? []) callback()
  }

  return {
    open(headers) {
      const wanted = headers["x-session"]
      if (wanted === undefined) return undefined
      const cookie = isSameOrigin(headers) ? cookies.read(headers) : undefined
      if (cookie === undefined) return noSession
      const opened = seal.open(cookie.value, cookie.name)
      if (opened === undefined) return noSession
      const session: ActiveSession = { ...opened, cookieName: cookie.name }
      if (nowSeconds() >= expiresAt(session)) return noSession
      return wanted === "1" || wanted === session.id ? session : otherSession
    },
    isEnded: (session, storeWait) => store.isDenied(nameOf(session), storeWait),
    start(token, headers) {
      const cookieName = cookies.nameFor(headers)
      if (cookieName === undefined) return undefined
      const startedAt = nowSeconds()
      const session = { id: newSessionId(), token, startedAt, sealedAt: startedAt, cookieName, isNewestKey: true }
      return { session, cookie: sealed(session) }
    },
    async end(session, storeWait) {
      const name = nameOf(session)
      await store.deny(name, (endsAt(session) - nowSeconds()) * 1_000, storeWait)
      await store.announce(topic, name, storeWait)
    },
    renewal(session) {
      const sealedAt = nowSeconds()
      const isFresh = sealedAt - session.sealedAt < resealAfterSeconds
      return isFresh && session.isNewestKey ? undefined : sealed({ ...session, sealedAt })
    },
    onEnd(session, callback) {
      const name = nameOf(session)
      const listener = { callback, endsAt: endsAt(session) }
      const others = listeners.get(name) ?? new Set()
      listeners.set(name, others.add(listener))
      return () => {
        others.delete(listener)
        if (others.size === 0) listeners.delete(name)
      }
    },
    check() {
      const now = nowSeconds()
      for (const others of listeners.values()) {
        for (const { endsAt, callback } of others) if (endsAt <= now) callback()
      }
    },
    describe(session) {
      return {
        id: session.id,
        startedAt: isoTime(session.startedAt),
        expiresAt: isoTime(expiresAt(session)),
        endsAt: isoTime(endsAt(session)),
      }
    },
    clearedCookie(headers) {
      const name = cookies.read(headers)?.name ?? cookies.nameFor(headers)
      return name && setCookie(name, "", 0)
    },
  }
}

interface Listener {
  callback: () => void
  endsAt: number
}

export const noSession: NoSession = {
  missing:
    "There is no session, or it has ended. Sign in with POST /session, or send a Code Ocean access token: `Authorization: Bearer <token>`.",
}

const otherSession: NoSession = { missing: "The browser has another session by now. Reload the page." }

/** The store gets no id, but a digest of it. */
export function nameOf({ id }: Pick<ActiveSession, "id">): string {
  return hash("sha256", `session ${id}`, "base64url")
}

function isoTime(seconds: number): string {
  return new Date(seconds * 1_000).toISOString()
}
