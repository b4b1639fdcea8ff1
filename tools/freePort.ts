import { once } from "node:events"
import { createServer } from "node:net"

/** Below the ports that systems give to connections, and to servers that listen on port 0, so that nobody is given it in the meantime. */
const [lowest, highest] = [10_000, 32_000]

/** A port for a process that cannot say which port it was given. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = lowest + Math.floor(Math.random() * (highest - lowest))
    const server = createServer().listen(port, "127.0.0.1")
    try {
      await once(server, "listening")
    } catch {
      // It is taken.
      continue
    }
    server.close()
    await once(server, "close")
    return port
  }
}
