import { readFileSync } from "node:fs"
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http"
import { createServer as createTlsServer } from "node:https"
import { type AddressInfo, connect, type Server, type Socket } from "node:net"
import { onTestFinished } from "vitest"

export interface TestProxy {
  url: string
  /** The host and port of each tunnel that was asked for, in order. */
  tunnels: string[]
  /** The headers of these requests. */
  headers: IncomingMessage["headers"][]
}

/**
 * Starts a proxy that serves CONNECT and nothing else.
 * @param answer the status of a refusal, `hang` for no response, `cut` for a closed connection, `silent` for a tunnel
 *   without a response, `page` for a response with a body; by default it connects
 * @param user the user name and password that it requires
 */
export async function startProxy(
  options: { answer?: number | "hang" | "cut" | "silent" | "page"; user?: string; certificate?: string } = {},
): Promise<TestProxy> {
  const tunnels: string[] = []
  const headers: IncomingMessage["headers"][] = []
  const server = options.certificate
    ? createTlsServer({ cert: certificate(options.certificate), key: certificate("key") })
    : createServer()
  server.on("connect", (request: IncomingMessage, client: Socket) => {
    client.on("error", () => {})
    tunnels.push(request.url ?? "")
    headers.push(request.headers)
    const isKnown =
      options.user === undefined ||
      request.headers["proxy-authorization"] === `Basic ${Buffer.from(options.user).toString("base64")}`
    const answer = isKnown ? options.answer : 407
    if (answer === "hang") return
    if (answer === "cut") client.destroy()
    else if (answer === "silent") client.write("HTTP/1.1 200 Connection established\r\n\r\n")
    else if (answer === "page") client.write("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello")
    else if (answer !== undefined) client.end(`HTTP/1.1 ${answer} No\r\ncontent-length: 0\r\n\r\n`)
    else {
      const { hostname, port } = new URL(`http://${request.url}`)
      const target = connect(Number(port || 80), hostname, () => {
        client.write("HTTP/1.1 200 Connection established\r\n\r\n")
        target.pipe(client).pipe(target)
      })
      target.on("error", () => client.destroy())
      client.on("close", () => target.destroy())
    }
  })
  const port = await listen(server)
  return { url: `${options.certificate ? "https" : "http"}://127.0.0.1:${port}`, tunnels, headers }
}

/** Starts an HTTPS server with one of the certificates in the folder. */
export async function startTls(
  name: string,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<string> {
  return `https://127.0.0.1:${await listen(createTlsServer({ cert: certificate(name), key: certificate("key") }, answer))}`
}

export const certificate = (name: string) => readFileSync(new URL(`certificates/${name}.pem`, import.meta.url), "utf8")

async function listen(server: Server): Promise<number> {
  const sockets = new Set<Socket>()
  server.on("connection", (socket: Socket) => {
    sockets.add(socket)
    socket.once("close", () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    return new Promise<void>((resolve) => void server.close(() => resolve()))
  })
  return (server.address() as AddressInfo).port
}

/** Starts a proxy that serves another server's root below a path, such as `/gateway`. */
export async function startPathProxy(target: string, path: string): Promise<string> {
  const server = createServer((from, to) => {
    const { url = "", method, headers } = from
    if (!url.startsWith(`${path}/`)) return void to.writeHead(404).end()
    const forwarded = request(target + url.slice(path.length), { method, headers }, (answer) => {
      to.writeHead(answer.statusCode ?? 500, answer.headers)
      answer.pipe(to)
    })
    forwarded.on("error", () => to.destroy())
    to.on("close", () => forwarded.destroy())
    from.pipe(forwarded)
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`
}
