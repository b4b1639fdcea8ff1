import { once } from "node:events"
import { createConnection, type Socket } from "node:net"
import { onTestFinished } from "vitest"

/** A connection to the gateway that ignores errors and ends with the test. */
export async function connect(url: string): Promise<Socket> {
  const { port, hostname } = new URL(url)
  const socket = createConnection(Number(port), hostname)
  socket.on("error", () => undefined)
  onTestFinished(() => void socket.destroy())
  await once(socket, "connect")
  return socket
}

/** Writes this as it is, and resolves with all that is received until the gateway closes the connection. */
export async function exchangeRaw(url: string, text: string | Buffer): Promise<string> {
  const socket = await connect(url)
  let answer = ""
  socket.on("data", (chunk) => (answer += chunk))
  socket.write(text)
  await new Promise((resolve) => socket.once("close", resolve))
  return answer
}
