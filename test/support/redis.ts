import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { type AddressInfo, createConnection, createServer, type Socket } from "node:net"
import { Redis } from "ioredis"
import { describe, onTestFinished, test } from "vitest"
import { freePort } from "../../tools/freePort.ts"

const isInstalled = spawnSync("redis-server", ["--version"]).status === 0

/** Tests that need a real Redis. Where it is not installed, one skipped test says so; with CI=true they run, and fail. */
export function describeWithRedis(title: string, define: () => void): void {
  if (isInstalled || process.env.CI === "true") describe(title, define)
  else test.skip(`${title}: not tested, since redis-server is not installed (apt-get install redis-server)`, () => {})
}

export interface RedisServer {
  url: string
  port: number
  /** Suspends the process: connections are accepted, and nothing is answered. */
  hang(): void
  resume(): void
  /** Kills it. All data is lost. */
  kill(): Promise<void>
  start(): Promise<void>
  /** Sends a command over a connection of its own. */
  command(name: string, ...args: (string | number)[]): Promise<unknown>
  /** Everything in it, names and values. */
  dump(): Promise<string>
}

/** A Redis of its own, without persistence, which ends with the test. */
export async function startRedis({
  args = [],
  cleanUp = onTestFinished,
}: {
  args?: string[]
  cleanUp?: (end: () => void) => void
} = {}): Promise<RedisServer> {
  const port = await freePort()
  const password = args[args.indexOf("--requirepass") + 1]
  const client = new Redis({
    port,
    lazyConnect: true,
    retryStrategy: null,
    ...(args.includes("--requirepass") && { password }),
  })
  client.on("error", () => undefined)
  let child: ChildProcess | undefined

  async function start() {
    const options = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", ...args]
    child = spawn("redis-server", options, { stdio: ["ignore", "pipe", "ignore"] })
    await new Promise<void>((resolve, reject) => {
      child?.once("error", reject)
      child?.once("exit", () => reject(new Error("redis-server did not start")))
      child?.stdout?.on("data", (text) => String(text).includes("Ready to accept connections") && resolve())
    })
  }

  async function kill() {
    client.disconnect()
    if (child === undefined) return
    child.kill("SIGKILL")
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit")
  }

  let connecting: Promise<void> | undefined
  async function command(name: string, ...args: (string | number)[]): Promise<unknown> {
    if (client.status !== "ready") {
      connecting ??= client.connect().finally(() => {
        connecting = undefined
      })
      await connecting
    }
    return client.call(name, ...args)
  }

  cleanUp(() => {
    client.disconnect()
    child?.kill("SIGKILL")
  })
  await start()
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    hang: () => void child?.kill("SIGSTOP"),
    resume: () => void child?.kill("SIGCONT"),
    kill,
    start,
    command,
    async dump() {
      const keys = (await command("KEYS", "*")) as string[]
      const values = await Promise.all(
        keys.map(async (key) => {
          const type = await command("TYPE", key)
          if (type === "zset") return command("ZRANGE", key, 0, -1, "WITHSCORES")
          if (type === "hash") return command("HGETALL", key)
          if (type === "string") return command("GET", key)
          // It has expired in the meantime.
          if (type === "none") return undefined
          throw new Error(`the dump does not read keys of the type ${type}`)
        }),
      )
      return JSON.stringify(keys.map((key, at) => [key, values[at]]))
    },
  }
}

/** A way to Redis on which the answers of Redis can be held back. */
export async function startHeldWay(port: number): Promise<{ url: string; hold(): void; letGo(): void }> {
  let held: (() => void)[] | undefined
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const redis = createConnection(port, "127.0.0.1")
    for (const socket of [client, redis]) {
      sockets.add(socket)
      socket.on("error", () => undefined)
    }
    client.pipe(redis)
    redis.on("data", (chunk) => {
      if (held === undefined) client.write(chunk)
      else held.push(() => client.write(chunk))
    })
    client.once("close", () => redis.destroy())
    redis.once("close", () => client.destroy())
  }).listen(0, "127.0.0.1")
  await once(server, "listening")
  onTestFinished(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  const { port: own } = server.address() as AddressInfo
  return {
    url: `redis://127.0.0.1:${own}`,
    hold() {
      held ??= []
    },
    letGo() {
      for (const send of held ?? []) send()
      held = undefined
    },
  }
}
