import { expect, onTestFinished, test } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { startSandbox } from "../sandbox/server.ts"
import { callsOf, type Result, startGatewayOn } from "./support/gateway.ts"
import { type Stage, startLaggingUpstream } from "./support/laggingUpstream.ts"
import { follow, pushedTime } from "./support/live.ts"
import { describeWithRedis, startRedis } from "./support/redis.ts"
import { startReplica } from "./support/replicas.ts"

const ask = (url: string, query: string, token: string = tokens.ada) =>
  fetch(`${url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body: JSON.stringify({ query }),
  }).then((response) => response.json() as Promise<Result>)

const field = (name: string) =>
  `captureResult(input: {computationId: "${seed.countedCells}", name: "${name}", tags: [], mount: "counted"})`
const mutation = (name: string) =>
  `mutation { ${field(name)} { ... on CaptureResultPayload { dataAsset { id name } steps { step status failure { message } } } } }`
const subscription = (name: string) => `subscription { ${field(name)} { dataAsset { id name } steps { step status } } }`

/** Captures by a subscription, and returns the data asset's id. */
async function followCapture(url: string, name: string): Promise<string> {
  const events = await follow(url, subscription(name))
  for (;;) {
    const event = await events.next()
    expect(event?.errors).toBeUndefined()
    const id = event?.data.captureResult.dataAsset?.id
    if (id === undefined) continue
    events.leave()
    return id
  }
}

/** Captures by a mutation, and returns the data asset's id. */
async function capture(url: string, name: string): Promise<string> {
  const { data, errors } = await ask(url, mutation(name))
  expect(errors).toBeUndefined()
  return data.captureResult.dataAsset.id
}

describeWithRedis("two replicas with one Redis", () => {
  const moments: [call: string, stage: Stage | "sent by the client" | "answered to the client"][] = [
    ["", "sent by the client"],
    ["POST /data_assets/search", "arrived"],
    ["POST /data_assets/search", "took effect"],
    ["POST /data_assets/search", "answered"],
    ["POST /data_assets", "arrived"],
    ["POST /data_assets", "took effect"],
    ["POST /data_assets", "answered"],
    ["", "answered to the client"],
  ]

  test("capture a result once, at whatever moment one of them is killed, although searches lag behind", async () => {
    const sandbox = await startSandbox()
    onTestFinished(() => sandbox.close())
    const redis = await startRedis()
    const upstream = await startLaggingUpstream(sandbox.url, 500)
    const env = { CODEOCEAN_URL: upstream.url, REDIS_URL: redis.url, UPSTREAM_TIMEOUT_MS: "3000" }
    let [first, second] = await Promise.all([startReplica(env), startReplica(env)])
    for (const [index, [call, stage]] of moments.entries()) {
      // One client comes back to the other replica before the kill, and one after it.
      const names = ["before", "after"].map((when) => `Moment ${index}, the client returns ${when} the kill`)
      const [before, after] = names as [string, string]
      const isCall = stage !== "sent by the client" && stage !== "answered to the client"
      const stops = isCall ? names.map(() => upstream.stopAt(call, stage)) : []
      const lost = names.map((name) => ask(first.url, mutation(name)).catch(() => undefined))
      if (stage !== "sent by the client") await Promise.all(isCall ? stops.map(({ reached }) => reached) : lost)
      // In turns by a mutation and by a subscription.
      const comeBack = (name: string) => (index % 2 === 0 ? capture : followCapture)(second.url, name)
      const early = comeBack(before)
      await first.kill()
      const next = startReplica(env)
      for (const { goOn } of stops) goOn()
      const captured = await Promise.all([early, comeBack(after)])
      // Also on the replica that starts now.
      first = second
      second = await next
      for (const [at, name] of names.entries()) {
        const ofName = () =>
          sandbox.requestsTo("POST /data_assets").filter(({ body }) => (body as { name: string }).name === name)
        expect(ofName(), `${call} ${stage}: ${name}`).toHaveLength(1)
        expect(await capture(second.url, name)).toBe(captured[at])
        expect(ofName(), `${call} ${stage}: ${name}`).toHaveLength(1)
      }
    }
    expect(sandbox.requestsTo("POST /data_assets")).toHaveLength(2 * moments.length)
    const dump = await redis.dump()
    expect(dump).toContain("note:")
    for (const token of Object.values(tokens)) {
      for (const form of [token, btoa(`${token}:`), encodeURIComponent(token)]) expect(dump).not.toContain(form)
    }
  }, 300_000)

  /** A replica in this process, which holds its leases as long as one in a process of its own. */
  const startHere = (upstream: string, redis: string, upstreamTimeoutMs: number) =>
    startGatewayOn(upstream, { config: { redisUrl: redis, upstreamTimeoutMs }, leaseMs: 500 }).gateway.listen()

  /** A client captures through the first replica, and is stopped before the data asset is created. The second replica is idle. */
  async function stopCapture<First extends { url: string }>(
    timeoutMs: number,
    startFirst: (upstream: string, redis: string) => Promise<First>,
  ) {
    const sandbox = await startSandbox()
    onTestFinished(() => sandbox.close())
    const redis = await startRedis()
    const upstream = await startLaggingUpstream(sandbox.url, 0)
    const first = await startFirst(upstream.url, redis.url)
    const second = await startHere(upstream.url, redis.url, timeoutMs)
    const { reached, goOn } = upstream.stopAt("POST /data_assets/search", "took effect")
    const captured = capture(first.url, "Once")
    await reached
    return { redis, first, second, captured, goOn, created: () => sandbox.requestsTo("POST /data_assets").length }
  }

  test("capture a result once if one of them is suspended before it creates the data asset", async () => {
    // The second one waits for so long, because the first one may have sent the creation.
    const { first, second, captured, goOn, created } = await stopCapture(3_000, (upstream, redis) =>
      startReplica({ CODEOCEAN_URL: upstream, REDIS_URL: redis, UPSTREAM_TIMEOUT_MS: "3000" }),
    )
    first.suspend()
    goOn()
    const id = await capture(second, "Once")
    expect(created()).toBe(1)
    first.resume()
    // Its search has taken too long in the meantime.
    await captured.catch(() => undefined)
    expect(await capture(first.url, "Once")).toBe(id)
    expect(created()).toBe(1)
  })

  test("capture a result once if Redis loses everything while one of them creates the data asset", async () => {
    const { redis, second, captured, goOn, created } = await stopCapture(5_000, async (upstream, redis) => ({
      url: await startHere(upstream, redis, 5_000),
    }))
    await redis.kill()
    await redis.start()
    // The owner has renewed its lease.
    await expect.poll(() => redis.dump()).toContain("lease:")
    const late = capture(second, "Once")
    goOn()
    expect(await late).toBe(await captured)
    expect(created()).toBe(1)
  })

  /** Two gateways in this process. */
  async function startTwo(options: Parameters<typeof startGatewayOn>[1] = {}) {
    const sandbox = await startSandbox()
    onTestFinished(() => sandbox.close())
    const redis = await startRedis()
    const worlds = [1, 2].map(() => startGatewayOn(sandbox.url, { config: { redisUrl: redis.url }, ...options }))
    const [one, two] = worlds as [(typeof worlds)[0], (typeof worlds)[0]]
    const urls = await Promise.all([one.gateway.listen(), two.gateway.listen()])
    return { sandbox, redis, one, two, urls }
  }

  const archive = (id: string) => `mutation { archiveCapsule(input: {id: "${id}", archived: false}) { __typename } }`
  const capsules = "query ($ids: [ID!]!) { capsules(ids: $ids) { id } }"

  test("read directly what the caller has just changed through the other one, and search for the rest", async () => {
    const { sandbox, redis, one, two } = await startTwo()
    const { data } = await one.ask("{ searchCapsules(first: 30) { nodes { id } } }")
    const ids: string[] = data.searchCapsules.nodes.map(({ id }: { id: string }) => id)
    expect(ids.length).toBeGreaterThan(5)
    const changed = ids.slice(0, 4)
    for (const [at, id] of changed.entries()) {
      const [here, there] = at % 2 === 0 ? [one, two] : [two, one]
      await here.ask(archive(id))
      const before = sandbox.requests.length
      await there.ask(capsules, { ids })
      const calls = callsOf(sandbox.requests.slice(before))
      expect(Object.keys(calls).toSorted()).toEqual(
        [...changed.slice(0, at + 1).map((id) => `GET /capsules/${id}`), "POST /capsules/search"].toSorted(),
      )
    }
    const [archived] = changed
    const { data: shown } = await two.ask(`{ capsule(id: "${archived}") { archived } }`)
    expect(shown.capsule.archived).toBe(false)
    expect(sandbox.requests.at(-1)?.path).toBe(`/capsules/${archived}`)
    // Other callers search for all.
    const before = sandbox.requests.length
    await two.ask(capsules, { ids }, { authorization: `Bearer ${tokens.admin}` })
    expect(sandbox.requests[before]?.body).toMatchObject({ limit: ids.length })
    const dump = await redis.dump()
    for (const text of [...Object.values(tokens), ...changed]) expect(dump).not.toContain(text)
  })

  test("stay ready and answer while Redis is dead, hangs or starts again, and log an outage once", async () => {
    const { redis, one, two, urls } = await startTwo({ storeWaitMs: 1_000 })
    const isFine = async () => {
      for (const [at, world] of [one, two].entries()) {
        expect((await fetch(`${urls[at]}/ready`)).status).toBe(200)
        expect((await world.ask(archive(seed.cellCounter))).errors).toBeUndefined()
        expect(await capture(urls[at] as string, "Captured in an outage")).toBeDefined()
      }
    }
    const outages = () =>
      [one, two].map(({ lines }) => lines.filter(({ msg }) => /^Redis is not/.test(String(msg))).length)
    await isFine()
    expect(outages()).toEqual([0, 0])
    redis.hang()
    await isFine()
    await redis.kill()
    await isFine()
    await redis.start()
    await isFine()
    expect(outages()).toEqual([1, 1])
    for (const { lines } of [one, two]) {
      expect(lines.filter(({ level }) => level === "error" || level === "fatal")).toEqual([])
    }
  })

  test("read an object once that a caller follows through both, and another caller's for that caller", async () => {
    const { sandbox, redis, urls } = await startTwo({ clock: pushedTime() })
    const run = `subscription { computation(id: "${seed.runningAlignment}") { state } }`
    const calls = () => sandbox.requestsTo(`GET /computations/${seed.runningAlignment}`).length
    const first = await follow(urls[0] as string, run)
    expect(await first.next()).toEqual({ data: { computation: { state: "RUNNING" } } })
    await expect.poll(() => redis.dump()).toContain("latest:")
    const second = await follow(urls[1] as string, run)
    expect(await second.next()).toEqual({ data: { computation: { state: "RUNNING" } } })
    expect(calls()).toBe(1)
    const agent = await follow(urls[1] as string, run, { "agent-id": "assistant" })
    expect(await agent.next()).toEqual({ data: { computation: { state: "RUNNING" } } })
    expect(calls()).toBe(2)
    const grace = await follow(urls[1] as string, run, { authorization: `Bearer ${tokens.grace}` })
    await grace.next()
    expect(calls()).toBe(3)
    const dump = await redis.dump()
    for (const text of [...Object.values(tokens), "assistant"]) expect(dump).not.toContain(text)
  })
})
