import { setTimeout as sleep } from "node:timers/promises"
import { Pool } from "undici"
import type { Burst } from "./queries.ts"

/** A request, and the size of the correct response. */
export interface Prepared {
  body: string
  /** A response of another size is wrong. If responses may be compressed, only a larger one is. */
  bytes: number
}

/** The requests to send, and for how long. */
export interface Load {
  url: string
  requests: readonly Prepared[]
  /** One for each caller. Requests or bursts use them round-robin. */
  tokens: readonly string[]
  /** The number of requests in flight. Not used for bursts. */
  atOnce: number
  burst: Burst | undefined
  seconds: number
  /** Continues until at least this many operations have been sent. */
  least: number
  acceptEncoding: string | undefined
}

export interface Loaded {
  operations: number
  seconds: number
  wrong: number
  /** Milliseconds from sending a request to the last byte of its response. */
  p50: number
  p99: number
}

async function run(load: Load): Promise<Loaded> {
  const { requests, tokens, burst } = load
  const connections = burst === undefined ? load.atOnce : burst.callers * requests.length
  const pool = new Pool(load.url, { connections, allowH2: false, headersTimeout: 0, bodyTimeout: 0 })
  const requestsPerOperation = burst?.requestsPerOperation ?? 1
  const times: number[] = []
  let sent = 0
  let wrong = 0

  const hasRightSize = (bytes: number, right: number) =>
    load.acceptEncoding === undefined ? bytes === right : bytes > 0 && bytes <= right

  const send = ({ body, bytes: right }: Prepared, token: string) =>
    new Promise<void>((resolve) => {
      const begun = performance.now()
      let status = 0
      let bytes = 0
      const finish = (isRight: boolean) => {
        times.push(performance.now() - begun)
        if (!isRight) wrong += 1
        resolve()
      }
      sent += 1
      const headers = {
        "content-type": "application/json",
        accept: "application/json",
        authorization: `Basic ${btoa(`${token}:`)}`,
        ...(load.acceptEncoding !== undefined && { "accept-encoding": load.acceptEncoding }),
      }
      pool.dispatch(
        { method: "POST", path: "/graphql", headers, body },
        {
          onRequestStart() {},
          onResponseStart(_controller, code) {
            status = code
          },
          onResponseData(_controller, chunk) {
            bytes += chunk.length
          },
          onResponseEnd: () => finish(status === 200 && hasRightSize(bytes, right)),
          onResponseError: () => finish(false),
        },
      )
    })

  const begun = performance.now()
  const goesOn = () => sent < load.least * requestsPerOperation || performance.now() - begun < load.seconds * 1000
  const inTurn = <T>(list: readonly T[], n: number) => list[n % list.length] as T

  const worker = async () => {
    while (goesOn()) await send(inTurn(requests, sent), inTurn(tokens, sent))
  }
  const sendBursts = async (index: number, { callers, repeatAfterMs }: Burst) => {
    if (repeatAfterMs !== undefined) await sleep((index * repeatAfterMs) / callers)
    for (let bursts = 0; goesOn(); bursts++) {
      const token = inTurn(tokens, index + bursts * callers)
      const sendAll = () => Promise.all(requests.map((request) => send(request, token)))
      await sendAll()
      if (repeatAfterMs === undefined) continue
      await sleep(repeatAfterMs)
      await sendAll()
    }
  }
  await Promise.all(
    burst === undefined
      ? Array.from({ length: load.atOnce }, worker)
      : Array.from({ length: burst.callers }, (_, index) => sendBursts(index, burst)),
  )
  const seconds = (performance.now() - begun) / 1000
  await pool.close()
  times.sort((a, b) => a - b)
  const at = (share: number) => times[Math.floor(share * (times.length - 1))] ?? 0
  return { operations: times.length / requestsPerOperation, seconds, wrong, p50: at(0.5), p99: at(0.99) }
}

process.on("message", async (load: Load) => process.send?.(await run(load)))
process.on("disconnect", () => process.exit())
