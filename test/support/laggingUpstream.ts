import { once } from "node:events"
import { createServer, type IncomingMessage } from "node:http"
import type { AddressInfo } from "node:net"
import { onTestFinished } from "vitest"

/** How far a call has come. A call takes effect also if its client has gone, as in a real server. */
export type Stage = "arrived" | "took effect" | "answered"

export interface LaggingUpstream {
  url: string
  /** Stops the next call with this method and path when it has come so far. Resolves when it has. */
  stopAt(call: string, stage: Stage): { reached: Promise<void>; goOn(): void }
}

/** A server before Code Ocean whose searches do not find a data asset for so long after its creation. */
export async function startLaggingUpstream(upstream: string, lagMs: number): Promise<LaggingUpstream> {
  const createdAt = new Map<string, number>()
  const stops: { call: string; stage: Stage; reach(): void; gone: Promise<void> }[] = []

  async function pass(call: string, stage: Stage) {
    const at = stops.findIndex((stop) => stop.call === call && stop.stage === stage)
    const [stop] = at < 0 ? [] : stops.splice(at, 1)
    stop?.reach()
    await stop?.gone
  }

  async function forward(request: IncomingMessage, text: string) {
    const { host: _host, connection: _connection, "content-length": _length, ...headers } = request.headers
    const hasBody = request.method !== "GET" && request.method !== "HEAD"
    const response = await fetch(new URL(request.url ?? "/", upstream), {
      method: request.method ?? "GET",
      headers: headers as Record<string, string>,
      ...(hasBody && { body: text }),
    })
    return { status: response.status, body: await response.text() }
  }

  const server = createServer(async (request, response) => {
    response.on("error", () => undefined)
    let text = ""
    for await (const chunk of request) text += chunk
    const call = `${request.method} ${String(request.url).replace("/api/v1", "")}`
    await pass(call, "arrived")
    const answer = await forward(request, text)
    await pass(call, "took effect")
    let body = JSON.parse(answer.body)
    if (call === "POST /data_assets" && answer.status < 300) createdAt.set(body.id, performance.now())
    if (call === "POST /data_assets/search" && Array.isArray(body.results)) {
      const isFound = ({ id }: { id: string }) => performance.now() - (createdAt.get(id) ?? 0) >= lagMs
      body = { ...body, results: body.results.filter(isFound) }
    }
    response.writeHead(answer.status, { "content-type": "application/json" })
    response.end(JSON.stringify(body), () => void pass(call, "answered"))
  }).listen(0, "127.0.0.1")
  await once(server, "listening")
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stopAt(call, stage) {
      let goOn = () => {}
      const gone = new Promise<void>((resolve) => (goOn = resolve))
      const reached = new Promise<void>((reach) => stops.push({ call, stage, reach, gone }))
      return { reached, goOn }
    },
  }
}
