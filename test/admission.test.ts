import { once } from "node:events"
import { Agent, request } from "node:http"
import { createConnection } from "node:net"
import { json } from "node:stream/consumers"
import { describe, expect, onTestFinished, test, vi } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { createAdmission } from "../src/http/admission.ts"
import { createIdentifyClient } from "../src/http/clientIdentity.ts"
import { createMemoryPressure } from "../src/http/memoryPressure.ts"
import { startGateway } from "./support/gateway.ts"
import { follow } from "./support/live.ts"
import { stopTime } from "./support/time.ts"

const capsule = `{ capsule(id: "${seed.cellCounter}") { name } }`

interface Answer {
  status: number
  headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: answers have any shape.
  body: any
}

/** Sends operations over sockets, as Ada unless other headers are given. */
function askerAt(url: string) {
  return async (query: string, headers: Record<string, string> = {}): Promise<Answer> => {
    const response = await fetch(`${url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${tokens.ada}`, ...headers },
      body: JSON.stringify({ query }),
    })
    return { status: response.status, headers: response.headers, body: await response.json() }
  }
}

const codeOf = ({ body }: Answer): string | undefined => body.errors?.[0].extensions.code

/** Sends requests until a response has this status. */
async function until(status: number, ask: () => Promise<Answer>): Promise<Answer> {
  for (;;) {
    const answer = await ask()
    if (answer.status === status) return answer
  }
}

describe("the limits of one caller", () => {
  test("a caller who sends faster than the limit is rejected with a Retry-After, without a call to Code Ocean", async () => {
    const { gateway, sandbox } = await startGateway({ config: { callerRequestsPerSecond: 1 } })
    const ask = askerAt(await gateway.listen())
    const refused = await until(429, () => ask(capsule))
    const sent = sandbox.requests.length
    expect(sent).toBeGreaterThanOrEqual(10)
    expect(codeOf(refused)).toBe("RATE_LIMITED")
    expect(refused.body.errors[0].message).toBe(
      "You have sent 10 requests at a higher rate than 1 a second, the limit for one caller. Try again in 1 s.",
    )
    expect(refused.headers.get("retry-after")).toBe(String(refused.body.errors[0].extensions.retryAfterSeconds))
    expect(refused.headers.get("x-request-id")).toBe(refused.body.errors[0].extensions.requestId)
    expect(refused.headers.get("cache-control")).toBe("private, no-store")
    expect((await until(429, () => ask(capsule))).body.data).toBeUndefined()
  })

  test("a caller is a token, however it is sent, and other tokens have limits of their own", async () => {
    const { gateway } = await startGateway({ config: { callerRequestsPerSecond: 1 } })
    const ask = askerAt(await gateway.listen())
    await until(429, () => ask(capsule))
    const asBasic = await until(429, () => ask(capsule, { authorization: `Basic ${btoa(`${tokens.ada}:`)}` }))
    expect(codeOf(asBasic)).toBe("RATE_LIMITED")
    expect((await ask(capsule, { authorization: `Bearer ${tokens.grace}` })).status).toBe(200)
  })

  test("callers who share a connection, as behind a proxy, have limits of their own", async () => {
    // Ada's limit would allow another request after a second.
    stopTime()
    const { gateway } = await startGateway({ config: { callerRequestsPerSecond: 1 } })
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    onTestFinished(() => agent.destroy())
    const url = `${await gateway.listen()}/graphql`
    const sockets = new Set<unknown>()
    const ask = async (authorization?: string): Promise<Answer> => {
      const headers = { "content-type": "application/json", ...(authorization && { authorization }) }
      const sent = request(url, { method: "POST", agent, headers }).end(JSON.stringify({ query: capsule }))
      const [response] = await once(sent, "response")
      sockets.add(sent.socket)
      return { status: response.statusCode, headers: response.headers, body: await json(response) }
    }
    const [ada, grace] = [`Bearer ${tokens.ada}`, `Bearer ${tokens.grace}`]
    await until(429, () => ask(ada))
    expect(codeOf(await ask())).toBe("UNAUTHENTICATED")
    expect((await ask(grace)).body.data.capsule).not.toBeNull()
    expect((await ask(ada)).status).toBe(429)
    expect(codeOf(await ask(`${grace}:`))).toBe("UNAUTHENTICATED")
    expect((await ask(grace)).body.data.capsule).not.toBeNull()
    expect(sockets.size).toBe(1)
  })

  test("a rejected caller is admitted again after the seconds of Retry-After, and not before", () => {
    let now = 0
    const limits = { callerConcurrentRequests: 0, callerSubscriptions: 0, concurrentRequests: 0, eventLoopLagMs: 0 }
    const admission = createAdmission({ ...limits, callerRequestsPerSecond: 2 }, () => now)
    const admit = () => admission.admit("ada")
    for (let times = 0; times < 20; times++) expect(admit().ticket).toBeDefined()
    expect(admit().rejection?.retryAfterSeconds).toBe(1)
    now = 499
    expect(admit().ticket).toBeUndefined()
    now = 500
    expect(admit().ticket).toBeDefined()
    expect(admit().ticket).toBeUndefined()
    now = 1_000_000
    for (let times = 0; times < 20; times++) expect(admit().ticket).toBeDefined()
    expect(admit().ticket).toBeUndefined()
  })

  test("the limit of concurrent requests of a caller counts a request until it is answered or its client has left", async () => {
    const { gateway, sandbox } = await startGateway({ config: { callerConcurrentRequests: 2 } })
    const url = await gateway.listen()
    const ask = askerAt(url)
    const hold = sandbox.hold()
    const leaving = new AbortController()
    const first = ask(capsule)
    const second = fetch(`${url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${tokens.ada}` },
      body: JSON.stringify({ query: `{ capsule(id: "${seed.spikeSorting}") { name } }` }),
      signal: leaving.signal,
    })
    await hold.waitFor(2)
    const refused = await ask(capsule)
    expect(refused.status).toBe(429)
    expect(refused.body.errors[0].message).toContain("You have 2 requests in flight")
    expect(sandbox.requests).toHaveLength(2)
    expect((await ask("{ __typename }", { authorization: `Bearer ${tokens.grace}` })).status).toBe(200)

    leaving.abort()
    await expect(second).rejects.toThrow()
    await until(200, () => ask("{ __typename }"))
    hold.end()
    expect((await first).status).toBe(200)
    await expect.poll(() => gateway.stats).toMatchObject({ requests: 0, openResponses: 0 })
  })

  test("the limit of subscriptions of a caller is apart from that of requests", async () => {
    const { gateway } = await startGateway({ config: { callerSubscriptions: 2, callerConcurrentRequests: 1 } })
    const url = await gateway.listen()
    const subscription = `subscription { computation(id: "${seed.runningAlignment}") { state } }`
    const held = [await follow(url, subscription), await follow(url, subscription)]
    for (const one of held) expect((await one.next())?.data).toBeDefined()
    const refused = await follow(url, subscription)
    expect(refused.response.statusCode).toBe(429)
    expect(refused.response.headers["retry-after"]).toBe("1")
    expect((await refused.next())?.errors?.[0]).toMatchObject({
      message: expect.stringContaining("You have 2 open subscriptions"),
      extensions: { code: "RATE_LIMITED", retryAfterSeconds: 1 },
    })
    expect((await askerAt(url)(capsule)).status).toBe(200)
    held[0]?.leave()
    await expect.poll(() => gateway.stats.subscriptions).toBe(1)
    const again = await follow(url, subscription)
    expect((await again.next())?.data).toBeDefined()
  })

  test("a caller over the limit is rejected before the body has arrived", async () => {
    const { gateway, sandbox } = await startGateway({ config: { callerConcurrentRequests: 1 } })
    const url = await gateway.listen()
    const hold = sandbox.hold()
    const first = askerAt(url)(capsule)
    await hold.waitFor(1)
    const socket = createConnection(Number(new URL(url).port), "127.0.0.1")
    onTestFinished(() => void socket.destroy())
    socket.write(
      `POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${tokens.ada}\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n`,
    )
    const [head] = await once(socket, "data")
    expect(String(head)).toMatch(/^HTTP\/1.1 429 Too Many Requests\r\n/)
    hold.end()
    await first
  })

  test("limits of a caller that are 0 set no limit", async () => {
    const { gateway } = await startGateway({
      config: {
        callerRequestsPerSecond: 0,
        callerConcurrentRequests: 0,
        callerSubscriptions: 0,
        concurrentRequests: 0,
        eventLoopLagMs: 0,
        connections: 0,
      },
    })
    const ask = askerAt(await gateway.listen())
    const answers = await Promise.all(Array.from({ length: 50 }, () => ask("{ __typename }")))
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
  })
})

describe("callers without a token", () => {
  const config = { callerRequestsPerSecond: 1, codeoceanToken: tokens.ada }
  const anonymously = (url: string, forwarded: string) => () =>
    fetch(`${url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-forwarded-for": forwarded },
      body: '{"query":"{ __typename }"}',
    }).then(async (response) => ({
      status: response.status,
      headers: response.headers,
      body: await response.json(),
    }))

  test("callers without a token are limited by their addresses, whatever they write into X-Forwarded-For", async () => {
    const { gateway } = await startGateway({ config })
    const url = await gateway.listen()
    let address = 0
    await until(429, () => anonymously(url, `10.0.0.${address++}`)())
    expect((await until(429, anonymously(url, "192.0.2.1"))).status).toBe(429)
    expect((await askerAt(url)("{ __typename }")).status).toBe(200)
  })

  test("callers without a token behind a trusted proxy are limited by the address that it added", async () => {
    const { gateway } = await startGateway({ config: { ...config, trustedProxies: 1 } })
    const url = await gateway.listen()
    let forged = 0
    await until(429, () => anonymously(url, `10.0.0.${forged++}, 192.0.2.1`)())
    expect((await anonymously(url, "192.0.2.1, 192.0.2.2")()).status).toBe(200)
  })

  test("the ports that a proxy adds to the addresses make no other callers", async () => {
    const { gateway } = await startGateway({ config: { ...config, trustedProxies: 1 } })
    const url = await gateway.listen()
    let port = 0
    await until(429, () => anonymously(url, `192.0.2.1:${port++}`)())
    expect((await until(429, anonymously(url, "192.0.2.1"))).status).toBe(429)
    await until(429, () => anonymously(url, `[2001:db8::1]:${port++}`)())
    expect((await anonymously(url, "192.0.2.2:1")()).status).toBe(200)
  })

  test("an IPv6 network counts as one address", async () => {
    const { gateway } = await startGateway({ config: { ...config, trustedProxies: 1 } })
    const url = await gateway.listen()
    let host = 0
    await until(429, () => anonymously(url, `2001:db8::${(host++).toString(16)}:1`)())
    expect((await until(429, anonymously(url, "2001:db8:0:0:ffff::"))).status).toBe(429)
    expect((await anonymously(url, "2001:db8:0:1::1")()).status).toBe(200)
  })

  test("a request with a malformed Authorization is limited by address, and never uses the gateway's token", async () => {
    const { gateway, sandbox } = await startGateway({ config })
    const url = await gateway.listen()
    let made = 0
    const ask = () => askerAt(url)(capsule, { authorization: `Bearer made:up${made++}` })
    expect(codeOf(await ask())).toBe("UNAUTHENTICATED")
    expect(codeOf(await until(429, ask))).toBe("RATE_LIMITED")
    expect(sandbox.requests).toHaveLength(0)
  })
})

test("the number of remembered callers is bounded, and callers with a request in flight or a recent one are kept", () => {
  const limits = {
    callerRequestsPerSecond: 1,
    callerConcurrentRequests: 1,
    callerSubscriptions: 0,
    concurrentRequests: 0,
    eventLoopLagMs: 0,
  }
  const admission = createAdmission(limits, () => 0)
  expect(admission.admit("busy").ticket).toBeDefined()
  const send = (name: string) => admission.admit(name).ticket?.release()
  for (let caller = 0; caller < 30_000; caller++) send(String(caller))
  for (let times = 0; times < 20; times++) send("hasty")
  for (let caller = 30_000; caller < 35_000; caller++) send(String(caller))
  const { callers, ...inFlight } = admission.stats
  expect(callers).toBeGreaterThan(5_000)
  expect(callers).toBeLessThanOrEqual(10_000)
  expect(inFlight).toEqual({ requests: 1, subscriptions: 0 })
  expect(admission.admit("busy").rejection?.message).toContain("in flight")
  expect(admission.admit("hasty").rejection?.message).toContain("higher rate")
})

describe("made-up tokens", () => {
  const limits = {
    callerRequestsPerSecond: 10,
    callerConcurrentRequests: 0,
    callerSubscriptions: 1,
    concurrentRequests: 0,
    eventLoopLagMs: 0,
  }

  function admissionAt(start: number) {
    const clock = { now: start }
    const admission = createAdmission(limits, () => clock.now)
    const send = (name: string) => {
      const { ticket, rejection } = admission.admit(name)
      ticket?.release()
      return rejection?.code ?? "in"
    }
    return { admission, clock, send }
  }

  test("made-up tokens give no caller a new limit, however many there are", () => {
    const { admission, clock, send } = admissionAt(0)
    for (let times = 0; times < 100; times++) expect(send("hasty")).toBe("in")
    expect(send("hasty")).toBe("RATE_LIMITED")
    for (let made = 0; made < 100_000; made++) {
      clock.now += 0.05
      send(`made up ${made}`)
    }
    // Five seconds have passed, of which each gives ten requests.
    const again = Array.from({ length: 100 }, () => send("hasty"))
    expect(again.filter((outcome) => outcome === "in").length).toBe(50)
    expect(admission.stats.callers).toBeLessThanOrEqual(10_000)
  })

  test("new callers share one limit when there is no room for more, and known callers keep theirs", () => {
    const { admission, clock, send } = admissionAt(0)
    expect(send("known")).toBe("in")
    for (let made = 0; made < 9_999; made++) for (let times = 0; times < 2; times++) send(`made up ${made}`)
    expect(admission.stats.callers).toBe(10_000)
    const newcomers = Array.from({ length: 1_000 }, (_, made) => send(`newcomer ${made}`))
    expect(newcomers.filter((outcome) => outcome === "in")).toHaveLength(100)
    expect(Array.from({ length: 99 }, () => send("known"))).toEqual(Array(99).fill("in"))
    clock.now += 11_000
    for (let made = 0; made < 1_000; made++) expect(send(`later ${made}`)).toBe("in")
    expect(admission.stats.callers).toBeLessThanOrEqual(10_000)
  })

  test("made-up tokens do not make the gateway forget a caller that holds a subscription", () => {
    const { admission, clock, send } = admissionAt(0)
    const { ticket } = admission.admit("following")
    expect(ticket?.subscribe()).toBeUndefined()
    for (let made = 0; made < 50_000; made++) {
      clock.now += 1_000
      expect(send(`made up ${made}`)).toBe("in")
    }
    expect(admission.admit("following").ticket?.subscribe()?.code).toBe("RATE_LIMITED")
  })
})

test("checking whether a request would be admitted costs its caller nothing, and stores no caller", () => {
  const limits = { callerConcurrentRequests: 0, callerSubscriptions: 0, concurrentRequests: 0, eventLoopLagMs: 0 }
  const admission = createAdmission({ ...limits, callerRequestsPerSecond: 1 }, () => 0)
  for (let times = 0; times < 100; times++) expect(admission.check("ada")).toBeUndefined()
  expect(admission.stats.callers).toBe(0)
  for (let times = 0; times < 10; times++) expect(admission.admit("ada").ticket).toBeDefined()
  expect(admission.check("ada")?.code).toBe("RATE_LIMITED")
})

test("a rejected body counts as a request of its caller", async () => {
  const { gateway } = await startGateway({ config: { callerRequestsPerSecond: 1 } })
  const ask = askerAt(await gateway.listen())
  const refused = await ask("{ __typename }", { "content-encoding": "lzma" })
  expect(refused.status).toBe(415)
  expect((await until(429, () => ask("{ __typename }", { "content-encoding": "lzma" }))).status).toBe(429)
})

describe("memory pressure", () => {
  test("while memory is short one request at a time is admitted, and others are rejected with a Retry-After", () => {
    const off = { callerRequestsPerSecond: 0, callerConcurrentRequests: 0, callerSubscriptions: 0 }
    const admission = createAdmission({ ...off, concurrentRequests: 0, eventLoopLagMs: 0 })
    const before = admission.admit("ada")
    admission.onEventLoopLag(0, "No memory.")
    expect(admission.overloadReason()).toBe("No memory.")
    expect(admission.admit("grace").rejection).toMatchObject({
      status: 503,
      code: "OVERLOADED",
      message: "No memory. Try again in 1 s.",
      retryAfterSeconds: 1,
    })
    before.ticket?.release()
    expect(admission.admit("grace").ticket).toBeDefined()
    expect(admission.admit("ada").ticket).toBeUndefined()
    admission.onEventLoopLag(0)
    expect(admission.overloadReason()).toBeUndefined()
    expect(admission.admit("ada").ticket).toBeDefined()
  })

  test("a heap that is full of garbage is not short of memory; one that stays full after a collection is, until there is clearly enough", () => {
    const pressure = createMemoryPressure(() => {})
    const shortAt = (heap: number) => pressure.evaluate({ heap, container: 0 }, 0) !== undefined
    expect(shortAt(0.95)).toBe(false)
    pressure.onCollected({ heap: 0.4, container: 0 }, 0)
    expect(shortAt(0.95)).toBe(false)
    pressure.onCollected({ heap: 0.86, container: 0 }, 0)
    expect([0.84, 0.86, 0.82, 0.81].map(shortAt)).toEqual([false, true, true, true])
    expect(pressure.evaluate({ heap: 0.81, container: 0 }, 0)).toMatch(/^The gateway uses 81 % of its memory/)
    expect([0.79, 0.84].map(shortAt)).toEqual([false, false])
  })

  test("the memory of the container counts like the heap", () => {
    const pressure = createMemoryPressure(() => {})
    const shortAt = (container: number) => pressure.evaluate({ heap: 0.1, container }, 0) !== undefined
    expect([0.84, 0.86, 0.81, 0.79].map(shortAt)).toEqual([false, true, true, false])
  })

  test("while memory is short garbage is collected, less and less often, because nothing else makes V8 do it", () => {
    let collections = 0
    const pressure = createMemoryPressure(() => {
      collections += 1
    })
    pressure.onCollected({ heap: 0.9, container: 0 }, 0)
    for (let at = 0; at <= 600_000; at += 100) pressure.evaluate({ heap: 0.9, container: 0 }, at)
    expect(collections).toBeGreaterThan(10)
    expect(collections).toBeLessThan(15)
  })
})

test("the identities of at most a thousand Authorization headers are cached, for a minute", () => {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  const identifyClient = createIdentifyClient()
  const tokenIn = (authorization: string) => identifyClient({ authorization }, () => "somewhere").token
  const token = tokenIn("Bearer ada")
  expect(token).toMatchObject({ value: "ada" })
  vi.advanceTimersByTime(59_000)
  expect(tokenIn("Bearer ada")).toBe(token)
  vi.advanceTimersByTime(1_000)
  const anew = tokenIn("Bearer ada")
  expect(anew).toEqual(token)
  expect(anew).not.toBe(token)
  for (let other = 0; other < 1_000; other++) tokenIn(`Bearer ${other}`)
  expect(tokenIn("Bearer 999")).toBe(tokenIn("Bearer 999"))
  expect(tokenIn("Bearer ada")).not.toBe(anew)
})

describe("overload of the whole gateway", () => {
  test("a gateway with too many requests in flight rejects others, says so in /ready, stays alive, and recovers", async () => {
    const { gateway, sandbox } = await startGateway({ config: { concurrentRequests: 3 } })
    const url = await gateway.listen()
    const ask = askerAt(url)
    const hold = sandbox.hold()
    const callers = [tokens.ada, tokens.grace, tokens.admin]
    const served = callers.map((token) => ask(capsule, { authorization: `Bearer ${token}` }))
    await hold.waitFor(3)
    const refused = await ask(capsule)
    expect(refused.status).toBe(503)
    expect(codeOf(refused)).toBe("OVERLOADED")
    expect(refused.headers.get("retry-after")).toBe("1")
    expect(refused.body.errors[0].message).toBe("The gateway is processing 3 requests, its limit. Try again in 1 s.")
    expect(sandbox.requests).toHaveLength(3)
    expect((await fetch(`${url}/health`)).status).toBe(200)
    const ready = await fetch(`${url}/ready`)
    expect(ready.status).toBe(503)
    expect((await ready.json()).problem).toContain("3 requests")
    hold.end()
    for (const answer of await Promise.all(served)) expect(answer.status).toBe(200)
    await until(200, () => ask(capsule))
    await expect.poll(async () => (await fetch(`${url}/ready`)).status).toBe(200)
  })

  test("a gateway whose event loop is late admits fewer requests at once, and more again as it catches up", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] })
    onTestFinished(() => void vi.useRealTimers())
    const { gateway, sandbox } = await startGateway({ config: { eventLoopLagMs: 200 } })
    const ask = askerAt(await gateway.listen())
    const hold = sandbox.hold()
    const inFlight = Array.from({ length: 40 }, (_, at) => ask(`{ searchCapsules(first: ${at + 1}) { nodes { id } } }`))
    await hold.waitFor(40)
    expect((await ask("{ __typename }")).status).toBe(200)
    const clock = performance.now.bind(performance)
    const late = vi.spyOn(performance, "now").mockImplementation(() => clock() + 1_000)
    onTestFinished(() => late.mockRestore())
    vi.advanceTimersByTime(100)
    const refused = await ask("{ __typename }")
    expect(codeOf(refused)).toBe("OVERLOADED")
    expect(refused.body.errors[0].message).toMatch(
      /^The gateway's event loop was \d+ ms late, more than 200 ms. Until it has caught up, at most \d\d requests are/,
    )
    vi.advanceTimersByTime(2_000)
    expect((await ask("{ __typename }")).status).toBe(200)
    hold.end()
    for (const answer of await Promise.all(inFlight)) expect(answer.status).toBe(200)
  })

  test("one caller cannot take all of what is admitted while the event loop is late", () => {
    const off = { callerRequestsPerSecond: 0, callerConcurrentRequests: 0, callerSubscriptions: 0 }
    const admission = createAdmission({ ...off, concurrentRequests: 1000, eventLoopLagMs: 500 })
    const admitted = (caller: string, times: number) =>
      Array.from({ length: times }, () => admission.admit(caller).ticket).filter((ticket) => ticket !== undefined)
    const heavy = admitted("heavy", 100)
    admission.onEventLoopLag(1_000)
    expect(admitted("heavy", 10)).toHaveLength(0)
    expect(admitted("light", 100)).toHaveLength(25)
    for (const ticket of heavy.slice(0, 60)) ticket.release()
    expect(admitted("heavy", 10)).toHaveLength(0)
    for (const ticket of heavy.slice(60)) ticket.release()
    expect(admitted("heavy", 100)).toHaveLength(25)
    expect(admitted("light", 10)).toHaveLength(0)
    expect(admitted("third", 100)).toHaveLength(17)
  })

  test("a few requests are admitted however late the event loop is, and half as many each time that it is late again", () => {
    const off = { callerRequestsPerSecond: 0, callerConcurrentRequests: 0, callerSubscriptions: 0 }
    const admission = createAdmission({ ...off, concurrentRequests: 100, eventLoopLagMs: 500 })
    const admitted = () => {
      const tickets = Array.from({ length: 200 }, () => admission.admit("ada").ticket).filter((ticket) => ticket)
      return { count: tickets.length, release: () => tickets.forEach((ticket) => void ticket?.release()) }
    }
    const counts: number[] = []
    for (const lagMs of [0, 501, 501, 501, 501, 501, 0, 0, 500]) {
      const { count, release } = admitted()
      counts.push(count)
      admission.onEventLoopLag(lagMs)
      release()
    }
    expect(counts).toEqual([100, 100, 50, 25, 13, 8, 8, 10, 13])
    for (let times = 0; times < 20; times++) admission.onEventLoopLag(0)
    expect(admitted().count).toBe(100)
  })
})

test("a page of an allowed origin can read a rejection, and a page of another origin cannot", async () => {
  const corsOrigins = ["https://portal.example.org"]
  const { gateway } = await startGateway({ config: { corsOrigins, callerRequestsPerSecond: 1 } })
  const ask = askerAt(await gateway.listen())
  const refused = await until(429, () => ask("{ __typename }", { origin: "https://portal.example.org" }))
  expect(refused.headers.get("access-control-allow-origin")).toBe("https://portal.example.org")
  expect(refused.headers.get("access-control-expose-headers")).toContain("Retry-After")
  const elsewhere = await until(429, () => ask("{ __typename }", { origin: "https://evil.example" }))
  expect(elsewhere.headers.get("access-control-allow-origin")).toBeNull()
})

test("a rejection has the media type that the client accepts", async () => {
  const { gateway } = await startGateway({ config: { callerRequestsPerSecond: 1 } })
  const ask = askerAt(await gateway.listen())
  const refused = await until(429, () => ask("{ __typename }", { accept: "application/graphql-response+json" }))
  expect(refused.headers.get("content-type")).toBe("application/graphql-response+json; charset=utf-8")
})

test("rejections are counted in one line of the log, however many there are", async () => {
  const { gateway, lines } = await startGateway({ config: { callerRequestsPerSecond: 1 } })
  const ask = askerAt(await gateway.listen())
  await until(429, () => ask("{ __typename }"))
  const answers = await Promise.all(Array.from({ length: 100 }, () => ask("{ __typename }")))
  const refused = answers.filter(({ status }) => status === 429).length
  expect(refused).toBeGreaterThan(50)
  await gateway.close()
  const counted = lines.filter(({ msg }) => msg === "requests rejected")
  expect(counted.reduce((sum, { codes }) => sum + (codes as Record<string, number>).RATE_LIMITED!, 0)).toBe(refused + 1)
  expect(counted[0]?.level).toBe("warn")
  expect(JSON.stringify(lines)).not.toContain(tokens.ada)
})
