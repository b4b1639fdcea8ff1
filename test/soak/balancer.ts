import { once } from "node:events"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { buffer } from "node:stream/consumers"
import { Pool } from "undici"

/** The header of a response 502 whose replica was killed while it had the request. */
export const killedHeader = "x-replica-killed"

interface Target {
  pool: Pool
  isKilled: boolean
}

/** Sends requests to replicas in turn, each one once. */
export interface Balancer {
  url: string
  /** Adds a replica, or puts another one in the place of a killed one. */
  set(place: number, url: string): void
  /** To be called before a replica is killed: it gets no more requests, and those that it has are expected to break. */
  killing(place: number): void
  close(): Promise<void>
}

export async function startBalancer(): Promise<Balancer> {
  const targets: Target[] = []
  let turn = 0

  async function pass(request: IncomingMessage, response: ServerResponse) {
    const body = await buffer(request)
    const alive = targets.filter(({ isKilled }) => !isKilled)
    const target = alive[turn++ % alive.length]
    if (target === undefined) return response.writeHead(503).end()
    const { authorization, "content-type": contentType, "x-upstream-cost": showsCost } = request.headers
    try {
      const answer = await target.pool.request({
        method: "POST",
        path: request.url ?? "/",
        headers: { authorization, "content-type": contentType, ...(showsCost && { "x-upstream-cost": showsCost }) },
        body,
      })
      const text = Buffer.from(await answer.body.arrayBuffer())
      response.writeHead(answer.statusCode, { "content-type": String(answer.headers["content-type"]) }).end(text)
    } catch (error) {
      response.writeHead(502, target.isKilled ? { [killedHeader]: "true" } : {}).end((error as Error).message)
    }
  }

  const server = createServer((request, response) => {
    response.on("error", () => undefined)
    void pass(request, response).catch(() => response.destroy())
  }).listen(0, "127.0.0.1")
  await once(server, "listening")
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    set(place, url) {
      void targets[place]?.pool.destroy()
      targets[place] = { pool: new Pool(url), isKilled: false }
    },
    killing(place) {
      const target = targets[place]
      if (target !== undefined) target.isKilled = true
    },
    async close() {
      server.closeAllConnections()
      server.close()
      await Promise.all(targets.map(({ pool }) => pool.destroy()))
    },
  }
}
