// GraphiQL's fetcher: one result, or an async iterable of results when the server answers with a stream of events.

/**
 * @param headersOf returns the headers to add to those of the headers editor, or a promise of them
 * @param onResult called with each result, and the headers of the headers editor
 */
function createExecute(headersOf, onResult) {
  return async (operation, { headers = {} } = {}) => {
    const abort = new AbortController()
    const response = await fetch(location.pathname, {
      method: "POST",
      headers: {
        accept: "application/graphql-response+json, application/json, text/event-stream",
        "content-type": "application/json",
        "x-graphql-yoga-csrf": "graphiql",
        ...(await headersOf(headers)),
        ...headers,
      },
      body: JSON.stringify(withKnownName(operation)),
      signal: abort.signal,
    })
    const type = response.headers.get("content-type") ?? ""
    if (type.startsWith("text/event-stream")) {
      const results = resultsOf(response.body, abort.signal, (result) => onResult(result, headers))
      // Aborts instead of calling results.return(): a generator that waits for a chunk would return only when it arrives.
      return { [Symbol.asyncIterator]: () => ({ next: () => results.next(), return: async () => abort.abort() }) }
    }
    if (!type.includes("json"))
      throw new Error(`HTTP ${response.status} ${response.statusText}\n${await response.text()}`)
    const result = await response.json()
    onResult(result, headers)
    return result
  }
}

/** For a moment after a change of tabs, GraphiQL sends the name of the operation before. */
function withKnownName({ operationName, ...operation }) {
  return operation.query.includes(` ${operationName}`) ? { ...operation, operationName } : operation
}

async function* resultsOf(body, aborted, onResult) {
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
        if (data.length === 0) continue
        const result = JSON.parse(data.join("\n"))
        onResult(result)
        yield result
      }
    }
  } catch (error) {
    if (!aborted.aborted) throw error
  }
}

Object.assign(globalThis, { createExecute })
