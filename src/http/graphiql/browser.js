// Runs in the visitor's browser, after React, ReactDOM and GraphiQL. Its settings come from the page's #settings.

const settings = JSON.parse(document.getElementById("settings").textContent)

// GraphiQL's dialogs add a <style> element. With this nonce the page's Content-Security-Policy allows it.
globalThis.__webpack_nonce__ = document.currentScript.nonce

/** GraphiQL's fetcher: one result, or an async iterable of results when the server answers with a stream of events. */
async function execute(operation, { headers } = {}) {
  const abort = new AbortController()
  const response = await fetch(location.pathname, {
    method: "POST",
    headers: {
      accept: "application/graphql-response+json, application/json, text/event-stream",
      "content-type": "application/json",
      "x-graphql-yoga-csrf": "graphiql",
      ...headers,
    },
    body: JSON.stringify(operation),
    signal: abort.signal,
  })
  const type = response.headers.get("content-type") ?? ""
  if (type.startsWith("text/event-stream")) {
    const results = resultsOf(response.body, abort.signal)
    // Aborts instead of calling results.return(): a generator that waits for a chunk would return only when it arrives.
    return { [Symbol.asyncIterator]: () => ({ next: () => results.next(), return: async () => abort.abort() }) }
  }
  if (type.includes("json")) return response.json()
  throw new Error(`HTTP ${response.status} ${response.statusText}\n${await response.text()}`)
}

async function* resultsOf(body, aborted) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  let text = ""
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      const events = (text + value).split("\n\n")
      text = events.pop()
      for (const event of events) {
        const lines = event.split("\n")
        if (lines.includes("event: complete")) return
        const data = lines.filter((line) => line.startsWith("data:")).map((line) => line.slice("data:".length))
        if (data.length > 0) yield JSON.parse(data.join("\n"))
      }
    }
  } catch (error) {
    if (!aborted.aborted) throw error
  }
}

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

const presetHeaders = JSON.stringify({ Authorization: `Bearer ${settings.token}` }, null, 2)
const storage = storageUnder(`${settings.storage}:`)
const tabs = settings.examples.map(({ query, variables }) => ({
  query,
  variables: variables && JSON.stringify(variables, null, 2),
}))
const isFirstVisit = storage.getItem("graphiql:tabState") === null

ReactDOM.createRoot(document.getElementById("graphiql")).render(
  React.createElement(GraphiQL, {
    fetcher: execute,
    storage,
    defaultTabs: tabs,
    // GraphiQL takes only the query of its first tab. On later visits it restores the variables itself.
    variables: isFirstVisit ? tabs[0]?.variables : undefined,
    defaultHeaders: presetHeaders,
    defaultEditorToolsVisibility: "headers",
    // The setting would store the token, and GraphiQL forgets it at the next visit anyway.
    showPersistHeadersSettings: false,
  }),
)
