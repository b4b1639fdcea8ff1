import { Pool } from "undici"

/** The requests to send, and for how long. */
export interface Load {
  url: string
  body: string
  /** The callers' tokens, used round-robin. */
  tokens: string[]
  atOnce: number
  /** Whether to wait for all responses before the next `atOnce` requests are sent. */
  inWaves: boolean
  seconds: number
  /** The minimum number of requests, however long they take. */
  least: number
  /** The size of the correct response. A response of another size is wrong; if it may be compressed, only a larger one. */
  bytes: number
  acceptEncoding: string | undefined
}

export interface Loaded {
  operations: number
  seconds: number
  wrong: number
  /** Milliseconds from sending to the last byte. */
  p50: number
  p99: number
}

async function run(load: Load): Promise<Loaded> {
  const pool = new Pool(load.url, { connections: load.atOnce, allowH2: false, headersTimeout: 0, bodyTimeout: 0 })
  const times: number[] = []
  let sent = 0
  let wrong = 0

  const hasRightSize = (bytes: number) =>
    load.acceptEncoding === undefined ? bytes === load.bytes : bytes > 0 && bytes <= load.bytes

  const one = () =>
    new Promise<void>((resolve) => {
      const begun = performance.now()
      let status = 0
      let bytes = 0
      const finish = (isRight: boolean) => {
        times.push(performance.now() - begun)
        if (!isRight) wrong += 1
        resolve()
      }
      const token = load.tokens[sent++ % load.tokens.length]
      const headers = {
        "content-type": "application/json",
        accept: "application/json",
        authorization: `Basic ${btoa(`${token}:`)}`,
        ...(load.acceptEncoding !== undefined && { "accept-encoding": load.acceptEncoding }),
      }
      pool.dispatch(
        { method: "POST", path: "/graphql", headers, body: load.body },
        {
          onRequestStart() {},
          onResponseStart(_controller, code) {
            status = code
          },
          onResponseData(_controller, chunk) {
            bytes += chunk.length
          },
          onResponseEnd: () => finish(status === 200 && hasRightSize(bytes)),
          onResponseError: () => finish(false),
        },
      )
    })

  const begun = performance.now()
  const goesOn = () => sent < load.least || performance.now() - begun < load.seconds * 1000
  if (load.inWaves) {
    while (goesOn()) await Promise.all(Array.from({ length: load.atOnce }, one))
  } else {
    const worker = async () => {
      while (goesOn()) await one()
    }
    await Promise.all(Array.from({ length: load.atOnce }, worker))
  }
  const seconds = (performance.now() - begun) / 1000
  await pool.close()
  times.sort((a, b) => a - b)
  const at = (share: number) => times[Math.floor(share * (times.length - 1))] ?? 0
  return { operations: times.length, seconds, wrong, p50: at(0.5), p99: at(0.99) }
}

process.on("message", async (load: Load) => process.send?.(await run(load)))
process.on("disconnect", () => process.exit())
