import { describe, expect, test, vi } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import type { Config } from "../src/config/config.ts"
import { parseRetryAfterMs, RetryBudget } from "../src/upstream/retry.ts"
import { startFaultyUpstream, type UpstreamAnswer } from "./support/faultyUpstream.ts"
import { type Result, startGateway, startGatewayOn } from "./support/gateway.ts"
import { stopTime } from "./support/time.ts"

const name = (id = "c1") => `{ capsule(id: "${id}") { name } }`
const names = "query ($ids: [ID!]!) { capsules(ids: $ids) { name } }"
const ids = (count: number) => ({ ids: Array.from({ length: count }, (_, index) => `id-${index}`) })
const archive = `mutation { archiveCapsule(input: { id: "c1", archived: true }) { __typename } }`
const codes = ({ errors }: Result) => errors?.map(({ extensions }) => extensions.code)

type Manner = "reset" | "hang" | UpstreamAnswer

/**
 * An upstream that fails like this until `up()`, and a gateway whose circuit breaker can open after five calls. Time passes only
 * while a request waits.
 */
async function startDown(down: Manner, config: Partial<Config> = {}) {
  const time = stopTime()
  let manner: Manner | undefined = down
  const upstream = await startFaultyUpstream((_request, response) => {
    if (manner === "reset") response.socket!.resetAndDestroy()
    else if (manner !== "hang") return manner ?? { body: { id: "c1", name: "Back" } }
    return undefined
  })
  const world = startGatewayOn(upstream.url, { config: { upstreamBreakerCalls: 5, ...config } })
  const ask: typeof world.ask = (...all) => time.passDuring(world.ask(...all))
  const ready = async () => {
    const response = await time.passDuring(world.gateway.fetch("http://gateway/ready"))
    return { status: response.status, ...(await response.json()) }
  }
  const calls = () => upstream.requests.filter(({ path }) => path !== "/custom_metadata")
  const up = () => {
    manner = undefined
  }
  /** Sends operations until the circuit is open. */
  const open = async () => {
    await vi.waitFor(async () => {
      await ask(names, ids(5))
      expect((await ready()).circuit).toBe("open")
    })
  }
  const closed = () =>
    vi.waitFor(async () => {
      time.pass(100)
      expect((await ready()).circuit).toBe("closed")
    })
  return { ...world, ask, time, upstream, calls, ready, up, open, closed }
}

const outages: [string, Manner][] = [
  ["resets every connection", "reset"],
  ["never answers", "hang"],
  ["is behind a proxy that answers 502", { status: 502, body: "<html>Bad Gateway</html>" }],
  ["is behind a proxy that answers 503", { status: 503 }],
  ["is behind a proxy that answers 504", { status: 504 }],
]

describe("an outage of Code Ocean", () => {
  test.each(outages)(
    "while Code Ocean %s only probes are sent, and when it is back calls are sent again",
    async (_how, manner) => {
      const { ask, calls, up, open, closed } = await startDown(manner)
      await open()
      const sent = calls().length
      const { errors } = await ask(name())
      expect(errors).toMatchObject([
        {
          message: "Code Ocean is down. The gateway checks every second whether it is back.",
          extensions: {
            code: "UPSTREAM_UNAVAILABLE",
            retryAfterSeconds: 1,
            upstream: { endpoint: "GET /capsules/{id}" },
          },
        },
      ])
      expect(calls()).toHaveLength(sent)
      up()
      await closed()
      expect(await ask(name())).toEqual({ data: { capsule: { name: "Back" } } })
    },
  )

  test("while Code Ocean can't be reached only probes are sent", async () => {
    const { gateway, ask } = startGatewayOn("http://127.0.0.1:9", { config: { upstreamBreakerCalls: 5 } })
    await ask(names, ids(5))
    expect((await ask(name())).errors![0]!.message).toContain("is down")
    expect(await (await gateway.fetch("http://gateway/ready")).json()).toMatchObject({ circuit: "open" })
  })

  test("a write during an outage fails as one that had no effect", async () => {
    const { ask, calls, open } = await startDown("reset")
    await open()
    const sent = calls().length
    const { errors } = await ask(archive)
    expect(errors![0]!.extensions.code).toBe("UPSTREAM_UNAVAILABLE")
    expect(errors![0]!.extensions).not.toHaveProperty("outcomeUnknown")
    expect(errors![0]!.message).not.toContain("unknown whether")
    expect(calls()).toHaveLength(sent)
  })

  test("/ready reports an outage, and sends no probe of its own", async () => {
    const { ready, open, upstream } = await startDown("reset")
    await open()
    const sent = upstream.requests.length
    for (let times = 0; times < 20; times++) {
      expect(await ready()).toEqual({
        status: 503,
        ready: false,
        circuit: "open",
        problem: "Code Ocean does not respond.",
      })
    }
    // One probe may have been sent meanwhile.
    expect(upstream.requests.length).toBeLessThan(sent + 3)
  })

  test("an outage and its end are one line of the log each, and calls that were not sent are none", async () => {
    const { ask, lines, up, open, closed } = await startDown("reset")
    await open()
    const before = lines.length
    for (let times = 0; times < 10; times++) await ask(name())
    const since = lines.slice(before).filter(({ msg }) => msg !== "request")
    expect(since).toEqual([])
    up()
    await closed()
    const told = lines
      .map(({ level, msg }) => `${level}: ${msg}`)
      .filter((line) => !line.includes("call failed") && !line.includes("request"))
    expect(told).toEqual([
      "warn: Code Ocean is down: no calls are sent until it answers again",
      "info: Code Ocean answers again",
    ])
  })

  test("calls are still sent if UPSTREAM_BREAKER_CALLS is 0", async () => {
    const { ask, ready, calls } = await startDown("reset", { upstreamBreakerCalls: 0 })
    await ask(names, ids(10))
    const sent = calls().length
    await ask(name())
    expect(calls().length).toBeGreaterThan(sent)
    expect((await ready()).circuit).toBe("closed")
  })

  test("queued calls fail at once when an outage is noticed", async () => {
    const { ask, calls } = await startDown("hang", { upstreamConnections: 5 })
    const { data, errors } = await ask(names, ids(100))
    expect(data.capsules).toHaveLength(100)
    expect(errors).toHaveLength(100)
    expect(calls().length).toBeLessThan(50)
  })
})

describe("the closed circuit", () => {
  const answers: [string, Manner][] = [
    ...[400, 401, 403, 404, 409, 423, 429, 500].map((status): [string, Manner] => [`a ${status}`, { status }]),
    ["a page", { body: "<html></html>" }],
    ["a redirect", { status: 302, headers: { location: "/" } }],
  ]
  test.each(answers)("the circuit stays closed when every call is answered with %s", async (_what, answer) => {
    const { ask, ready, calls } = await startDown(answer, { upstreamRetryPercent: 0 })
    await ask(names, ids(20))
    expect(calls()).toHaveLength(20)
    await ask(name())
    expect(calls()).toHaveLength(21)
    expect((await ready()).circuit).toBe("closed")
  })

  test("the circuit stays closed when clients hang up", async () => {
    const { gateway, ask, up, ready, calls } = await startDown("hang")
    const url = await gateway.listen()
    for (let times = 1; times <= 10; times++) {
      const leave = new AbortController()
      const left = fetch(`${url}/graphql`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${tokens.ada}` },
        body: JSON.stringify({ query: name(`c${times}`) }),
        signal: leave.signal,
      }).catch(() => "left")
      await vi.waitFor(() => expect(calls()).toHaveLength(times))
      leave.abort()
      expect(await left).toBe("left")
    }
    up()
    expect((await ask(name())).data.capsule.name).toBe("Back")
    expect((await ready()).circuit).toBe("closed")
  })

  test("the circuit stays closed when the storage of files is down", async () => {
    const { ask, sandbox, gateway } = await startGateway({ config: { upstreamBreakerCalls: 5 } })
    sandbox.failNext("GET /signed/*", { status: 503 }, 100)
    const text = `{ computation(id: "${seed.sortedRun}") { file(path: "output") { text } } }`
    for (let times = 0; times < 6; times++) expect((await ask(text)).errors).toHaveLength(1)
    expect(await (await gateway.fetch("http://gateway/ready")).json()).toMatchObject({ circuit: "closed" })
  })

  test("the circuit stays closed when less than half of the calls fail", async () => {
    const { ask, sandbox, gateway } = await startGateway({
      config: { upstreamBreakerCalls: 5, upstreamRetryPercent: 0 },
    })
    for (let times = 0; times < 10; times++) {
      sandbox.failNext("GET /capsules/*", { status: 503 }, 1)
      await ask(names, ids(3))
    }
    expect(sandbox.requests).toHaveLength(30)
    expect(await (await gateway.fetch("http://gateway/ready")).json()).toMatchObject({ circuit: "closed" })
  })
})

describe("the start of the gateway during an outage", () => {
  test.each(outages)(
    "a gateway that starts while Code Ocean %s is alive, not ready, and recovers by itself",
    async (_how, manner) => {
      const { gateway, ready, up, ask, time } = await startDown(manner)
      const url = await gateway.listen()
      expect((await fetch(`${url}/health`)).status).toBe(200)
      // A probe that hangs times out; otherwise /ready would never respond.
      expect((await ready()).status).toBe(503)
      up()
      time.pass(5_000)
      expect(await ready()).toEqual({ status: 200, ready: true, circuit: "closed" })
      expect((await ask(name())).data.capsule.name).toBe("Back")
    },
  )

  test("a probe whose response never ends times out", async () => {
    const upstream = await startFaultyUpstream((_request, response) => {
      response.writeHead(200, { "content-type": "application/json" })
      response.write(" ")
      return undefined
    })
    const { gateway } = startGatewayOn(upstream.url, { config: { upstreamTimeoutMs: 100 } })
    expect((await gateway.fetch("http://gateway/ready")).status).toBe(503)
  })
})

describe("retries", () => {
  test("retries have one budget, so that an outage does not multiply the load", async () => {
    const { ask, calls } = await startDown({ status: 503 }, { upstreamBreakerCalls: 0 })
    const answer = await ask(names, ids(400))
    expect(answer.errors).toHaveLength(400)
    expect(new Set(codes(answer))).toEqual(new Set(["UPSTREAM_UNAVAILABLE"]))
    // All were sent before the first retry. The budget starts with 50 retries, and gains one each second.
    expect(calls().length).toBeGreaterThanOrEqual(400 + 50)
    expect(calls().length).toBeLessThan(400 + 50 + 20)
  })

  test("a read whose retry exceeds the budget fails at once", async () => {
    const { ask, calls } = await startDown(
      { status: 429, headers: { "retry-after": "1" } },
      { upstreamRetryPercent: 0 },
    )
    expect((await ask(name())).errors).toMatchObject([{ extensions: { code: "RATE_LIMITED", retryAfterSeconds: 1 } }])
    expect(calls()).toHaveLength(1)
  })

  test("retries withdraw one token each; calls and seconds deposit tokens, up to fifty", () => {
    let now = 0
    const budget = new RetryBudget(20, () => now)
    const left = () => {
      let spent = 0
      while (budget.tryWithdraw()) spent += 1
      return spent
    }
    expect(left()).toBe(50)
    for (let calls = 0; calls < 101; calls++) budget.deposit()
    expect(left()).toBe(20)
    now += 7_500
    expect(left()).toBe(7)
    now += 3_600_000
    expect(left()).toBe(50)
    for (let calls = 0; calls < 1000; calls++) budget.deposit()
    expect(left()).toBe(50)
  })
})

describe("an absurd Retry-After", () => {
  const day = 86_400
  const absurd: [string, string][] = [
    ["the moment in place of the seconds", "1893456000"],
    ["more seconds than a number holds", "9".repeat(400)],
    ["a date far away", "Fri, 31 Dec 9999 23:59:59 GMT"],
  ]
  test.each(absurd)(
    "an absurd Retry-After (%s) ends the read at once, and is reported as a day",
    async (_what, header) => {
      const { ask, calls } = await startDown({ status: 429, headers: { "retry-after": header } })
      expect((await ask(name())).errors).toMatchObject([
        { extensions: { code: "RATE_LIMITED", retryAfterSeconds: day } },
      ])
      expect(calls()).toHaveLength(1)
    },
  )

  test.each(["-1", "1.5", "1e3", "1e9", "3600s", "-", "soon", "", "NaN", "0x10", "Wed, 99 Oct 2015"])(
    "a Retry-After of %j counts as none",
    (header) => {
      expect(parseRetryAfterMs(header) ?? 0).toBe(0)
    },
  )
})
