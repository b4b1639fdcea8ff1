// Runs in the visitor's browser, after React, ReactDOM and GraphiQL. Its settings come from the page's #settings.

const settings = JSON.parse(document.getElementById("settings").textContent)

// GraphiQL's dialogs add a <style> element. With this nonce the page's Content-Security-Policy allows it.
globalThis.__webpack_nonce__ = document.currentScript.nonce

/**
 * localStorage under a prefix, separate from other GraphiQL pages on this origin and from other examples. GraphiQL's history
 * contains the headers of every operation, and with them the token. It is stored without headers, and read with the preset ones.
 */
function storageUnder(prefix) {
  const keys = () => Object.keys(localStorage).filter((key) => key.startsWith(prefix))
  const isHistory = (key) => key === "graphiql:queries" || key === "graphiql:favorites"
  const withHeaders = (json, headers) =>
    JSON.stringify(JSON.parse(json), (key, value) => (key === "headers" ? headers : value))
  return {
    getItem(key) {
      const value = localStorage.getItem(prefix + key)
      return value !== null && isHistory(key) ? withHeaders(value, presetHeaders) : value
    },
    setItem(key, value) {
      localStorage.setItem(prefix + key, isHistory(key) ? withHeaders(value, "") : value)
    },
    removeItem: (key) => localStorage.removeItem(prefix + key),
    get length() {
      return keys().length
    },
    clear() {
      for (const key of keys()) localStorage.removeItem(key)
    },
  }
}

const session = createSession(settings)
const presetHeaders = settings.sessions ? "" : JSON.stringify({ Authorization: `Bearer ${settings.token}` }, null, 2)
const storage = storageUnder(`${settings.storage}:`)

/** The operation of the page's address. It is opened in a tab of its own, and not run. */
function takeLink() {
  const parameters = new URLSearchParams(location.search)
  const query = parameters.get("query")
  if (query === null) return undefined
  // So that the tab is not opened again when the page is loaded again.
  history.replaceState(null, "", location.pathname)
  return { query, variables: parameters.get("variables") ?? undefined }
}

const link = takeLink()
const examples = settings.examples.map(({ query, variables }) => ({
  query,
  variables: variables && JSON.stringify(variables, null, 2),
}))
const tabs = link === undefined ? examples : [link, ...examples]
const isFirstVisit = storage.getItem("graphiql:tabState") === null

function Page() {
  return React.createElement(
    GraphiQL,
    {
      fetcher: createExecute(session.headersFor, session.onResult),
      plugins: [GraphiQLPluginExplorer.explorerPlugin({ showAttribution: false })],
      schemaDescription: true,
      storage,
      defaultTabs: tabs,
      query: link?.query,
      // GraphiQL takes only the query of its first tab. On later visits it restores the variables itself.
      variables: link === undefined && !isFirstVisit ? undefined : tabs[0]?.variables,
      defaultHeaders: presetHeaders,
      defaultEditorToolsVisibility: settings.sessions ? "variables" : "headers",
      // The setting would store the token, and GraphiQL forgets it at the next visit anyway.
      showPersistHeadersSettings: false,
      toolbar: { additionalContent: React.createElement(CopyMenu) },
    },
    React.createElement(
      GraphiQL.Logo,
      null,
      React.createElement("span", { className: "graphiql-logo-link" }, "GraphiQL"),
      session.isOn && React.createElement(SessionButton, { session }),
    ),
  )
}

ReactDOM.createRoot(document.getElementById("graphiql")).render(React.createElement(Page))
