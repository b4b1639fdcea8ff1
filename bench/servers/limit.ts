import { type Dispatcher, Pool } from "undici"
import { serve } from "./handWritten.ts"
import type { Call } from "./operation.ts"

/** The hand-written server, with `node:http` and undici. */
const pool = new Pool(process.env.UPSTREAM_URL!, { connections: 64, allowH2: false })

/** A response in one chunk is not copied. Nearly all are. */
class Response implements Dispatcher.DispatchHandler {
  readonly #call: Call
  #first: Buffer | undefined
  #all: Buffer[] | undefined

  constructor(call: Call) {
    this.#call = call
  }

  onRequestStart() {}
  onResponseStart() {}

  onResponseData(_controller: unknown, chunk: Buffer) {
    if (this.#first === undefined) this.#first = chunk
    else if (this.#all === undefined) this.#all = [this.#first, chunk]
    else this.#all.push(chunk)
  }

  onResponseEnd() {
    this.#call.end((this.#all === undefined ? this.#first : Buffer.concat(this.#all))?.toString())
  }

  onResponseError() {
    this.#call.fail()
  }
}

const ofJson = ["content-type", "application/json"]

serve((call) => {
  const { method, path, body = null, authorization } = call
  const headers = ["authorization", authorization]
  if (body !== null) headers.push(...ofJson)
  pool.dispatch({ method, path, headers, body }, new Response(call))
})
