import { connect, type Socket } from "node:net"
import { serve } from "./handWritten.ts"
import type { Call } from "./operation.ts"

/**
 * The hand-written server without an HTTP client. It writes requests to plain sockets, and reads only responses in the form that the
 * simulated Code Ocean sends: with `Content-Length`, or without a body. It shows the cost of undici.
 */
const { hostname, port, host } = new URL(process.env.UPSTREAM_URL!)
const maxConnections = 64

/** Shared by all sockets. A response that arrives in one piece is not copied. */
const buffer = Buffer.allocUnsafeSlow(256 * 1024)
const maxHead = 512
const contentLength = "Content-Length: "

class Connection {
  readonly #socket: Socket
  #call: Call | undefined
  /** The body of an incomplete response. */
  #body: Buffer | undefined
  #received = 0

  constructor() {
    const callback = (length: number) => {
      this.#read(length)
      return true
    }
    this.#socket = connect({ host: hostname, port: Number(port), noDelay: true, onread: { buffer, callback } })
    this.#socket.on("error", () => this.#call?.fail())
  }

  send(call: Call): void {
    this.#call = call
    const { method, path, body = "", authorization } = call
    const head = `${method} ${path} HTTP/1.1\r\nhost: ${host}\r\nauthorization: ${authorization}\r\n`
    const ofBody = `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n`
    this.#socket.write(method === "GET" ? `${head}\r\n` : `${head}${ofBody}\r\n${body}`)
  }

  #read(length: number): void {
    if (this.#body !== undefined) {
      buffer.copy(this.#body, this.#received, 0, length)
      this.#received += length
      if (this.#received === this.#body.length) this.#end(this.#body.toString())
      return
    }
    const text = buffer.toString("latin1", 0, Math.min(length, maxHead))
    const start = text.indexOf("\r\n\r\n") + 4
    const at = text.indexOf(contentLength)
    const hasBody = at >= 0 && at < start
    const bytes = hasBody ? Number.parseInt(text.slice(at + contentLength.length, start), 10) : 0
    if (length - start === bytes) this.#end(hasBody ? buffer.toString("utf8", start, length) : undefined)
    else {
      this.#body = Buffer.allocUnsafe(bytes)
      this.#received = buffer.copy(this.#body, 0, start, length)
    }
  }

  #end(text: string | undefined): void {
    const call = this.#call
    this.#body = undefined
    this.#call = undefined
    const next = waiting.take()
    if (next === undefined) idle.push(this)
    else this.send(next)
    call?.end(text)
  }
}

/** Calls that wait for a connection. */
class Queue {
  #first: Call | undefined
  #last: Call | undefined

  add(call: Call): void {
    if (this.#last === undefined) this.#first = call
    else this.#last.next = call
    this.#last = call
  }

  take(): Call | undefined {
    const call = this.#first
    this.#first = call?.next
    if (this.#first === undefined) this.#last = undefined
    return call
  }
}

const waiting = new Queue()
const idle: Connection[] = []
let connections = 0

function connection(): Connection | undefined {
  const known = idle.pop()
  if (known !== undefined || connections === maxConnections) return known
  connections += 1
  return new Connection()
}

serve((call) => {
  const free = connection()
  if (free === undefined) waiting.add(call)
  else free.send(call)
})
