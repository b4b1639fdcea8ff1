/** A fetch that records its requests and responses. */
export function countedFetch() {
  const sent: { method: string; hasText: boolean }[] = []
  // biome-ignore lint/suspicious/noExplicitAny: an answer has any shape.
  const answers: any[] = []
  const fetch: typeof globalThis.fetch = async (input, init) => {
    const hasText = init?.body
      ? "query" in JSON.parse(String(init.body))
      : new URL(String(input)).searchParams.has("query")
    sent.push({ method: init?.method ?? "GET", hasText })
    const response = await globalThis.fetch(input, init)
    answers.push(await response.clone().json())
    return response
  }
  return { fetch, sent, answers }
}
