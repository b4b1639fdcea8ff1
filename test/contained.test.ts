import { Pool } from "undici"
import { describe, expect, onTestFinished, test } from "vitest"
import { Link } from "../src/collections/linkedList.ts"
import { createLog } from "../src/log/log.ts"
import type { Clock } from "../src/polling/clock.ts"
import { createPollers } from "../src/polling/pollers.ts"
import type { Snapshot, Source } from "../src/polling/source.ts"
import { createTasks } from "../src/polling/tasks.ts"
import { createMemoryStore } from "../src/store/memory.ts"
import { createBreaker } from "../src/upstream/breaker.ts"
import type { Call, Caller } from "../src/upstream/call.ts"
import { Connections } from "../src/upstream/connections.ts"
import { UpstreamError } from "../src/upstream/error.ts"
import { FairSemaphore } from "../src/upstream/fairSemaphore.ts"
import { ApiFlight, Flight, type Waiter } from "../src/upstream/flight.ts"
import { ResponseBody } from "../src/upstream/responseBody.ts"
import { parseRetryAfterMs, RetryBudget } from "../src/upstream/retry.ts"
import type { HttpRequest } from "../src/upstream/transport.ts"
import { startFaultyUpstream, type UpstreamAnswer } from "./support/faultyUpstream.ts"
import { collectGarbage } from "./support/garbage.ts"
import { startGatewayOn } from "./support/gateway.ts"
import { pushedTime } from "./support/live.ts"
import { watchProcess } from "./support/unnoticed.ts"
import { capsule, startPool } from "./support/upstreamPool.ts"

const silent = createLog("silent")
const bug = new TypeError("a bug")
const failing = (): never => {
  throw bug
}

/** Call counts whose setter throws from the given call on. */
const uncountable = (from: number) => {
  let counted = 0
  return {
    sharedCalls: 0,
    get upstreamCalls() {
      return 0
    },
    set upstreamCalls(_count: number) {
      counted += 1
      if (counted >= from) throw bug
    },
  }
}

const unwritable = { child: failing, info: failing, warn: failing, error: failing } as never

describe("an exception in one call", () => {
  const kinds: [
    string,
    { caller?: Partial<Caller>; call?: Partial<Call<unknown>>; first?: UpstreamAnswer; error: unknown },
  ][] = [
    ["a decoder that throws", { call: { decode: failing }, error: bug }],
    ["a body that is no JSON", { call: { method: "POST", body: 1n }, error: expect.any(TypeError) }],
    ["an Agent-Id that no header may hold", { caller: { agentId: "a\nb" }, error: expect.any(Error) }],
    ["a request id that no header may hold", { caller: { requestId: "a\nb" }, error: expect.any(Error) }],
    ["a token beyond Latin-1", { caller: { token: { value: "\u{1f512}" } }, error: expect.any(Error) }],
    ["a count of calls that throws", { caller: { cost: uncountable(1) }, error: bug }],
    [
      "a count of calls that throws when the call is repeated, from a timer",
      { caller: { cost: uncountable(2) }, first: { status: 503 }, error: bug },
    ],
    [
      "a log that can't be written to",
      { caller: { log: unwritable }, first: { status: 404 }, error: expect.any(UpstreamError) },
    ],
    [
      "a Retry-After of no time at all",
      { first: { status: 400, headers: { "retry-after": "\u00ff" } }, error: expect.any(UpstreamError) },
    ],
  ]
  for (const kind of ["read", "write"] as const) {
    // Writes are not retried.
    const those = kinds.filter(([what]) => kind === "read" || !what.includes("repeated"))
    test.each(those)(
      `an exception in one ${kind} fails that ${kind} alone, and releases its connection: %s`,
      async (_what, odd) => {
        watchProcess()
        const { pool, callerWith, upstream } = await startPool((count) =>
          count === 1 && odd.first ? odd.first : { body: { id: "c1" } },
        )
        const request = pool.forCaller(callerWith(odd.caller))
        await expect(request[kind]({ ...capsule(), ...odd.call })).rejects.toEqual(odd.error)
        expect(upstream.requests.length).toBeLessThanOrEqual(1)
        // There is only one connection.
        expect(await pool.forCaller(callerWith()).read(capsule())).toEqual({ id: "c1" })
        request.end()
      },
    )
  }

  test("an exception in one call does not keep others that share the call from its response", async () => {
    watchProcess()
    const { pool, callerWith } = await startPool(() => ({ status: 404, body: { message: "none" } }))
    const waiting = [unwritable, silent, unwritable, silent].map((log) =>
      pool.forCaller(callerWith({ log })).read(capsule()),
    )
    for (const answer of await Promise.allSettled(waiting)) {
      expect(answer).toMatchObject({ status: "rejected", reason: { status: 404 } })
    }
  })

  test("an exception in one call does not block the queued calls behind it", async () => {
    watchProcess()
    const { pool, callerWith } = await startPool(() => ({ body: { id: "c1" } }))
    const answers = [undefined, uncountable(1), uncountable(1), undefined].map((cost, index) =>
      pool.forCaller(callerWith({ ...(cost && { cost }), tokenDigest: `caller ${index}` })).read(capsule(`c${index}`)),
    )
    const outcomes = await Promise.allSettled(answers)
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected", "fulfilled"])
  })

  test("an exception in one call in the circuit breaker does not keep the circuit open forever", async () => {
    watchProcess()
    const { pool, callerWith } = await startPool((count) => (count <= 4 ? { status: 503 } : { body: { id: "c1" } }), {
      breakerCalls: 2,
      retryPercent: 0,
      log: unwritable,
    })
    for (const id of ["c1", "c2", "c3"]) {
      await pool
        .forCaller(callerWith())
        .read(capsule(id))
        .catch(() => undefined)
    }
    await new Promise((resolve) => setImmediate(resolve))
    expect(pool.circuit).toBe("closed")
    expect(await pool.forCaller(callerWith()).read(capsule("c9"))).toEqual({ id: "c1" })
  })

  test("an exception in one call fails only the download whose URL or count is odd", async () => {
    watchProcess()
    const { pool, callerWith, upstream } = await startPool(() => ({ body: "text" }))
    const wanted = { maxBytes: 10 }
    for (const address of [
      "",
      "no address",
      "ftp://example.org/x",
      "http://a:b@example.org/",
      `${upstream.url}/\u{1f512}`,
    ]) {
      await pool
        .forCaller(callerWith())
        .download(address, wanted)
        .catch(() => undefined)
    }
    const request = pool.forCaller(callerWith({ cost: uncountable(1) }))
    const outcomes = await Promise.allSettled(
      Array.from({ length: 20 }, () => request.download(`${upstream.url}/file`, wanted)),
    )
    expect(new Set(outcomes.map(({ status }) => status))).toEqual(new Set(["rejected"]))
    const { bytes } = await pool.forCaller(callerWith()).download(`${upstream.url}/file`, wanted)
    expect(bytes?.toString()).toBe("text")
  })
})

describe("an exception while an object is polled", () => {
  const fine: Source<unknown> = {
    read: async () => ({ value: { id: "c1" }, stage: "running", isFinal: true }),
    retryAfterMs: () => undefined,
    slowestMs: 30_000,
  }
  const circular: Record<string, unknown> = {}
  circular.self = circular
  const reading = (value: unknown): Snapshot<unknown> => ({ value, stage: "running", isFinal: false })
  const kinds: [string, Partial<Source<unknown>>, Partial<Clock>][] = [
    ["a read that throws at once", { read: failing }, {}],
    ["a read that rejects", { read: () => Promise.reject(bug) }, {}],
    ["a read of nothing", { read: async () => undefined as never }, {}],
    ["a value that can't be written out", { read: async () => reading(circular) }, {}],
    ["a value of another kind than JSON", { read: async () => reading({ odd: 1n }) }, {}],
    ["a failure that can't be told to pass or not", { read: () => Promise.reject(bug), retryAfterMs: failing }, {}],
    ["a clock that throws", {}, { now: failing }],
    ["a wait that throws", { read: async () => reading({ id: "c1" }) }, { sleep: failing }],
    ["a wait that rejects", { read: async () => reading({ id: "c1" }) }, { sleep: () => Promise.reject(bug) }],
  ]
  test.each(kinds)(
    "an exception while an object is polled ends only that polling, with an error: %s",
    async (_what, source, time) => {
      watchProcess()
      const pollers = createPollers({ ...pushedTime(), ...time })
      onTestFinished(() => pollers.close())
      const heard: unknown[] = []
      for await (const update of pollers.watch("odd", { ...fine, ...source })) heard.push(update)
      expect(heard.at(-1)).toEqual({ error: expect.any(TypeError) })
      expect(pollers.counts).toMatchObject({ pollers: 0, listeners: 0 })
    },
  )

  test("an exception while an object is polled does not affect the polling of other objects", async () => {
    watchProcess()
    const pollers = createPollers(pushedTime())
    onTestFinished(() => pollers.close())
    for await (const _ of pollers.watch("odd", { ...fine, read: failing }));
    const heard: unknown[] = []
    for await (const update of pollers.watch("fine", fine)) heard.push(update)
    expect(heard).toEqual([{ value: { id: "c1" }, isFinal: true }])
  })
})

test("a task that throws fails for those who share it, and the next task starts", async () => {
  watchProcess()
  const tasks = createTasks(createMemoryStore())
  const odd = [tasks.run("ada", "key", "this", failing), tasks.run("ada", "key", "this", failing)]
  for (const outcome of odd) await expect(outcome).rejects.toBe(bug)
  expect(await tasks.run("ada", "key", "that", async () => "done")).toBe("done")
  expect(tasks.count).toBe(0)
})

describe("parts of tasks that run alone", () => {
  /** Begins tasks that have one such part each. It goes on until `finish` is called for it. */
  function startTasks(time = pushedTime()) {
    const tasks = createTasks(createMemoryStore(), time)
    const begun: string[] = []
    const finishers = new Map<string, () => void>()
    const run = (caller: string, wanted = "this") =>
      tasks.run(caller, "key", wanted, ({ alone }) =>
        alone(
          () =>
            new Promise<void>((resolve) => {
              const name = `${caller} ${wanted}`
              begun.push(name)
              finishers.set(name, resolve)
            }),
        ),
      )
    return { tasks, time, begun, run, finish: (name: string) => finishers.get(name)?.() }
  }

  test("a part waits for the parts of other callers with the same key, and no longer than 30 seconds", async () => {
    const { time, begun, run, finish } = startTasks()
    const first = run("ada")
    void run("grace")
    expect(await time.waits()).toEqual([30])
    await expect.poll(() => begun).toEqual(["ada this"])
    time.push(10)
    finish("ada this")
    await first
    await expect.poll(() => begun).toEqual(["ada this", "grace this"])
    // Her work hangs.
    void run("joan")
    expect(await time.waits()).toEqual([30])
    time.push(30)
    await expect.poll(() => begun).toEqual(["ada this", "grace this", "joan this"])
  })

  test("a part waits for the earlier parts of its own caller, however long they take", async () => {
    const { time, begun, run, finish, tasks } = startTasks()
    const first = run("ada", "this")
    const second = run("ada", "that")
    expect(await time.waits()).toEqual([30])
    await expect.poll(() => begun).toEqual(["ada this"])
    time.push(30)
    await time.waits(0)
    expect(begun).toEqual(["ada this"])
    finish("ada this")
    await first
    await expect.poll(() => begun).toEqual(["ada this", "ada that"])
    finish("ada that")
    await second
    expect(tasks.count).toBe(0)
  })

  test("a task that runs no part yet holds up no other, and all unfinished tasks are counted and drained", async () => {
    const { begun, run, finish, tasks } = startTasks()
    let end = () => {}
    const waiting = tasks.run("ada", "key", "that", () => new Promise<void>((resolve) => (end = resolve)))
    const second = run("ada")
    await expect.poll(() => begun).toEqual(["ada this"])
    finish("ada this")
    await second
    expect(tasks.count).toBe(1)
    expect(await tasks.drain(0)).toBe(false)
    end()
    await waiting
    expect(await tasks.drain(0)).toBe(true)
  })
})

test("the number of unfinished tasks is limited for each caller separately", async () => {
  watchProcess()
  const tasks = createTasks(createMemoryStore())
  let finish = () => {}
  const finished = new Promise<void>((resolve) => {
    finish = resolve
  })
  const begin = (caller: string, index: number) => tasks.run(caller, `key ${index % 10}`, `${index}`, () => finished)
  const begun = Array.from({ length: 1_000 }, (_, index) => begin("ada", index))
  await expect(begin("ada", 1_000)).rejects.toMatchObject({ extensions: { code: "RATE_LIMITED" } })
  const other = begin("grace", 0)
  finish()
  await Promise.all([...begun, other])
  await begin("ada", 1_001)
  expect(tasks.count).toBe(0)
})

test("objects without listeners do not fill the memory, however many clients subscribe and leave", async () => {
  watchProcess()
  const pollers = createPollers(pushedTime())
  onTestFinished(() => pollers.close())
  const source: Source<unknown> = {
    read: async () => ({ value: { id: "c1" }, stage: "running", isFinal: false }),
    retryAfterMs: () => undefined,
    slowestMs: 30_000,
  }
  const stays = pollers.watch("stays", source)
  await stays.next()
  for (let index = 0; index < 25_000; index++) {
    const followed = pollers.watch(`object ${index}`, source)
    await followed.next()
    await followed.return?.()
  }
  expect(pollers.counts).toMatchObject({ pollers: 1, listeners: 1 })
  expect(pollers.counts.coolingDown).toBeLessThanOrEqual(10_000)
})

test("a call with very many waiters is retried for all of them, and settles them all", async () => {
  watchProcess()
  let sent = 0
  class FailingOnce extends Flight {
    protected override attempt() {
      sent += 1
      const status = sent === 1 ? 503 : 200
      setImmediate(() => this.onResponse({ status, headers: {}, body: new ResponseBody(), isCut: false }))
    }
    protected override cancelAttempt() {
      return false
    }
  }
  const flight = new FailingOnce(new RetryBudget(20))
  const statuses = Array.from({ length: 200_000 }, () => {
    return new Promise<number | undefined>((settled) => {
      const waiter: Waiter = {
        flightLink: new Link<Waiter>({} as Waiter),
        deadline: performance.now() + 60_000,
        retries: true,
        onSent() {},
        onData() {},
        settle: ({ response }) => settled(response?.status),
      }
      flight.join(Object.assign(waiter, { flightLink: new Link(waiter) }))
    })
  })
  expect(new Set(await Promise.all(statuses))).toEqual(new Set([200]))
  expect(sent).toBe(2)
})

test("a call that is over refers to its response no longer", async () => {
  const upstream = await startFaultyUpstream(() => ({ body: { id: "c1" } }))
  const pool = new Pool(upstream.url)
  onTestFinished(() => pool.destroy())
  const probe = () => Promise.reject(bug)
  const route = {
    connections: new Connections(1, () => pool),
    semaphore: new FairSemaphore(1, 1),
    breaker: createBreaker({ calls: 20, probe, log: silent }),
    budget: new RetryBudget(20),
    timeoutMs: 5_000,
    metrics: undefined,
  }
  const call = { method: "GET", path: "/c1", template: "c1" } as const
  const request = { ...call, headers: [], body: undefined, blocking: false } satisfies HttpRequest
  const flight = new ApiFlight(route, { tokenDigest: "ada", key: "ada" }, request, request.path, performance.now())
  const body = await new Promise<WeakRef<ResponseBody> | undefined>((settled) => {
    const waiter: Waiter = {
      flightLink: new Link<Waiter>({} as Waiter),
      deadline: performance.now() + 60_000,
      retries: true,
      onSent() {},
      onData() {},
      settle: ({ response }) => settled(response && new WeakRef(response.body)),
    }
    flight.join(Object.assign(waiter, { flightLink: new Link(waiter) }))
  })
  expect(body).toBeDefined()
  await expect
    .poll(() => {
      collectGarbage()
      return body?.deref() === undefined
    })
    .toBe(true)
  expect(flight.attempts).toBe(1)
})

describe("a Retry-After beyond what a timer can wait", () => {
  const huge = [
    "99999999999",
    "9".repeat(400),
    "2147484",
    "-1",
    "1e99",
    "Infinity",
    "NaN",
    "Fri, 31 Dec 9999 23:59:59 GMT",
    "+275760-09-13",
  ]

  test.each(huge)("a Retry-After beyond what a timer can wait is a finite time of at most a day: %s", (header) => {
    const ms = parseRetryAfterMs(header)
    expect(ms === undefined || (ms >= 0 && ms <= 86_400_000)).toBe(true)
  })

  test("a Retry-After beyond what a timer can wait does not cause an immediate retry, however long the deadline is", async () => {
    const upstream = await startFaultyUpstream(() => ({ status: 429, headers: { "retry-after": "99999999999" } }))
    const { ask } = startGatewayOn(upstream.url, { config: { requestDeadlineMs: 3_600_000 } })
    const { errors } = await ask(`{ capsule(id: "c1") { name } }`)
    expect(errors).toMatchObject([{ extensions: { code: "RATE_LIMITED", retryAfterSeconds: 86_400 } }])
    expect(upstream.requests).toHaveLength(1)
  })
})
