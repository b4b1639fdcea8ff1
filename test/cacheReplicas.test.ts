import { fork } from "node:child_process"
import { once } from "node:events"
import { expect, onTestFinished, test } from "vitest"
import { tokens } from "../sandbox/seed.ts"
import { startSandbox } from "../sandbox/server.ts"
import { createExamples } from "../src/http/graphiql/examples.ts"
import { cacheFor, startChanging } from "./support/cache.ts"
import { compiled } from "./support/compiled.ts"
import type { Result } from "./support/gateway.ts"
import { type MeasuredWorld, startMeasuredGatewayOn } from "./support/metrics.ts"
import { describeWithRedis, type RedisServer, startRedis } from "./support/redis.ts"

const asset = `{ dataAsset(id: "d1") { name } }`
const update = (name: string) => `mutation { updateDataAsset(input: {id: "d1", name: "${name}"}) { __typename } }`
const nameIn = ({ data }: Result): string => data.dataAsset?.name
const withCost = { authorization: `Bearer ${tokens.ada}`, "x-upstream-cost": "1" }

/** How long the cache is not used after the start, and after an outage. */
const settled = { interval: 100 }

describeWithRedis("replicas with a cache in Redis", () => {
  /** Gateways in this process that use the cache already. */
  async function startReplicas(url: string, redis: RedisServer, { count = 2, storeWaitMs = 60_000 } = {}) {
    const worlds = Array.from({ length: count }, () =>
      startMeasuredGatewayOn(url, {
        config: { ...cacheFor("600"), redisUrl: redis.url },
        storeWaitMs,
        leaseMs: 100,
      }),
    )
    for (const { gateway } of worlds) await gateway.listen()
    for (const world of worlds) await untilUsed(world)
    return worlds as [(typeof worlds)[0], (typeof worlds)[0]]
  }

  /** Waits until the second of two equal queries comes from the cache. Of another caller. */
  async function untilUsed({ ask, samples, lines }: MeasuredWorld) {
    const headers = { ...withCost, authorization: `Bearer ${tokens.readOnly}` }
    await expect
      .poll(async () => {
        await ask("{ customMetadata { categories } }", {}, headers)
        const { extensions } = await ask("{ customMetadata { categories } }", {}, headers)
        if (extensions.cost.cachedCalls === 1) return "used"
        const reads = await samples("gateway_cache_reads_total")
        const warnings = lines.filter(({ level }) => level === "warn").map(({ msg, reason }) => `${msg}: ${reason}`)
        return JSON.stringify([reads.map(({ labels, value }) => `${labels.outcome} ${value}`), warnings])
      }, settled)
      .toBe("used")
  }

  test("answer from what another replica has kept, for the same caller only", async () => {
    const upstream = await startChanging()
    const redis = await startRedis()
    const [one, two] = await startReplicas(upstream.url, redis)
    const texts = async () => ((await redis.command("KEYS", "*:text:*")) as string[]).length
    const before = await texts()
    expect(nameIn(await one.ask(asset))).toBe("first")
    // It is kept in the background.
    await expect.poll(texts).toBe(before + 1)
    upstream.setName("second")
    expect(nameIn(await two.ask(asset))).toBe("first")
    expect(nameIn(await two.ask(asset, {}, { authorization: `Bearer ${tokens.grace}` }))).toBe("second")
    expect(await one.total("gateway_cache_reads_total", { store: "redis", outcome: "error" })).toBeLessThan(100)
    expect(await two.total("gateway_cache_bytes")).toBe(0)
  })

  test("see each own change of the caller at once, whichever of them made it", async () => {
    const upstream = await startChanging()
    const redis = await startRedis()
    const [one, two] = await startReplicas(upstream.url, redis)
    for (let at = 0; at < 20; at++) {
      const [here, there] = at % 2 === 0 ? [one, two] : [two, one]
      for (const { ask } of [one, two]) await ask(asset)
      await here.ask(update(`name ${at}`))
      expect(await Promise.all([here, there, there].map(async ({ ask }) => nameIn(await ask(asset))))).toEqual(
        Array(3).fill(`name ${at}`),
      )
    }
  })

  test("do not share a read in flight that began before a change in another replica", async () => {
    const upstream = await startChanging()
    const redis = await startRedis()
    const [one, two] = await startReplicas(upstream.url, redis)
    const { promise, resolve } = Promise.withResolvers<void>()
    upstream.answerNext("GET /data_assets/d1", (usual) => promise.then(() => usual))
    const early = two.ask(asset)
    await expect.poll(() => upstream.calls()).toContain("GET /data_assets/d1")
    await one.ask(update("second"))
    expect(nameIn(await two.ask(asset))).toBe("second")
    resolve()
    expect(nameIn(await early)).toBe("first")
  })

  test("see a change that was made while Redis hung, was dead, or was emptied", async () => {
    const upstream = await startChanging()
    const redis = await startRedis()
    const [one, two] = await startReplicas(upstream.url, redis, { storeWaitMs: 1_000 })
    const check = async (name: string) => {
      for (const { ask } of [one, two]) expect(nameIn(await ask(asset))).toBe(name)
    }
    for (const { ask } of [one, two]) await ask(asset)
    redis.hang()
    await one.ask(update("hung"))
    redis.resume()
    await check("hung")
    await redis.kill()
    await one.ask(update("dead"))
    await check("dead")
    await redis.start()
    await check("dead")
    for (const world of [one, two]) await untilUsed(world)
    await check("dead")
    await redis.command("FLUSHALL")
    await check("dead")
    await two.ask(update("emptied"))
    await redis.command("FLUSHALL")
    await check("emptied")
  })

  test("renew a response once for all of them", async () => {
    const upstream = await startChanging()
    const redis = await startRedis()
    const [one, two] = await startReplicas(upstream.url, redis)
    await one.ask(asset)
    await expect.poll(async () => (await two.ask(asset, {}, withCost)).extensions.cost.cachedCalls).toBe(1)
    for (const key of (await redis.command("KEYS", "*text:*")) as string[]) await redis.command("PEXPIRE", key, 200_000)
    upstream.setName("second")
    const before = upstream.requests.length
    await Promise.all(Array.from({ length: 20 }, (_, at) => (at % 2 === 0 ? one : two).ask(asset)))
    await expect.poll(async () => nameIn(await two.ask(asset))).toBe("second")
    expect(upstream.requests.length - before).toBe(1)
  })

  test("leave no token, id, name of an agent, secret or signed address in Redis", async () => {
    const sandbox = await startSandbox()
    onTestFinished(() => sandbox.close())
    const redis = await startRedis()
    const [one] = await startReplicas(sandbox.url, redis, { count: 1 })
    const callers = Object.values(tokens).map((token) => ({ authorization: `Bearer ${token}`, "agent-id": "helper-x" }))
    for (const headers of callers)
      for (const { query, variables } of createExamples().slice(0, 3)) await one.ask(query, variables, headers)
    const keys = (await redis.command("KEYS", "*:cache:*:text:*")) as string[]
    expect(keys.length).toBeGreaterThan(20)
    const dump = await redis.dump()
    for (const token of Object.values(tokens)) {
      for (const form of [token, btoa(`${token}:`), btoa(token).replaceAll("=", "")]) expect(dump).not.toContain(form)
    }
    for (const text of ["helper-x", "/signed/", cacheFor("1").cacheSecret]) expect(dump).not.toContain(text)
    for (const key of keys)
      expect(key).toMatch(/^codeocean-gateway:1:[\w-]{8}:cache:[0-9a-f]{40}:text:[\w-]+:[\w-]{43}(:due)?$/)
  })

  test("do not serve what they kept before a change whose replica was killed in the middle of it", async () => {
    const upstream = await startChanging()
    const redis = await startRedis()
    const [one] = await startReplicas(upstream.url, redis, { count: 1 })
    const { CODEOCEAN_URL, ...env } = { CODEOCEAN_URL: upstream.url, REDIS_URL: redis.url, CACHE_TTL_SECONDS: "600" }
    const { cacheSecret } = cacheFor("600")
    const child = fork(new URL("support/replica.ts", import.meta.url), {
      env: {
        ...process.env,
        ...compiled,
        ...env,
        CODEOCEAN_URL,
        CACHE_SECRET: cacheSecret,
        PORT: "0",
        LEASE_MS: "3000",
      },
      stdio: ["ignore", "ignore", "ignore", "ipc"],
    })
    onTestFinished(() => void child.kill("SIGKILL"))
    const [{ url }] = (await once(child, "message")) as [{ url: string }]
    expect(nameIn(await one.ask(asset))).toBe("first")
    upstream.answerNext("PUT /data_assets/d1", () => new Promise(() => undefined))
    const changed = fetch(`${url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${tokens.ada}` },
      body: JSON.stringify({ query: update("second") }),
    }).catch(() => "lost")
    await expect.poll(() => upstream.calls()).toContain("PUT /data_assets/d1")
    child.kill("SIGKILL")
    expect(await changed).toBe("lost")
    // The change takes effect although nobody has got its response, and what is read meanwhile is not kept.
    upstream.setName("first")
    expect(nameIn(await one.ask(asset))).toBe("first")
    upstream.setName("second")
    expect(nameIn(await one.ask(asset))).toBe("second")
  })
})
