import { request } from "node:http"
import { describe, expect, test } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { setCookie } from "../src/http/session/cookie.ts"
import { createSeal, maxSealedLength, newSessionId } from "../src/http/session/seal.ts"
import { PrometheusMetrics } from "../src/telemetry/prometheus.ts"
import { startGateway, startGatewayOn } from "./support/gateway.ts"
import { follow, pushedTime, untilLive } from "./support/live.ts"
import { samplesIn } from "./support/metrics.ts"
import {
  type Answer,
  olderSecret,
  openBrowser,
  ownPage,
  secret,
  send,
  startClock,
  startWithSession,
  tokenOf,
} from "./support/sessions.ts"

const query = "{ searchCapsules(first: 1) { nodes { id } } }"
const signInRead = "POST /capsules/search"

const codeOf = ({ body }: Answer) => body.errors?.[0].extensions.code

describe("signing in", () => {
  test("a token that Code Ocean knows becomes a cookie that no script can read, with the least rights", async () => {
    const { clock, sandbox, open, gateway } = await startWithSession()
    const tab = open()
    sandbox.requests.length = 0
    const answer = await tab.post(tokens.grace)
    expect(answer.status).toBe(201)
    expect(sandbox.requests.map(({ method, path }) => `${method} ${path}`)).toEqual(["POST /capsules/search"])
    expect(answer.headers["set-cookie"]).toEqual([
      expect.stringMatching(/^codeocean-session=[\w-]+; Path=\/; Max-Age=28800; HttpOnly; SameSite=Strict$/),
    ])
    expect(answer.headers).toMatchObject({ "cache-control": "private, no-store", "x-content-type-options": "nosniff" })
    expect(answer.headers.vary).toMatch(/Cookie, X-Session/)
    expect(answer.text).not.toContain(tokens.grace)
    const hour = (hours: number) => new Date(clock.at + hours * 3_600_000).toISOString()
    const session = { startedAt: hour(0), expiresAt: hour(8), endsAt: hour(24), codeoceanUrl: `${sandbox.url}/` }
    expect(answer.body.session).toEqual({ id: expect.stringMatching(/^[\w-]{22}$/), ...session })
    expect((await tab.get()).body).toEqual(answer.body)
    expect(Buffer.from(tab.cookie?.split("=")[1] ?? "", "base64url").toString("latin1")).not.toContain("cop_")
    expect((await fetch(`${await gateway.listen()}/session`)).headers.get("set-cookie")).toBeNull()
  })

  test("without SESSION_SECRETS there is no /session, and a cookie has no effect", async () => {
    const { tab } = await startWithSession()
    const { gateway } = await startGateway()
    const other = openBrowser(() => gateway.listen())
    other.cookie = tab.cookie
    expect((await other.post(tokens.ada)).status).toBe(404)
    expect(codeOf(await other.ask(query))).toBe("UNAUTHENTICATED")
  })

  test("tokens that are not accepted get the same answer, whatever is wrong with them", async () => {
    const { sandbox, open } = await startWithSession()
    const answers: Answer[] = []
    for (const token of ["cop_unknown", "cop_demo_ad", "", " ", "with spaces", "cöp", "x".repeat(1_025)]) {
      answers.push(await open().post(token))
    }
    sandbox.failNext(signInRead, { status: 401, body: { message: "token expired" } })
    sandbox.failNext("POST /data_assets/search", { status: 401, body: { message: "token expired" } })
    answers.push(await open().post(tokens.grace))
    const seen = answers.map(({ status, body: { errors }, headers }) => {
      const { date: _, "x-request-id": id, "content-length": length, ...others } = headers
      expect(errors[0].extensions.requestId).toBe(id)
      return JSON.stringify([status, errors[0].message, errors[0].extensions.code, length, others])
    })
    expect(new Set(seen).size).toBe(1)
    expect(answers[0]?.status).toBe(401)
    expect(answers[0]?.headers["set-cookie"]).toBeUndefined()
  })

  test.each(["readOnly", "noDatasets", "noCapsules"] as const)("the token %s can sign in", async (name) => {
    const { open } = await startWithSession()
    expect((await open().post(tokens[name])).status).toBe(201)
  })

  test("a token that lacks the scope of the first read is found by the second, if Code Ocean does not say why", async () => {
    const { sandbox, open } = await startWithSession()
    sandbox.requests.length = 0
    sandbox.failNext(signInRead, { status: 401, body: { message: "unauthorized" } })
    expect((await open().post(tokens.noCapsules)).status).toBe(201)
    expect(sandbox.requests.map(({ path }) => path)).toEqual(["/capsules/search", "/data_assets/search"])
  })

  test.each([500, 502, 503, 429])("if Code Ocean answers %d, the token is not called wrong", async (status) => {
    const { sandbox, open } = await startWithSession({ config: { upstreamRetryPercent: 0, requestDeadlineMs: 100 } })
    sandbox.failNext(signInRead, { status, headers: { "retry-after": "7" } }, 99)
    const answer = await open().post(tokens.ada)
    expect(answer.status).toBe(503)
    expect(answer.headers["retry-after"]).toBe("7")
    expect(answer.headers["set-cookie"]).toBeUndefined()
  })

  test.each([
    ["no body", undefined],
    ["no JSON", "{"],
    ["no object", "null"],
    ["a number", '{"token":1}'],
    ["no token", "{}"],
  ])("%s is rejected with 400", async (_, body) => {
    const { gateway } = await startWithSession()
    const headers = { ...ownPage, "content-type": "application/json" }
    const answer = await send(`${await gateway.listen()}/session`, { method: "POST", headers, ...(body && { body }) })
    expect([answer.status, codeOf(answer)]).toEqual([400, "BAD_USER_INPUT"])
  })

  test("a form, a compressed body and a long one are rejected without a call", async () => {
    const { open, sandbox } = await startWithSession()
    sandbox.requests.length = 0
    expect((await open().post(tokens.ada, { "content-type": "text/plain" })).status).toBe(415)
    expect((await open().post(tokens.ada, { "content-encoding": "gzip" })).status).toBe(415)
    expect((await open().post("x".repeat(9_000))).status).toBe(413)
    expect((await open().post("x".repeat(2_000_000))).status).toBe(413)
    expect(sandbox.requests).toEqual([])
  })

  test("one address may try ten times at once, whatever its tokens, and others are not affected", async () => {
    const { gateway } = await startWithSession({ config: { trustedProxies: 1 }, clientTimeouts: { idleGraceMs: 0 } })
    const from = (address: string) =>
      openBrowser(() => gateway.listen(), { ...ownPage, "x-forwarded-for": address, origin: "https://a.example" })
    const attempts = Array.from({ length: 30 }, (_, at) => from("10.0.0.1").post(`cop_${at}`))
    const answers = await Promise.all(attempts)
    const rejected = answers.filter(({ status }) => status === 429)
    expect(answers.length - rejected.length).toBeGreaterThanOrEqual(10)
    expect(rejected.length).toBeGreaterThan(0)
    expect(rejected[0]?.headers["retry-after"]).toBe("1")
    expect((await from("10.0.0.2").post(tokens.ada)).status).toBe(201)
  })
})

describe("a request with a session", () => {
  test("counts as one with the token, in POST and GET, and Code Ocean never sees the cookie", async () => {
    const { tab, sandbox, gateway, userOf } = await startWithSession()
    expect(await userOf(tab)).toBe(tokens.ada)
    sandbox.requests.length = 0
    const headers = { ...ownPage, cookie: tab.cookie ?? "" }
    const answer = await send(`${await gateway.listen()}/graphql?query=${encodeURIComponent(query)}`, { headers })
    expect(answer.body.errors).toBeUndefined()
    expect(tokenOf(sandbox.requests[0]?.headers.authorization)).toBe(tokens.ada)
    expect(sandbox.requests[0]?.headers).not.toHaveProperty("cookie")
    expect(sandbox.requests[0]?.headers).not.toHaveProperty("x-session")
  })

  test("is extended by its responses, at most once a minute, on the fast path and by Yoga", async () => {
    for (const fastPath of [true, false]) {
      const { tab, clock, userOf } = await startWithSession({ fastPath })
      clock.passHours(1)
      const renewed = await tab.ask(query)
      expect(renewed.body.errors).toBeUndefined()
      expect(renewed.headers["set-cookie"]).toEqual([
        expect.stringMatching(/^codeocean-session=[\w-]+; .*Max-Age=28800/),
      ])
      expect(renewed.headers["cache-control"]).toBe("private, no-store")
      expect((await tab.ask(query)).headers["set-cookie"]).toBeUndefined()
      expect(await userOf(tab)).toBe(tokens.ada)
    }
  })

  test("a bearer token wins over the cookie, even if it is wrong", async () => {
    const { tab, userOf } = await startWithSession()
    expect(await userOf(tab, { authorization: "Bearer cop_wrong" })).toBe("UNAUTHENTICATED")
    expect(await userOf(tab, { authorization: `Bearer ${tokens.grace}` })).toBe(tokens.grace)
  })

  test("a request that asks for a session and has none does not get the gateway's own token", async () => {
    const { tab, open, userOf } = await startWithSession({ config: { codeoceanToken: tokens.admin } })
    expect(await userOf(tab)).toBe(tokens.ada)
    expect(await userOf(open())).toBe("UNAUTHENTICATED")
    expect(await userOf(open({}))).toBe(tokens.admin)
  })

  test("a caller is the same for all limits, with a session or with the token", async () => {
    const { tab, gateway, ask } = await startWithSession()
    await tab.ask(query)
    const { callers } = gateway.stats
    await ask(query)
    expect(gateway.stats.callers).toBe(callers)
    await ask(query, {}, { authorization: `Bearer ${tokens.grace}` })
    expect(gateway.stats.callers).toBe(callers + 1)
  })

  test("a client that leaves while the store is asked is not counted any longer", async () => {
    const { tab, gateway } = await startWithSession()
    const headers = { ...ownPage, cookie: tab.cookie ?? "", "content-type": "application/json" }
    const leaving = request(`${await gateway.listen()}/graphql`, { method: "POST", headers, agent: false })
    leaving.on("error", () => undefined)
    leaving.end(JSON.stringify({ query }), () => leaving.destroy())
    await new Promise((resolve) => leaving.once("close", resolve))
    await tab.ask(query)
    await expect.poll(() => gateway.stats.requests).toBe(0)
  })
})

describe("subscriptions", () => {
  const state = `subscription { computation(id: "${seed.queuedSorting}") { state } }`

  async function startFollowing() {
    const time = pushedTime()
    const world = await startWithSession({ clock: time, clientTimeouts: { checkIntervalMs: 20 } })
    const url = await world.gateway.listen()
    const run = await follow(url, state, { ...ownPage, cookie: world.tab.cookie ?? "" })
    expect((await run.next())?.data.computation.state).toBe("INITIALIZING")
    return { ...world, run }
  }

  test("run with a session, and end when the user signs out in another tab", async () => {
    const { run, tab, gateway } = await startFollowing()
    expect(gateway.stats.subscriptions).toBe(1)
    expect((await tab.delete()).status).toBe(204)
    await run.rest().catch(() => undefined)
    await untilLive(gateway, { subscriptions: 0, listeners: 0 })
  })

  test("end with the absolute end of their session", async () => {
    const { run, clock, gateway } = await startFollowing()
    clock.passHours(23)
    await run.ping()
    expect(gateway.stats.subscriptions).toBe(1)
    clock.passHours(1)
    await run.rest().catch(() => undefined)
    await untilLive(gateway, { subscriptions: 0, listeners: 0 })
  })
})

describe("cross-site request forgery", () => {
  const site = "sec-fetch-site"
  const attacks: [title: string, headers: Record<string, string>][] = [
    ["without the header X-Session", { [site]: "same-origin" }],
    ["with an unknown value of X-Session", { ...ownPage, "x-session": "yes" }],
    ["from another site", { ...ownPage, [site]: "cross-site" }],
    ["from another host of the same site", { ...ownPage, [site]: "same-site" }],
    ["of which the browser says that no page has sent it", { ...ownPage, [site]: "none" }],
    ["with two values of Sec-Fetch-Site", { ...ownPage, [site]: "same-origin, cross-site" }],
    ["from another origin in an old browser", { "x-session": "1", origin: "https://evil.example" }],
    ["from a page without an origin in an old browser", { "x-session": "1", origin: "null" }],
    ["of which nothing shows its origin", { "x-session": "1" }],
  ]

  test.each(attacks)("a request %s has no session, and can neither begin nor end one", async (_, headers) => {
    const { tab, open, userOf } = await startWithSession()
    const forged = open(headers)
    forged.cookie = tab.cookie
    expect(await userOf(forged)).toBe("UNAUTHENTICATED")
    expect((await forged.get()).body).toEqual({ session: null })
    const began = await forged.post(tokens.grace)
    const ended = await forged.delete()
    if (headers["x-session"] !== "yes") expect([began.status, ended.status]).toEqual([403, 403])
    expect(await userOf(tab)).toBe(tokens.ada)
  })

  test("an old browser that sends only its origin can sign in and ask", async () => {
    const { open, gateway, userOf } = await startWithSession()
    const old = open({ "x-session": "1", origin: await gateway.listen() })
    expect((await old.post(tokens.grace)).status).toBe(201)
    expect(await userOf(old)).toBe(tokens.grace)
  })

  test("a page of an origin in CORS_ORIGINS can use tokens, but no session", async () => {
    const origin = "https://portal.example"
    const { tab, gateway, open, userOf } = await startWithSession({ config: { corsOrigins: [origin] } })
    const url = await gateway.listen()
    const asked = { origin, "access-control-request-method": "POST", "access-control-request-headers": "x-session" }
    const preflight = await send(`${url}/graphql`, { method: "OPTIONS", headers: asked })
    expect(preflight.headers["access-control-allow-headers"]?.toLowerCase()).not.toContain("x-session")
    expect(preflight.headers["access-control-allow-credentials"]).toBeUndefined()
    expect((await send(`${url}/session`, { method: "OPTIONS", headers: asked })).status).toBe(405)
    const page = open({ ...ownPage, origin, "sec-fetch-site": "cross-site" })
    page.cookie = tab.cookie
    expect(await userOf(page)).toBe("UNAUTHENTICATED")
    expect((await page.get()).headers["access-control-allow-origin"]).toBeUndefined()
  })
})

describe("TLS", () => {
  const proxied = { ...ownPage, host: "gateway.example", origin: "https://gateway.example" }
  const secureCookie = /^__Host-codeocean-session=[\w-]+; Path=\/; Max-Age=28800; HttpOnly; SameSite=Strict; Secure$/

  test("behind a proxy with TLS the cookie has the prefix __Host- and needs TLS", async () => {
    const { open, userOf } = await startWithSession({ config: { host: "0.0.0.0" } })
    const page = open(proxied)
    expect((await page.post(tokens.grace)).headers["set-cookie"]).toEqual([expect.stringMatching(secureCookie)])
    expect(await userOf(page)).toBe(tokens.grace)
    expect((await page.delete()).headers["set-cookie"]).toEqual([
      "__Host-codeocean-session=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict; Secure",
    ])
  })

  test("a page without TLS on the browser's own machine, such as of a forwarded port, gets the same cookie", async () => {
    const { open, userOf } = await startWithSession({ config: { host: "0.0.0.0" } })
    const page = open({ ...ownPage, host: "localhost:4000", origin: "http://localhost:4000" })
    expect((await page.post(tokens.grace)).headers["set-cookie"]).toEqual([expect.stringMatching(secureCookie)])
    expect(await userOf(page)).toBe(tokens.grace)
  })

  test("a page without TLS that is not on this machine cannot sign in, and its token is sent nowhere", async () => {
    const { open, sandbox } = await startWithSession({ config: { host: "0.0.0.0" } })
    sandbox.requests.length = 0
    const answer = await open({ ...proxied, origin: "http://gateway.example" }).post(tokens.grace)
    expect([answer.status, codeOf(answer)]).toEqual([403, "FORBIDDEN"])
    expect(sandbox.requests).toEqual([])
  })

  test.each([
    ["other machines can connect", { host: "0.0.0.0" }, {}],
    ["there is a proxy", { trustedProxies: 1, host: "127.0.0.1" }, {}],
    ["the page has TLS", {}, { origin: "https://localhost" }],
    ["the host is not this machine", {}, { host: "gateway.example" }],
  ])("the cookie without the prefix is neither given nor accepted if %s", async (_, config, headers) => {
    const { tab, gateway, open, userOf, sandbox } = await startWithSession()
    const local = await startGatewayOn(sandbox.url, {
      config: { ...config, sessionSecrets: [secret] },
    }).gateway.listen()
    const other = openBrowser(async () => local, { ...ownPage, ...headers })
    expect((await other.post(tokens.grace)).headers["set-cookie"]).toEqual([expect.stringMatching(secureCookie)])
    other.cookie = tab.cookie
    expect((await other.get()).body).toEqual({ session: null })
    // What was sealed for one name is not accepted under the other.
    const renamed = open()
    renamed.cookie = tab.cookie?.replace("codeocean", "__Host-codeocean")
    expect(await userOf(renamed)).toBe("UNAUTHENTICATED")
    expect(await gateway.listen()).not.toBe(local)
  })
})

describe("the end of a session", () => {
  test("without a request for eight hours it ends", async () => {
    const { tab, clock, userOf } = await startWithSession()
    clock.passHours(7.99)
    expect(await userOf(tab)).toBe(tokens.ada)
    clock.passHours(8)
    expect(await userOf(tab)).toBe("UNAUTHENTICATED")
    expect((await tab.get()).body).toEqual({ session: null })
  })

  test("with requests it ends after three times as long, and the cookie lives no longer", async () => {
    const { tab, clock, userOf } = await startWithSession()
    for (let hour = 7; hour < 24; hour += 7) {
      clock.passHours(7)
      expect(await userOf(tab)).toBe(tokens.ada)
    }
    clock.passHours(2.5)
    const last = await tab.get()
    expect(last.headers["set-cookie"]?.[0]).toContain("Max-Age=1800;")
    expect(last.body.session.expiresAt).toBe(last.body.session.endsAt)
    clock.passHours(0.5)
    expect(await userOf(tab)).toBe("UNAUTHENTICATED")
  })

  test("SESSION_HOURS sets both", async () => {
    const { tab, clock, userOf } = await startWithSession({ config: { sessionHours: 1 } })
    clock.passHours(0.99)
    expect(await userOf(tab)).toBe(tokens.ada)
    clock.passHours(1)
    expect(await userOf(tab)).toBe("UNAUTHENTICATED")
  })

  test("signing out removes the cookie, and a copy of it is denied", async () => {
    const { tab, open, userOf } = await startWithSession()
    const thief = open()
    thief.cookie = tab.cookie
    const answer = await tab.delete()
    expect(answer.status).toBe(204)
    expect(answer.headers["set-cookie"]).toEqual(["codeocean-session=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict"])
    expect(tab.cookie).toBeUndefined()
    expect(await userOf(thief)).toBe("UNAUTHENTICATED")
    expect((await thief.get()).body).toEqual({ session: null })
    expect((await thief.delete()).status).toBe(204)
  })

  test("a later cookie of the session is denied as well", async () => {
    const { tab, open, clock, userOf } = await startWithSession()
    const before = tab.cookie
    clock.passHours(1)
    const thief = open()
    thief.cookie = before
    await thief.get()
    expect(thief.cookie).not.toBe(before)
    await tab.delete()
    expect(await userOf(thief)).toBe("UNAUTHENTICATED")
  })

  test("without Redis, a copied cookie works in a process that does not know of the sign-out, until its end", async () => {
    const { tab, open, sandbox } = await startWithSession()
    const thief = open()
    thief.cookie = tab.cookie
    await tab.delete()
    const clock = startClock()
    const options = { now: () => clock.at, config: { sessionSecrets: [secret] } }
    const restarted = startGatewayOn(sandbox.url, options).gateway
    const again = openBrowser(() => restarted.listen())
    again.cookie = thief.cookie
    expect((await again.get()).body.session).not.toBeNull()
  })
})

describe("cookies that the gateway has not sealed so", () => {
  const name = "codeocean-session="

  test("a cookie with any changed, missing or added character has no effect", async () => {
    const { tab } = await startWithSession()
    const seal = createSeal([secret])
    const value = tab.cookie?.slice(name.length) ?? ""
    const purpose = "codeocean-session"
    expect(seal.open(value, purpose)).toMatchObject({ token: tokens.ada, isNewestKey: true })
    for (let at = 0; at < value.length; at++) {
      const changed = value[at] === "A" ? "B" : "A"
      expect(seal.open(value.slice(0, at) + changed + value.slice(at + 1), purpose), `changed ${at}`).toBeUndefined()
      expect(seal.open(value.slice(0, at), purpose), `truncated ${at}`).toBeUndefined()
      expect(seal.open(value.slice(0, at) + value.slice(at + 1), purpose), `without ${at}`).toBeUndefined()
    }
    for (const added of ["A", "=", " ", "."]) expect(seal.open(value + added, purpose)).toBeUndefined()
    expect(seal.open(value, "other")).toBeUndefined()
    expect(createSeal([olderSecret]).open(value, purpose)).toBeUndefined()
  })

  test.each([
    ["tampered", (value: string) => value.replace(/.$/, (last) => (last === "A" ? "Q" : "A"))],
    ["truncated", (value: string) => value.slice(0, -8)],
    ["empty", () => ""],
    ["oversized", (value: string) => value + "A".repeat(3_000)],
    ["quoted", (value: string) => `"${value}"`],
    ["not Base64url", () => "!".repeat(200)],
  ])("a %s cookie has no effect", async (_, change) => {
    const { tab, userOf } = await startWithSession()
    tab.cookie = name + change(tab.cookie?.slice(name.length) ?? "")
    expect(await userOf(tab)).toBe("UNAUTHENTICATED")
    expect((await tab.get()).body).toEqual({ session: null })
    expect((await tab.delete()).status).toBe(204)
  })

  test("the longest token fits into a cookie that browsers keep", () => {
    const seal = createSeal([secret])
    const session = { id: newSessionId(), token: "~".repeat(1_024), startedAt: 2 ** 32 - 1, sealedAt: 0 }
    const sealed = seal.seal(session, "a")
    expect(seal.open(sealed, "a")).toEqual({ ...session, isNewestKey: true })
    expect(sealed.length).toBeLessThanOrEqual(maxSealedLength)
    expect(setCookie("__Host-codeocean-session", sealed, 1e6).length).toBeLessThan(4_096)
    expect(seal.seal(session, "a")).not.toBe(sealed)
  })

  test("two cookies of the same name have no effect, in one header or in two", async () => {
    const { tab, open, userOf } = await startWithSession()
    const attacker = open()
    await attacker.post(tokens.grace)
    for (const cookie of [`${attacker.cookie}; ${tab.cookie}`, `${tab.cookie}; ${attacker.cookie}`]) {
      expect(await userOf(open({ ...ownPage, cookie }))).toBe("UNAUTHENTICATED")
    }
    const twice = [`${tab.cookie}`, `${attacker.cookie}`]
    expect(await userOf(open({ ...ownPage, cookie: twice }))).toBe("UNAUTHENTICATED")
  })

  test("cookies of other programs on this machine do not matter", async () => {
    const { tab, open, userOf } = await startWithSession()
    const cookie = `a; session=1; xcodeocean-session=2;${tab.cookie} ; codeocean-session2=3; =; b`
    expect(await userOf(open({ ...ownPage, cookie }))).toBe(tokens.ada)
  })

  test("an old secret opens, the first one seals anew at once, and a removed one opens nothing", async () => {
    const { tab, sandbox, clock } = await startWithSession({ config: { sessionSecrets: [olderSecret] } })
    const start = (...sessionSecrets: string[]) =>
      startGatewayOn(sandbox.url, { now: () => clock.at, config: { sessionSecrets } }).gateway
    const both = start(secret, olderSecret)
    const rotated = openBrowser(() => both.listen())
    rotated.cookie = tab.cookie
    const id = (await tab.get()).body.session.id
    expect((await rotated.get()).body.session.id).toBe(id)
    expect(rotated.cookie).not.toBe(tab.cookie)
    const newOnly = start(secret)
    const later = openBrowser(() => newOnly.listen())
    later.cookie = tab.cookie
    expect((await later.get()).body.session).toBeNull()
    later.cookie = rotated.cookie
    expect((await later.get()).body.session.id).toBe(id)
  })
})

describe("users and tabs", () => {
  test("two users in two browsers act as themselves, at the same time", async () => {
    const { tab, open, gateway, sandbox } = await startWithSession()
    const other = open()
    await other.post(tokens.grace)
    sandbox.requests.length = 0
    const hold = sandbox.hold()
    const answers = [tab, other, tab, other].map((one, at) => one.ask(query, { "x-request-id": `${at}` }))
    await hold.waitFor(2)
    hold.release()
    await Promise.all(answers)
    for (const { headers } of sandbox.requests) {
      const expected = Number(headers["x-request-id"]) % 2 === 0 ? tokens.ada : tokens.grace
      expect(tokenOf(headers.authorization)).toBe(expected)
    }
    expect(await gateway.listen()).toBeDefined()
  })

  test("a new sign-in makes a new session, and the one before is denied, whoever set its cookie", async () => {
    const { tab, open, userOf } = await startWithSession()
    const planted = tab.cookie
    const victim = open()
    victim.cookie = planted
    const before = (await victim.get()).body.session.id
    const after = (await victim.post(tokens.grace)).body.session.id
    expect(after).not.toBe(before)
    expect(victim.cookie).not.toBe(planted)
    expect(await userOf(victim)).toBe(tokens.grace)
    expect(await userOf(tab)).toBe("UNAUTHENTICATED")
  })

  test("a failed sign-in leaves the session as it was", async () => {
    const { tab, userOf } = await startWithSession()
    expect((await tab.post("cop_wrong")).status).toBe(401)
    expect(await userOf(tab)).toBe(tokens.ada)
  })

  test("a tab that names its session does not act for a user who signed in in another tab", async () => {
    const { tab, userOf } = await startWithSession()
    const { id } = (await tab.get()).body.session
    expect(await userOf(tab, { "x-session": id })).toBe(tokens.ada)
    const { body } = await tab.post(tokens.grace)
    expect(await userOf(tab, { "x-session": id })).toBe("UNAUTHENTICATED")
    expect((await tab.ask(query, { "x-session": id })).body.errors[0].message).toMatch(/another session/)
    expect(await userOf(tab, { "x-session": body.session.id })).toBe(tokens.grace)
  })
})

test("the log and the metrics count sessions, and the log contains neither token nor cookie", async () => {
  const metrics = new PrometheusMetrics([])
  const { tab, open, lines, sandbox } = await startWithSession({
    telemetry: { metrics },
    config: { logLevel: "trace", upstreamRetryPercent: 0 },
  })
  const { cookie = "" } = tab
  await open().post("cop_not_known")
  sandbox.failNext(signInRead, { status: 500, body: { message: `cannot read ${tokens.ada}` } }, 9)
  await open().post(tokens.ada)
  await tab.ask("{ nothing }")
  await tab.delete()
  const events = lines.filter(({ msg }) => msg === "session").map(({ event }) => event)
  expect(events).toEqual(["started", "token_rejected", "not_checked", "ended"])
  const counted = samplesIn(await metrics.render()).filter(({ name }) => name === "gateway_session_events_total")
  expect(counted.map(({ labels, value }) => [labels.event, value])).toEqual(events.map((event) => [event, 1]))
  const text = JSON.stringify(lines)
  for (const hidden of [tokens.ada, "cop_not_known", cookie.split("=")[1] ?? ""]) expect(text).not.toContain(hidden)
})
