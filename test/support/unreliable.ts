import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { onTestFinished } from "vitest"
import { hash } from "./operations.ts"

export interface Unreliable {
  url: string
  /** What was asked under this request id so far, in order. */
  callsOf(requestId: string): readonly string[]
}

interface Answer {
  status: number
  type: string
  text: string
}

/**
 * Stands before an upstream and spoils some of its answers: refusals, failures, broken connections, and values that are null,
 * missing or of another kind. Which, is decided by the call and by what stands before the dot in the request's id, so that
 * requests with ids such as `12.a` and `12.b` meet the very same upstream. Closes when the test ends.
 */
export async function startUnreliable(upstream: string): Promise<Unreliable> {
  const calls = new Map<string, string[]>()
  const answers = new Map<string, Promise<Answer>>()
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const body = Buffer.concat(chunks).toString()
    const { method = "GET", url = "" } = request
    const call = `${method} ${url} ${body}`
    const requestId = String(request.headers["x-request-id"])
    calls.set(requestId, [...(calls.get(requestId) ?? []), call])

    let asked = answers.get(call)
    if (asked === undefined) {
      const { authorization = "", "content-type": type = "application/json" } = request.headers
      asked = ask(upstream + url, { method, headers: { authorization, "content-type": type }, body: body || null })
      answers.set(call, asked)
    }
    const spoiled = spoil(await asked, randomFrom(hash(`${requestId.split(".")[0]} ${call}`)))
    if (spoiled === undefined) {
      request.socket.destroy()
      return
    }
    response.writeHead(spoiled.status, { "content-type": spoiled.type })
    response.end(spoiled.status === 204 ? undefined : spoiled.text)
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    callsOf: (requestId) => calls.get(requestId) ?? [],
  }
}

async function ask(url: string, init: RequestInit): Promise<Answer> {
  const response = await fetch(url, init)
  return {
    status: response.status,
    type: response.headers.get("content-type") ?? "text/plain",
    text: await response.text(),
  }
}

const statuses = [400, 401, 403, 404, 409, 418, 423, 429, 500, 502, 503, 504]
const oddities = ["null", '""', '"odd"', "0", "-1.5", "9e15", "true", "[]", "[null]", "{}", '"2024-01-01"']

/** Undefined: the connection breaks. */
function spoil(answer: Answer, random: (below: number) => number): Answer | undefined {
  const roll = random(100)
  if (roll < 1) return undefined
  if (roll < 9) {
    const status = statuses[random(statuses.length)] as number
    return { status, type: "application/json", text: JSON.stringify({ message: `It is a ${status}.` }) }
  }
  if (roll < 10) return { ...answer, text: "<html>" }
  if (roll > 40 || !answer.text.startsWith("{")) return answer
  const value = JSON.parse(answer.text)
  for (let times = 1 + random(4); times > 0; times--) spoilWithin(value, random)
  return { ...answer, text: JSON.stringify(value) }
}

function spoilWithin(root: object, random: (below: number) => number): void {
  let parent = root as Record<string, unknown>
  for (;;) {
    const keys = Object.keys(parent)
    if (keys.length === 0) return
    const key = keys[random(keys.length)] as string
    const inner = parent[key]
    if (typeof inner === "object" && inner !== null && random(4) > 0) {
      parent = inner as Record<string, unknown>
      continue
    }
    if (random(8) === 0) delete parent[key]
    else parent[key] = JSON.parse(oddities[random(oddities.length)] as string)
    return
  }
}

/** Numbers that follow from the seed. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}
