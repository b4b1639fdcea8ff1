import { type AddressInfo, connect, createServer } from "node:net"
import { expect, onTestFinished, test } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { cacheFor } from "./support/cache.ts"
import { startGatewayOn } from "./support/gateway.ts"
import { follow, pushedTime, untilLive } from "./support/live.ts"
import { describeWithRedis, startRedis } from "./support/redis.ts"
import { openBrowser, ownPage, secret, startWithSession } from "./support/sessions.ts"

/** Two replicas with one Redis, and a browser that is signed in at the first. */
async function startReplicas() {
  const redis = await startRedis()
  const config = { redisUrl: redis.url }
  const world = await startWithSession({ config })
  const startOther = () => {
    const options = { now: () => world.clock.at, clock: pushedTime() }
    return startGatewayOn(world.sandbox.url, { ...options, config: { ...config, sessionSecrets: [secret] } })
  }
  const other = startOther()
  await other.gateway.listen()
  /** A copy of the browser's cookie, at any replica. */
  const copyAt = (gateway: typeof other.gateway, cookie = world.tab.cookie) => {
    const copy = openBrowser(() => gateway.listen())
    copy.cookie = cookie
    return copy
  }
  return { ...world, redis, other, startOther, copyAt }
}

/** Lets the answers of a Redis arrive late. */
async function delayRedis({ url }: { url: string }) {
  const delayed = { url: "", delayMs: 0 }
  const { hostname, port } = new URL(url)
  const relay = createServer((client) => {
    const redis = connect(Number(port), hostname)
    client.pipe(redis)
    redis.on("data", (answer) => setTimeout(() => client.write(answer), delayed.delayMs))
    for (const [socket, other] of [[client, redis] as const, [redis, client] as const])
      socket.on("error", () => {}).on("close", () => other.destroy())
  })
  await new Promise<void>((listening) => relay.listen(0, "127.0.0.1", listening))
  onTestFinished(() => void relay.close())
  delayed.url = `redis://127.0.0.1:${(relay.address() as AddressInfo).port}`
  return delayed
}

describeWithRedis("sessions of replicas with one Redis", () => {
  test("a sign-out denies every copy of the cookie in all replicas, also in one that starts later", async () => {
    const { tab, other, startOther, copyAt } = await startReplicas()
    const copy = copyAt(other.gateway)
    expect((await copy.get()).body.session).not.toBeNull()
    await tab.delete()
    expect((await copy.get()).body.session).toBeNull()
    expect((await copy.ask("{ searchCapsules(first: 1) { nodes { id } } }")).body.errors[0].extensions.code).toBe(
      "UNAUTHENTICATED",
    )
    const later = startOther()
    expect((await copyAt(later.gateway, copy.cookie).get()).body.session).toBeNull()
  })

  test("a sign-out at one replica ends the subscriptions at another", async () => {
    const { tab, other } = await startReplicas()
    const url = await other.gateway.listen()
    const query = `subscription { computation(id: "${seed.queuedSorting}") { state } }`
    const run = await follow(url, query, { ...ownPage, cookie: tab.cookie ?? "" })
    expect((await run.next())?.data.computation.state).toBe("INITIALIZING")
    expect(other.gateway.stats.subscriptions).toBe(1)
    await tab.delete()
    await run.rest().catch(() => undefined)
    await untilLive(other.gateway, { subscriptions: 0 })
  })

  test("the check of the session and the look-up of a response have one limit on their waits for Redis", async () => {
    const redis = await delayRedis(await startRedis())
    const config = { redisUrl: redis.url, ...cacheFor("60") }
    const { tab } = await startWithSession({ config, leaseMs: 1, storeWaitMs: 800 })
    const cachedCalls = async () => {
      const { body } = await tab.ask("{ searchCapsules(first: 1) { nodes { id } } }", { "x-upstream-cost": "1" })
      return body.extensions.cost.cachedCalls
    }
    await expect.poll(cachedCalls).toBe(1)
    // Each of them alone would get its answer in time.
    redis.delayMs = 450
    expect(await cachedCalls()).toBe(0)
  })

  test("Redis gets neither the token nor the cookie nor the session's id", async () => {
    const { tab, redis } = await startReplicas()
    const { id } = (await tab.get()).body.session
    const cookie = tab.cookie?.split("=")[1] ?? ""
    await tab.delete()
    const dump = await redis.dump()
    expect(dump).toContain(":denied:")
    for (const hidden of [tokens.ada, cookie, id]) expect(dump).not.toContain(hidden)
    const [key] = JSON.parse(dump).find(([key]: [string]) => key.includes(":denied:"))
    const leftMs = Number(await redis.command("PTTL", key))
    expect(leftMs).toBeGreaterThan(23 * 3_600_000)
    expect(leftMs).toBeLessThanOrEqual(24 * 3_600_000)
  })

  test("a sign-out while Redis is not available holds in its replica at once, and in all of them later", async () => {
    const { tab, gateway, other, redis, copyAt, lines } = await startReplicas()
    const { cookie } = tab
    await redis.kill()
    await expect.poll(() => lines.some(({ msg }) => /^Redis is not available/.test(String(msg)))).toBe(true)
    expect((await copyAt(other.gateway, cookie).get()).body.session).not.toBeNull()
    await tab.delete()
    expect((await copyAt(gateway, cookie).get()).body.session).toBeNull()
    await redis.start()
    await expect.poll(async () => (await copyAt(other.gateway, cookie).get()).body.session).toBeNull()
  })
})
