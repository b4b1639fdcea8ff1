import { describe, expect, test } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import type { Config } from "../src/config/config.ts"
import { maxNewest, runListOf, SeenRuns } from "../src/graph/computation/changes.ts"
import { listedRuns, type RunnableKey } from "../src/graph/computation/loader.ts"
import type { Computation } from "../src/graph/computation/rest.ts"
import { startFaultyUpstream } from "./support/faultyUpstream.ts"
import { type Result, startGateway, startGatewayOn } from "./support/gateway.ts"
import { follow, pushedTime, untilLive } from "./support/live.ts"
import { describeWithRedis, startRedis } from "./support/redis.ts"

interface Run {
  id: string
  created: number
  name?: string
  state?: string
  end_status?: string
  exit_code?: number
  run_time?: number
}

const fields = "isFirst removedIds added { id state name } changed { id state name } unread { __typename id }"
const ofCapsule = (more = "", selected = fields) =>
  `subscription { computations(runnableId: "c" ${more}) { ${selected} } }`
const ofAll = (more = "", selected = fields) =>
  `subscription { recentComputations${more === "" ? "" : `(${more})`} { ${selected} } }`

/** A Code Ocean whose capsules have these runs, which the test changes, and a gateway whose polls the test starts. */
async function startLists(lists: Record<string, Run[]>, config: Partial<Config> = {}) {
  const faults = new Map<string, { status: number; headers?: Record<string, string>; body?: unknown }>()
  const upstream = await startFaultyUpstream(({ path, body }) => {
    const [, kind = "", id = "", part] = path.split("/")
    const fault = faults.get(path) ?? faults.get(`/${kind}/${id}`)
    if (fault !== undefined) return fault
    if (id === "search") {
      const mine = kind === "capsules" && JSON.parse(body).ownership === "created"
      const found = Object.keys(lists).map((id, index) => ({ id, name: id, last_accessed: 1000 - index }))
      return { body: { has_more: false, results: mine ? found : [] } }
    }
    if (kind === "computations") {
      const run = Object.values(lists)
        .flat()
        .find((run) => run.id === id)
      return run === undefined ? { status: 404 } : { body: run }
    }
    if (kind === "pipelines" || lists[id] === undefined) return { status: 404 }
    return { body: part === "computations" ? lists[id] : { id, name: id } }
  })
  const { gateway, ask, time } = startOther(upstream.url, config)
  const url = await gateway.listen()
  return {
    ...upstream,
    gateway,
    ask,
    time,
    faults,
    follow: (query: string) => follow(url, query),
    /** Lets the next poll happen, and returns how long it has waited. */
    async poll() {
      const [wait = 0] = await time.waits()
      time.push(wait)
      // After the read, the poller waits for the next one, or for its end.
      await time.waits()
      return wait
    },
    listCalls: () => upstream.requests.filter(({ path }) => path.endsWith("/computations")).length,
  }
}

/** A gateway on the same Code Ocean. */
function startOther(url: string, config: Partial<Config>) {
  const time = pushedTime()
  return { ...startGatewayOn(url, { clock: time, config }), time }
}

const changesIn = (event: Result | undefined) => (Object.values(event?.data ?? {}) as Result["data"][])[0]
const hasIds =
  (...ids: string[]) =>
  (given: string[]) =>
    [...given].sort().join() === ids.join()
const done = (id: string, created: number, more: Partial<Run> = {}): Run => ({
  id,
  created,
  name: id,
  state: "completed",
  end_status: "succeeded",
  exit_code: 0,
  ...more,
})
const running = (id: string, created: number): Run => ({ id, created, name: id, state: "running", run_time: 1 })
const shown = (id: string, state: string, name = id) => ({ id, state, name })
const nothing = { isFirst: false, removedIds: [], added: [], changed: [], unread: [] }

describe("following the runs of a capsule", () => {
  test("the first event has the runs as they are, and each later one what has changed", async () => {
    const c = [done("r1", 10), running("r2", 20)]
    const lists = { c }
    const world = await startLists(lists)
    const runs = await world.follow(ofCapsule())
    expect(changesIn(await runs.next())).toEqual({
      ...nothing,
      isFirst: true,
      added: [shown("r2", "RUNNING"), shown("r1", "COMPLETED")],
    })
    lists.c = [...c, running("r3", 30)]
    await world.poll()
    expect(changesIn(await runs.next())).toEqual({ ...nothing, added: [shown("r3", "RUNNING")] })
    lists.c = [done("r1", 10, { name: "renamed" }), done("r2", 20), running("r3", 30)]
    await world.poll()
    expect(changesIn(await runs.next())).toEqual({
      ...nothing,
      changed: [shown("r2", "COMPLETED"), shown("r1", "COMPLETED", "renamed")],
    })
    lists.c = [done("r2", 20)]
    await world.poll()
    expect(changesIn(await runs.next())).toEqual({ ...nothing, removedIds: expect.toSatisfy(hasIds("r1", "r3")) })
  })

  test("the run time of a run in progress is no change, and that of one that has ended is", async () => {
    const lists = { c: [running("r", 20)] }
    const world = await startLists(lists)
    const runs = await world.follow(ofCapsule("", "changed { runTime }"))
    await runs.next()
    for (const run_time of [2, 3]) {
      lists.c = [{ ...running("r", 20), run_time }]
      await world.poll()
    }
    await world.time.waits()
    lists.c = [done("r", 20, { run_time: 9 })]
    await world.poll()
    expect(changesIn(await runs.next())).toEqual({ changed: [{ runTime: 9 }] })
  })

  test("two changes that look alike in the selection are two events", async () => {
    const lists = { c: [{ ...running("r", 20), state: "initializing" }] }
    const world = await startLists(lists)
    const runs = await world.follow(ofCapsule("", "changed { id }"))
    expect(changesIn(await runs.next())).toEqual({ changed: [] })
    for (const state of ["running", "finalizing"]) {
      lists.c = [{ ...running("r", 20), state }]
      await world.poll()
      expect(changesIn(await runs.next())).toEqual({ changed: [{ id: "r" }] })
    }
  })

  test("subscriptions of one caller share the polls, whatever their `first`, and each gets every change", async () => {
    const lists = { c: [done("r1", 10), done("r2", 20), running("r0", 5)] }
    const world = await startLists(lists)
    const two = await world.follow(ofCapsule("first: 1", "added { id }"))
    expect(changesIn(await two.next()).added).toEqual([{ id: "r2" }, { id: "r0" }])
    const all = await world.follow(ofCapsule("", "added { id }"))
    expect(changesIn(await all.next()).added).toEqual([{ id: "r2" }, { id: "r1" }, { id: "r0" }])
    expect(world.gateway.stats).toMatchObject({ pollers: 1, listeners: 2 })
    lists.c = [...lists.c, running("r3", 30)]
    await world.poll()
    for (const { next } of [two, all]) expect(changesIn(await next()).added).toEqual([{ id: "r3" }])
    expect(world.listCalls()).toBe(2)
    two.leave()
    all.leave()
    await untilLive(world.gateway, { listeners: 0 })
  })

  test("a subscription that comes back gets the runs as they are, and what it has missed is not lost", async () => {
    const lists = { c: [running("r1", 10)] }
    const world = await startLists(lists)
    const before = await world.follow(ofCapsule())
    await before.next()
    before.leave()
    await untilLive(world.gateway, { listeners: 0 })
    lists.c = [done("r1", 10), running("r2", 20)]
    world.time.push(6)
    const after = await world.follow(ofCapsule())
    expect(changesIn(await after.next())).toEqual({
      ...nothing,
      isFirst: true,
      added: [shown("r2", "RUNNING"), shown("r1", "COMPLETED")],
    })
  })

  test("polls are 5 seconds apart at first, and up to 30 while no run starts or ends", async () => {
    const lists = { c: [running("r1", 10)] }
    const world = await startLists(lists)
    const runs = await world.follow(ofCapsule())
    await runs.next()
    const waits: number[] = []
    for (let polls = 0; polls < 7; polls++) waits.push(await world.poll())
    expect(waits.map(Math.round)).toEqual([5, 8, 11, 17, 25, 30, 30])
    lists.c = [done("r1", 10)]
    await world.poll()
    await runs.next()
    expect(await world.poll()).toBe(5)
  })

  test("failures in between are not reported, and what has changed meanwhile is not lost", async () => {
    const lists = { c: [running("r1", 10)] }
    const world = await startLists(lists)
    const runs = await world.follow(ofCapsule())
    await runs.next()
    world.faults.set("/capsules/c/computations", { status: 503 })
    lists.c = [done("r1", 10), done("r2", 20)]
    await world.poll()
    await world.poll()
    world.faults.clear()
    await world.poll()
    expect(changesIn(await runs.next())).toEqual({
      ...nothing,
      added: [shown("r2", "COMPLETED")],
      changed: [shown("r1", "COMPLETED")],
    })
  })

  test.each([
    ["deleted", 404, undefined],
    ["forbidden", 403, "FORBIDDEN"],
    ["no longer open to the token", 401, "UNAUTHENTICATED"],
  ])("a capsule that is %s ends the stream", async (_what, status, code) => {
    const lists = { c: [running("r1", 10)] }
    const world = await startLists(lists)
    const runs = await world.follow(ofCapsule())
    await runs.next()
    world.faults.set("/capsules/c/computations", { status, body: { message: "no" } })
    await world.poll()
    const [last, ...more] = await runs.rest()
    expect(last?.data).toEqual({ computations: null })
    expect(last?.errors?.[0]?.extensions.code).toBe(code)
    expect(more).toEqual([])
    expect(world.gateway.stats).toMatchObject({ pollers: 0, listeners: 0 })
  })

  test.each(["first: 0", `first: ${maxNewest + 1}`, "pollingIntervalSeconds: 4"])("%s is rejected", async (more) => {
    const { ask, requests } = await startLists({ c: [] })
    const { errors } = await ask(ofCapsule(more))
    expect(errors?.[0]?.extensions.code).toBe("BAD_USER_INPUT")
    expect(requests).toEqual([])
  })

  test("a pipeline is found by its id alone, its runs name it, and its type is asked for once", async () => {
    const { gateway, sandbox, ask } = await startGateway({ clock: pushedTime() })
    const url = await gateway.listen()
    const query = `subscription { computations(runnableId: "${seed.ecephysPipeline}", first: 1) { added { runnable { __typename id } } } }`
    const runs = await follow(url, query)
    const pipeline = { runnable: { __typename: "Pipeline", id: seed.ecephysPipeline } }
    expect(changesIn(await runs.next()).added[0]).toEqual(pipeline)
    expect(sandbox.requests.map(({ path }) => path)).toEqual([
      `/pipelines/${seed.ecephysPipeline}`,
      `/pipelines/${seed.ecephysPipeline}/computations`,
    ])
    await ask(`{ capsule(id: "${seed.spikeSorting}") { id name } }`)
    sandbox.requests.length = 0
    const known = await follow(url, `subscription { computations(runnableId: "${seed.spikeSorting}") { isFirst } }`)
    expect(changesIn(await known.next())).toEqual({ isFirst: true })
    const unknown = await follow(url, `subscription { computations(runnableId: "${seed.cellImages}") { isFirst } }`)
    expect(await unknown.rest()).toEqual([{ data: { computations: null } }])
  })
})

test("a run that ends behind a hundred newer ones is read by itself, and is removed if it no longer exists", async () => {
  const newer = Array.from({ length: maxNewest }, (_, at) => done(`n${at}`, 1000 + at))
  const lists = { c: [running("ends", 1), running("goes", 2), ...newer] }
  const world = await startLists(lists)
  const runs = await world.follow(ofCapsule("first: 1"))
  expect(changesIn(await runs.next()).added.map(({ id }: { id: string }) => id)).toEqual([
    `n${maxNewest - 1}`,
    "goes",
    "ends",
  ])
  lists.c = [done("ends", 1), ...newer]
  await world.poll()
  expect(changesIn(await runs.next())).toEqual({
    ...nothing,
    changed: [shown("ends", "COMPLETED")],
    removedIds: ["goes"],
  })
})

describe("following the runs of all capsules and pipelines", () => {
  test("they are merged, newest first, and changes come from any of them", async () => {
    const lists: Record<string, Run[]> = { a: [done("a1", 10)], b: [running("b1", 20)] }
    const world = await startLists(lists)
    const runs = await world.follow(ofAll())
    expect(changesIn(await runs.next())).toEqual({
      ...nothing,
      isFirst: true,
      added: [shown("b1", "RUNNING"), shown("a1", "COMPLETED")],
    })
    lists.b = [done("b1", 20)]
    lists.c = [done("c1", 15)]
    expect(await world.poll()).toBe(15)
    expect(changesIn(await runs.next())).toEqual({
      ...nothing,
      added: [shown("c1", "COMPLETED")],
      changed: [shown("b1", "COMPLETED")],
    })
  })

  test("a capsule that can't be read for a while keeps its runs, and catches up afterwards", async () => {
    const lists: Record<string, Run[]> = { a: [running("a1", 10)], b: [running("b1", 20)] }
    const world = await startLists(lists)
    const runs = await world.follow(ofAll())
    await runs.next()
    world.faults.set("/capsules/a/computations", { status: 500 })
    lists.a = [done("a1", 10)]
    lists.b = [done("b1", 20)]
    await world.poll()
    expect(changesIn(await runs.next())).toEqual({
      ...nothing,
      changed: [shown("b1", "COMPLETED")],
      unread: [{ __typename: "Capsule", id: "a" }],
    })
    world.faults.clear()
    await world.poll()
    expect(changesIn(await runs.next())).toEqual({ ...nothing, changed: [shown("a1", "COMPLETED")] })
  })

  test("the runs of a capsule that the caller may no longer open are removed", async () => {
    const lists: Record<string, Run[]> = { a: [running("a1", 10)], b: [running("b1", 20)] }
    const world = await startLists(lists)
    const runs = await world.follow(ofAll())
    await runs.next()
    world.faults.set("/capsules/a/computations", { status: 403 })
    await world.poll()
    expect(changesIn(await runs.next())).toEqual({ ...nothing, removedIds: ["a1"] })
  })

  test("a search that fails, or a list that is rate limited, delays the poll, and nothing is removed", async () => {
    const lists: Record<string, Run[]> = { a: [running("a1", 10)], b: [running("b1", 20)] }
    const world = await startLists(lists)
    const runs = await world.follow(ofAll())
    await runs.next()
    world.faults.set("/pipelines/search", { status: 503 })
    lists.a = [done("a1", 10)]
    await world.poll()
    world.faults.clear()
    world.faults.set("/capsules/b/computations", { status: 429, headers: { "retry-after": "40" } })
    await world.poll()
    expect((await world.time.waits())[0]).toBeGreaterThanOrEqual(40)
    world.faults.clear()
    await world.poll()
    expect(changesIn(await runs.next())).toEqual({ ...nothing, changed: [shown("a1", "COMPLETED")] })
  })

  test("a token that was revoked ends the stream", async () => {
    const world = await startLists({ a: [running("a1", 10)] })
    const runs = await world.follow(ofAll())
    await runs.next()
    for (const kind of ["capsules", "pipelines"]) world.faults.set(`/${kind}/search`, { status: 401 })
    await world.poll()
    const [last] = await runs.rest()
    expect(last?.errors?.[0]?.extensions.code).toBe("UNAUTHENTICATED")
  })

  test("polls are at least 15 seconds apart, and the estimate counts those of one poll", async () => {
    const world = await startLists({ a: [done("a1", 10)] })
    const runs = await world.follow(ofAll())
    await runs.next()
    const waits: number[] = []
    for (let polls = 0; polls < 8; polls++) waits.push(await world.poll())
    expect(waits[0]).toBe(15)
    expect(waits.slice(-2)).toEqual([120, 120])
    const tooOften = await world.ask(ofAll("pollingIntervalSeconds: 14"))
    expect(tooOften.errors?.[0]?.extensions.code).toBe("BAD_USER_INPUT")
  })

  test("a subscription that joins between two polls gets the runs as they are, for one poll, however many join", async () => {
    const lists = { a: [done("a1", 10)] }
    const world = await startLists(lists)
    const first = await world.follow(ofAll())
    await first.next()
    for (let polls = 0; polls < 8; polls++) await world.poll()
    const before = world.listCalls()
    lists.a = [running("a2", 20), done("a1", 10)]
    const started = shown("a2", "RUNNING")
    world.time.push(16)
    const others = await Promise.all([1, 2, 3].map(() => world.follow(ofAll())))
    for (const other of others)
      expect(changesIn(await other.next())?.added).toEqual([started, shown("a1", "COMPLETED")])
    expect(changesIn(await first.next())).toEqual({ ...nothing, added: [started] })
    expect(world.listCalls()).toBe(before + 1)
    expect(world.gateway.stats).toMatchObject({ pollers: 1, listeners: 4 })
  })

  test("different callers never share polls", async () => {
    const { gateway } = await startGateway({ clock: pushedTime() })
    const url = await gateway.listen()
    const ada = await follow(url, ofAll("first: 100", "added { id }"))
    const grace = await follow(url, ofAll("first: 100", "added { id }"), { authorization: `Bearer ${tokens.grace}` })
    const idsOf = async ({ next }: typeof ada) =>
      changesIn(await next()).added.map(({ id }: { id: string }) => id) as string[]
    expect(await idsOf(ada)).not.toContain(seed.graceRun)
    expect(await idsOf(grace)).toContain(seed.graceRun)
    expect(gateway.stats).toMatchObject({ pollers: 2, listeners: 2 })
  })
})

describeWithRedis("following the runs through several replicas with one Redis", () => {
  test("one of them reads, all get each change, and what is no list in Redis changes nothing", async () => {
    const redis = await startRedis()
    const lists = { c: [running("r1", 10)] }
    const world = await startLists(lists, { redisUrl: redis.url })
    const other = startOther(world.url, { redisUrl: redis.url })
    const streams = [await world.follow(ofCapsule()), await follow(await other.gateway.listen(), ofCapsule())]
    for (const stream of streams) expect(changesIn(await stream.next()).isFirst).toBe(true)

    /** Lets time pass on both until both have an event. */
    async function nextOfBoth() {
      let events: Result[] | undefined
      const both = Promise.all(streams.map(({ next }) => next())).then((found) => {
        events = found as Result[]
      })
      while (events === undefined) {
        for (const { time } of [world, other]) time.push(1)
        await redis.command("PING")
        await new Promise((resolve) => setTimeout(resolve, 2))
      }
      await both
      return events.map(changesIn)
    }

    lists.c = [done("r1", 10), running("r2", 20)]
    const wanted = { ...nothing, added: [shown("r2", "RUNNING")], changed: [shown("r1", "COMPLETED")] }
    expect(await nextOfBoth()).toEqual([wanted, wanted])

    const [topic] = (await redis.command("KEYS", "*latest:*")) as [string]
    for (const value of [
      '{"runs":[null]}',
      '{"runs":[],"end":1,"unread":[]}',
      '{"runs":[{"run":{},"digest":"d","runnable":{"id":"c","kind":"capsules"}}],"end":null,"unread":[]}',
      '{"runs":[],"end":null,"unread":[{}]}',
    ]) {
      await redis.command("PUBLISH", topic, `{"value":${value},"stage":"a","isFinal":false}`)
    }
    lists.c = [done("r1", 10), done("r2", 20)]
    const last = { ...nothing, changed: [shown("r2", "COMPLETED")] }
    expect(await nextOfBoth()).toEqual([last, last])
    expect(world.listCalls()).toBeLessThan(20)
  })
})

test("a run that two capsules list is followed once", () => {
  const lists = ["a", "b"].map((id) => ({
    runnable: { id, kind: "capsules" } as const,
    runs: listedRuns([{ ...done("r1", 10), name: `of ${id}` } as Computation]),
  }))
  const seen = new SeenRuns(20)
  expect(seen.update(runListOf(lists, []))?.added.map(({ run, runnable }) => [run.name, runnable.id])).toEqual([
    ["of a", "a"],
  ])
  expect(seen.update(runListOf(lists, []))).toBeUndefined()
})

describe("what a listener has seen", () => {
  const runnable: RunnableKey = { id: "c", kind: "capsules" }
  const list = (runs: Run[], unread: RunnableKey[] = []) =>
    runListOf([{ runnable, runs: listedRuns(runs as unknown as Computation[]) }], unread)
  const many = (count: number, from = 0, make = done) =>
    Array.from({ length: count }, (_, index) => make(`r${from + index}`, 1000 + from + index))
  const idsOf = (runs: { run: { id: string } }[] = []) => runs.map(({ run }) => run.id)

  test("only the newest runs and those in progress are followed, however long the history is", () => {
    const runs = list([...many(5000), ...Array.from({ length: 700 }, (_, at) => running(`old${at}`, at))])
    expect(runs.runs).toHaveLength(maxNewest + 400)
    expect(idsOf(runs.runs)[0]).toBe("r4999")
  })

  test("a run that newer ones push out is not removed, and one that is deleted is", () => {
    const seen = new SeenRuns(20)
    seen.update(list(many(maxNewest)))
    const changes = seen.update(list(many(maxNewest + 10)))
    expect(changes?.removedIds).toEqual([])
    expect(idsOf(changes?.added)).toEqual(
      many(10, maxNewest)
        .map(({ id }) => id)
        .reverse(),
    )
    expect(seen.update(list(many(maxNewest + 10).filter(({ id }) => id !== "r50")))?.removedIds).toEqual(["r50"])
  })

  test("a run in progress is followed until it ends, even when newer ones have pushed it out", () => {
    const seen = new SeenRuns(20)
    seen.update(list([running("slow", 1), ...many(maxNewest)]))
    expect(seen.update(list([running("slow", 1), ...many(maxNewest, 10)]))?.left).toEqual([])
    expect(seen.update(list([done("slow", 1), ...many(maxNewest, 10)]))?.left).toEqual([{ id: "slow", runnable }])
  })

  test("older runs that come into the list again are not reported as new", () => {
    const seen = new SeenRuns(20)
    seen.update(list(many(maxNewest + 50)))
    const changes = seen.update(list(many(maxNewest + 50).slice(0, -5)))
    expect(changes?.removedIds).toHaveLength(5)
    expect(changes?.added).toEqual([])
  })

  test("a listener that skips versions gets one set of changes that leads to the last", () => {
    const [steady, slow] = [new SeenRuns(100), new SeenRuns(100)]
    const mirrors = [new Map<string, string>(), new Map<string, string>()] as const
    const apply = (mirror: Map<string, string>, changes: ReturnType<SeenRuns["update"]>) => {
      for (const { run } of [...(changes?.added ?? []), ...(changes?.changed ?? [])]) mirror.set(run.id, run.state)
      for (const id of changes?.removedIds ?? []) mirror.delete(id)
    }
    let runs: Run[] = []
    let at = 7
    const random = (below: number) => {
      at = (Math.imul(at, 1664525) + 1013904223) >>> 0
      return Math.floor((at / 2 ** 32) * below)
    }
    for (let version = 0; version < 300; version++) {
      const roll = random(3)
      if (roll === 0 && runs.length < maxNewest) runs = [...runs, running(`v${version}`, version)]
      else if (roll === 1) runs = runs.map((run) => (random(4) === 0 ? done(run.id, run.created) : run))
      else runs = runs.filter(() => random(8) > 0)
      const now = list(runs)
      apply(mirrors[0], steady.update(now))
      if (version % 17 === 0 || version === 299) apply(mirrors[1], slow.update(now))
    }
    const wanted = new Map(runs.map(({ id, state }) => [id, state]))
    expect(mirrors[0]).toEqual(wanted)
    expect(mirrors[1]).toEqual(wanted)
    expect(wanted.size).toBeGreaterThan(0)
  })
})
