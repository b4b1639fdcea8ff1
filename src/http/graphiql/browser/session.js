// The visitor's session: the token is in a cookie that no script can read. Without SESSION_SECRETS there are no sessions, and the token
// is in the headers editor.

const signedOutKey = "graphiql:signed-out"

/** @param settings of the page. `token` signs in at once. For the demo only */
function createSession({ sessions, token }) {
  // A proxy may serve the gateway below a path of its own.
  const url = new URL(location.pathname.endsWith("/") ? "../session" : "session", location.href)
  /** `undefined` until it is known. */
  let current
  let listeners = []
  /** Shows the dialog. */
  let ask = () => {}
  const set = (next) => {
    current = next
    for (const listener of listeners) listener()
  }

  async function exchange(method, body) {
    const headers = { "x-session": "1", ...(body && { "content-type": "application/json" }) }
    const response = await fetch(url, { method, headers, keepalive: true, ...(body && { body: JSON.stringify(body) }) })
    const text = await response.text()
    return { ok: response.ok, ...(text && JSON.parse(text)) }
  }

  async function find() {
    const { session } = await exchange("GET")
    if (session == null && token !== "" && sessionStorage.getItem(signedOutKey) === null) await signIn(token)
    else set(session ?? null)
  }

  /** Resolves with what is wrong. */
  async function signIn(token) {
    try {
      const { session, errors } = await exchange("POST", { token })
      if (session) sessionStorage.removeItem(signedOutKey)
      set(session ?? current ?? null)
      return errors?.[0]?.message
    } catch {
      return "The gateway does not answer. Try again."
    }
  }

  const found = sessions ? find().catch(() => set(null)) : Promise.resolve()
  const isOwn = (headers) => Object.keys(headers).some((name) => name.toLowerCase() === "authorization")

  return {
    isOn: sessions,
    get: () => current,
    subscribe(listener) {
      listeners = [...listeners, listener]
      return () => {
        listeners = listeners.filter((other) => other !== listener)
      }
    },
    signIn,
    async signOut() {
      sessionStorage.setItem(signedOutKey, "true")
      await exchange("DELETE").catch(() => undefined)
      set(null)
    },
    /** The header that makes the cookie count. Names the session, so that the page never acts for another user of the browser. */
    async headersFor(headers) {
      await found
      return sessions && current && !isOwn(headers) ? { "x-session": current.id } : {}
    },
    onAsk(callback) {
      ask = callback
    },
    /** To be called with each result, and the headers of the headers editor. */
    onResult({ errors = [] }, headers) {
      const isUnauthenticated = errors.some(({ extensions }) => extensions?.code === "UNAUTHENTICATED")
      if (!sessions || !isUnauthenticated || isOwn(headers)) return
      exchange("GET").then(
        ({ session }) => {
          set(session ?? null)
          if (session == null) ask()
        },
        () => undefined,
      )
    },
  }
}

const element = (type, props, ...children) => React.createElement(type, props, ...children)

/** The button and the dialog beside GraphiQL's name. */
function SessionButton({ session }) {
  const current = React.useSyncExternalStore(session.subscribe, session.get)
  const dialog = React.useRef(null)
  React.useEffect(() => session.onAsk(() => dialog.current?.showModal()), [session])
  if (current === undefined) return null
  const close = () => dialog.current?.close()
  return element(
    React.Fragment,
    null,
    element(
      "button",
      {
        type: "button",
        className: `session-button${current ? "" : " is-signed-out"}`,
        onClick: () => dialog.current.showModal(),
      },
      current ? "Signed in" : "Sign in",
    ),
    element(
      "dialog",
      { ref: dialog, className: "session", "aria-labelledby": "session-title" },
      current ? element(SignedIn, { session, current, close }) : element(SignIn, { session, close }),
    ),
  )
}

function SignIn({ session, close }) {
  const [problem, setProblem] = React.useState()
  const [isBusy, setBusy] = React.useState(false)
  const submit = async (event) => {
    event.preventDefault()
    const form = event.currentTarget
    setBusy(true)
    const problem = await session.signIn(form.elements.token.value)
    setBusy(false)
    setProblem(problem)
    if (problem !== undefined) return
    form.reset()
    close()
  }
  return element(
    "form",
    { onSubmit: submit },
    element("h2", { id: "session-title" }, "Sign in"),
    element("label", { htmlFor: "session-token" }, "Code Ocean access token"),
    element("input", {
      id: "session-token",
      name: "token",
      type: "password",
      required: true,
      autoComplete: "off",
      spellCheck: false,
      "aria-describedby": "session-about",
    }),
    element(
      "p",
      { id: "session-about" },
      "The token is checked by Code Ocean, and sealed in a cookie that no script can read. You find your tokens in Code Ocean, under Account, Access Tokens. An Authorization header in the headers editor is used instead, if there is one.",
    ),
    problem && element("p", { role: "alert" }, problem),
    element(
      "div",
      { className: "session-actions" },
      element("button", { type: "button", onClick: close }, "Cancel"),
      element("button", { type: "submit", className: "is-main", disabled: isBusy }, "Sign in"),
    ),
  )
}

function SignedIn({ session, current, close }) {
  const time = (iso) => new Date(iso).toLocaleString([], { dateStyle: "medium", timeStyle: "short" })
  return element(
    "div",
    null,
    element("h2", { id: "session-title" }, "Signed in"),
    element("p", null, `Since ${time(current.startedAt)}, and until ${time(current.endsAt)} at the latest.`),
    element(
      "p",
      null,
      "Signing out revokes nothing: the token stays valid. You can delete it in ",
      element("a", { href: current.codeoceanUrl, target: "_blank", rel: "noreferrer" }, "Code Ocean"),
      ", under Account, Access Tokens.",
    ),
    element(
      "div",
      { className: "session-actions" },
      element("button", { type: "button", onClick: () => session.signOut().then(close) }, "Sign out"),
      element("button", { type: "button", className: "is-main", onClick: close }, "Close"),
    ),
  )
}

Object.assign(globalThis, { createSession, SessionButton })
