import { type IncomingHttpHeaders, type OutgoingHttpHeaders, request } from "node:http"
import { tokens } from "../../sandbox/seed.ts"
import { startGateway, type World } from "./gateway.ts"

export const secret = "4pZ1hWq8vT0yLxR6nBs3KdGmJcUeQf7a"
export const olderSecret = "Zk3mXo9RtV5wYb1NqLc8DfHgPjSuAe2i"

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  text: string
  // biome-ignore lint/suspicious/noExplicitAny: tests read nested values.
  body: any
}

/** Sends one request with exactly these headers. */
export async function send(
  url: string,
  { method = "GET", headers = {}, body }: { method?: string; headers?: OutgoingHttpHeaders; body?: string } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { method, headers }, (response) => {
      let text = ""
      response.setEncoding("utf8")
      response.on("data", (chunk: string) => {
        text += chunk
      })
      response.on("end", () => {
        const { statusCode: status = 0, headers } = response
        const isJson = /json/.test(headers["content-type"] ?? "")
        resolve({ status, headers, text, body: isJson ? JSON.parse(text) : undefined })
      })
    })
    outgoing.on("error", reject)
    outgoing.end(body)
  })
}

/** The headers of a page of the gateway's own origin. */
export const ownPage = { "sec-fetch-site": "same-origin", "x-session": "1" }
const json = { "content-type": "application/json" }

/** One browser: it keeps the cookie, and sends it. */
export interface Tab {
  cookie: string | undefined
  post(token: unknown, headers?: OutgoingHttpHeaders): Promise<Answer>
  get(headers?: OutgoingHttpHeaders): Promise<Answer>
  delete(headers?: OutgoingHttpHeaders): Promise<Answer>
  ask(query: string, headers?: OutgoingHttpHeaders): Promise<Answer>
}

/** @param url returns the address of the gateway */
export function openBrowser(url: () => Promise<string>, own: OutgoingHttpHeaders = ownPage): Tab {
  async function exchange(path: string, method: string, headers: OutgoingHttpHeaders, body?: string): Promise<Answer> {
    const cookie = tab.cookie === undefined ? {} : { cookie: tab.cookie }
    const answer = await send(`${await url()}${path}`, {
      method,
      headers: { ...own, ...cookie, ...headers },
      ...(body !== undefined && { body }),
    })
    for (const line of answer.headers["set-cookie"] ?? []) {
      const [pair = ""] = line.split(";")
      tab.cookie = /Max-Age=0\b/.test(line) ? undefined : pair
    }
    return answer
  }
  const tab: Tab = {
    cookie: undefined,
    post: (token, headers = {}) => exchange("/session", "POST", { ...json, ...headers }, JSON.stringify({ token })),
    get: (headers = {}) => exchange("/session", "GET", headers),
    delete: (headers = {}) => exchange("/session", "DELETE", headers),
    ask: (query, headers = {}) => exchange("/graphql", "POST", { ...json, ...headers }, JSON.stringify({ query })),
  }
  return tab
}

export interface Clock {
  /** Milliseconds since 1970. */
  at: number
  passHours(hours: number): void
}

export function startClock(): Clock {
  return {
    at: Date.UTC(2026, 0, 1),
    passHours(hours) {
      this.at += hours * 3_600_000
    },
  }
}

export interface Signed extends World {
  clock: Clock
  tab: Tab
  /** Another browser. */
  open(headers?: OutgoingHttpHeaders): Tab
  /** Sends an operation that needs a call. Resolves with the token of the call, or with the code of the error. */
  userOf(tab: Tab, headers?: OutgoingHttpHeaders): Promise<string>
}

/** A gateway with sessions, a clock for them, and a browser that is signed in as Ada. */
export async function startWithSession(options: Parameters<typeof startGateway>[0] = {}): Promise<Signed> {
  const clock = startClock()
  const world = await startGateway({
    now: () => clock.at,
    ...options,
    config: { sessionSecrets: [secret], ...options.config },
  })
  const open: Signed["open"] = (headers) => openBrowser(() => world.gateway.listen(), headers)
  const tab = open()
  await tab.post(tokens.ada)
  const userOf: Signed["userOf"] = async (tab, headers) => {
    world.sandbox.requests.length = 0
    const { body } = await tab.ask("{ searchCapsules(first: 1) { nodes { id } } }", headers)
    if (body.errors !== undefined) return body.errors[0].extensions.code
    return tokenOf(world.sandbox.requests[0]?.headers.authorization)
  }
  return { ...world, clock, tab, open, userOf }
}

/** The token of a call to Code Ocean. */
export function tokenOf(authorization: string | undefined): string {
  return Buffer.from((authorization ?? "").replace("Basic ", ""), "base64")
    .toString()
    .replace(/:$/, "")
}
