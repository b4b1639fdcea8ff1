import type { ServerResponse } from "node:http"
import { type OddAnswer, type OddUpstream, sendMuch, startOddUpstream } from "./oddUpstream.ts"

/** Spoils one answer: by itself, or by what it returns. */
export type Fault = (response: ServerResponse, elsewhere: string) => OddAnswer | undefined

const json = { "content-type": "application/json" }
const whole = JSON.stringify({ id: "c1", name: "Whole", results: [], items: [] })

const begin = (response: ServerResponse, headers: Record<string, string> = {}) => {
  response.writeHead(200, { ...json, ...headers })
  response.write(whole.slice(0, 10))
}

const status =
  (status: number, headers: Record<string, string> = {}): Fault =>
  () => ({ status, headers, body: { message: "what upstream says of it" } })

const body =
  (body: string, type = "application/json"): Fault =>
  () => ({ headers: { "content-type": type }, body })

const tooMany = (retryAfter: string) => status(429, { "retry-after": retryAfter })
const inMs = (ms: number) => new Date(Date.now() + ms).toUTCString()

/** What can go wrong with a call that finds somebody listening. */
export const faults = {
  reset: (response) => void response.socket?.resetAndDestroy(),
  "hang before headers": () => undefined,
  "hang mid-body": (response) => void begin(response),
  drip(response) {
    begin(response)
    const timer = setInterval(() => response.write(" "), 10)
    response.once("close", () => clearInterval(timer))
  },
  truncated(response) {
    begin(response, { "content-length": String(whole.length) })
    response.socket?.end()
  },
  malformed: body('{"id": "c1", name: }'),
  HTML: body("<html>please log in</html>", "text/html"),
  "wrong shape": body("42"),
  401: status(401),
  403: status(403),
  404: status(404),
  409: status(409),
  423: status(423),
  429: status(429),
  "429, Retry-After: 0": tooMany("0"),
  "429, Retry-After: an hour": tooMany("3600"),
  "429, Retry-After: a date past": (response, elsewhere) => tooMany(inMs(-60_000))(response, elsewhere),
  "429, Retry-After: a date in an hour": (response, elsewhere) => tooMany(inMs(3_600_000))(response, elsewhere),
  "429, Retry-After: absurd": tooMany("99999999999999999999"),
  500: status(500),
  502: status(502),
  503: status(503),
  504: status(504),
  "redirect to the same host": status(302, { location: "/api/v1/capsules/c2" }),
  "redirect to another host": (_response, elsewhere) => ({ status: 307, headers: { location: elsewhere } }),
  "50 MB"(response) {
    response.writeHead(200, json)
    sendMuch(response, 50 * 1024 * 1024)
  },
} satisfies Record<string, Fault>

export type FaultName = `${keyof typeof faults}`

const answers: Record<string, unknown> = {
  "GET /capsules/c1": { id: "c1", name: "First" },
  "GET /capsules/c2": { id: "c2", name: "Second" },
  "GET /computations/r1": { id: "r1", name: "Run", state: "completed" },
  "POST /capsules/search": { has_more: false, results: ["c1", "c2", "c3"].map((id) => ({ id, name: id })) },
}

/** An upstream where everything works but one route, and another host that must never hear of it. */
export async function startFaulty(
  route: string,
  name: FaultName,
): Promise<{ upstream: OddUpstream; elsewhere: OddUpstream; faulty(): { cut: boolean }[] }> {
  const elsewhere = await startOddUpstream(() => ({ body: { id: "c1", name: "Stolen" } }))
  const faulty: { cut: boolean }[] = []
  const upstream = await startOddUpstream(({ method, path }, response) => {
    const call = `${method} ${path.replace(/\?.*/, "")}`
    if (call === route) {
      const seen = { cut: false }
      faulty.push(seen)
      response.on("close", () => {
        seen.cut = !response.writableFinished
      })
      return (faults[name] as Fault)(response, elsewhere.url)
    }
    if (method === "PATCH") return { status: 204 }
    if (path.endsWith("/app_panel")) return { body: { general: { title: "Panel" } } }
    return call in answers ? { body: answers[call] } : { status: 404, body: { message: "not found" } }
  })
  return { upstream, elsewhere, faulty: () => faulty }
}
