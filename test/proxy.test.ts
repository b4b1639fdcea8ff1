import dns from "node:dns"
import { syncBuiltinESMExports } from "node:module"
import tls from "node:tls"
import { beforeAll, describe, expect, onTestFinished, test, vi } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { startSandbox } from "../sandbox/server.ts"
import { readConfig } from "../src/config/config.ts"
import { signature, startFaultyUpstream, startStorage, unusedAddress } from "./support/faultyUpstream.ts"
import { startGatewayOn, type World } from "./support/gateway.ts"
import { certificate, startProxy, startTls } from "./support/proxy.ts"

const capsule = `{ capsule(id: "${seed.cellCounter}") { name } }`
const text = '{ computation(id: "c1") { resultFile(path: "a") { text } } }'

/**
 * A gateway with the settings of these variables. It retries no call, because a retry meets the same proxy.
 * @param upstream settings of the calls, such as a short timeout where one has to pass, or retries
 */
const gatewayWith = (
  url: string,
  env: Record<string, string>,
  upstream: { upstreamTimeoutMs?: number; upstreamRetryPercent?: number } = {},
) => {
  const { httpsProxy, httpProxy, noProxy, fileOrigins } = readConfig({ CODEOCEAN_URL: url, ...env })
  const config = {
    upstreamTimeoutMs: 10_000,
    upstreamRetryPercent: 0,
    ...upstream,
    httpsProxy,
    httpProxy,
    noProxy,
    fileOrigins,
  }
  return startGatewayOn(url, { config })
}
const shortTimeout = { upstreamTimeoutMs: 300 }
const retries = { upstreamRetryPercent: 20 }

const ready = async ({ gateway }: Pick<World, "gateway">) => (await gateway.fetch("http://gateway/ready")).json()

async function startTestSandbox() {
  const sandbox = await startSandbox()
  onTestFinished(() => sandbox.close())
  return sandbox
}

/** An HTTPS server with responses of Code Ocean. */
const startSecure = (certificateName: string) =>
  startTls(certificateName, (_request, response) =>
    response.setHeader("content-type", "application/json").end(JSON.stringify({ id: "c1", name: "Secure" })),
  )

beforeAll(() => {
  tls.setDefaultCACertificates([...tls.getCACertificates("default"), certificate("authority")])
})

describe("through a proxy", () => {
  test.each(["HTTP_PROXY", "http_proxy"])("calls and readiness probes go through the proxy of %s", async (name) => {
    const { url } = await startTestSandbox()
    const proxy = await startProxy()
    const world = gatewayWith(url, { [name]: proxy.url })
    expect(await world.ask(capsule)).toEqual({ data: { capsule: { name: "Cell Counter" } } })
    expect(await ready(world)).toMatchObject({ ready: true })
    expect(new Set(proxy.tunnels)).toEqual(new Set([new URL(url).host]))
    expect(proxy.tunnels).toHaveLength(2)
    expect(JSON.stringify(proxy.headers)).not.toContain("authorization")
  })

  test("calls to https go through a proxy that is reached by https itself, and TLS ends at upstream", async () => {
    const url = await startSecure("valid")
    const proxy = await startProxy({ certificate: "valid" })
    const { ask } = gatewayWith(url, { HTTPS_PROXY: proxy.url })
    expect(await ask('{ capsule(id: "c1") { name } }')).toEqual({ data: { capsule: { name: "Secure" } } })
    expect(proxy.tunnels).toEqual([new URL(url).host])
  })

  test("hosts in NO_PROXY are reached without the proxy", async () => {
    const { url } = await startTestSandbox()
    const proxy = await startProxy({ answer: 403 })
    for (const except of ["127.0.0.1", `other.example.org, ${new URL(url).host}`, "*"]) {
      const { ask } = gatewayWith(url, { HTTP_PROXY: proxy.url, no_proxy: except })
      expect(await ask(capsule)).toEqual({ data: { capsule: { name: "Cell Counter" } } })
    }
    expect(proxy.tunnels).toEqual([])
  })

  test("only the proxy gets the user name and password of its address", async () => {
    const { url, requests } = await startTestSandbox()
    const proxy = await startProxy({ user: "ada:p@ss/word" })
    const { ask, lines } = gatewayWith(url, { HTTP_PROXY: proxy.url.replace("//", "//ada:p%40ss%2Fword@") })
    expect(await ask(capsule)).toEqual({ data: { capsule: { name: "Cell Counter" } } })
    expect(JSON.stringify([lines, requests])).not.toMatch(/p@ss|p%40ss/)
    expect(requests[0]?.headers).not.toHaveProperty("proxy-authorization")
  })

  test.each<[string, Parameters<typeof startProxy>[0], string]>([
    [
      "requires a password",
      { user: "ada:word" },
      "requires a user name and password, or does not accept the given ones (407)",
    ],
    ["forbids the connection", { answer: 403 }, "does not allow the connection (403)"],
    ["can't reach Code Ocean", { answer: 502 }, "can't reach it (502)"],
    ["answers a status of its own", { answer: 418 }, "refuses the connection (418)"],
    ["never answers", { answer: "hang" }, "does not answer in time"],
    ["cuts the connection", { answer: "cut" }, "can't be reached"],
    ["sends a page of its own", { answer: "page" }, "sends a response of its own in place of the connection (200)"],
  ])("a proxy that %s is named in the error, in /ready and in the log", async (_what, options, reason) => {
    const { url, requests } = await startTestSandbox()
    const proxy = await startProxy(options)
    const timeout = options?.answer === "hang" ? shortTimeout : {}
    const world = gatewayWith(url, { HTTP_PROXY: proxy.url.replace("//", "//ada:secretword@") }, timeout)
    const result = await world.ask(capsule)
    expect(result.errors?.map(({ message }) => message)).toEqual([`Code Ocean can't be reached: the proxy ${reason}.`])
    expect(result.errors?.[0]?.extensions.code).toBe("UPSTREAM_UNAVAILABLE")
    const readiness = await ready(world)
    expect(readiness).toMatchObject({ ready: false, problem: `Code Ocean does not respond: the proxy ${reason}.` })
    const { host } = new URL(proxy.url)
    expect(world.lines).toContainEqual(
      expect.objectContaining({
        msg: "upstream call failed",
        cause: expect.stringContaining(`proxy ${host}: the proxy ${reason}`),
      }),
    )
    expect(JSON.stringify([result, readiness])).not.toContain(host)
    expect(JSON.stringify([result, readiness, world.lines])).not.toMatch(/secretword|YWRhOnNlY3JldHdvcmQ/)
    expect(requests).toEqual([])
  })

  test("a proxy that sends a page of its own is not asked again and again", async () => {
    for (const target of [(await startTestSandbox()).url, await startSecure("valid")]) {
      const proxy = await startProxy({ answer: "page" })
      const { ask } = gatewayWith(target, { HTTP_PROXY: proxy.url }, retries)
      const { errors } = await ask(`mutation { renameComputation(input: {id: "c1", name: "x"}) { __typename } }`)
      expect(errors?.[0]?.message).toContain("the proxy sends a response of its own")
      expect(errors?.[0]?.extensions).not.toHaveProperty("outcomeUnknown")
      expect(proxy.tunnels).toHaveLength(1)
    }
  })

  test("a proxy at which nothing listens is named in the error", async () => {
    const { url } = await startTestSandbox()
    const { ask, lines } = gatewayWith(url, { HTTP_PROXY: await unusedAddress() }, retries)
    expect((await ask(capsule)).errors?.[0]?.message).toBe("Code Ocean can't be reached: the proxy can't be reached.")
    expect(JSON.stringify(lines)).toContain("ECONNREFUSED")
  })

  test("a certificate of the proxy's that is not trusted is named in the error", async () => {
    const { url } = await startTestSandbox()
    const proxy = await startProxy({ certificate: "selfSigned" })
    const { ask } = gatewayWith(url, { HTTP_PROXY: proxy.url })
    expect((await ask(capsule)).errors?.[0]?.message).toBe(
      "Code Ocean can't be reached: the proxy can't be reached: its certificate is self-signed (DEPTH_ZERO_SELF_SIGNED_CERT).",
    )
  })

  test("a tunnel without a response ends with an error when the call's timeout passes", async () => {
    const proxy = await startProxy({ answer: "silent" })
    const { ask } = gatewayWith(await startSecure("valid"), { HTTPS_PROXY: proxy.url }, shortTimeout)
    expect((await ask('{ capsule(id: "c1") { name } }')).errors?.[0]?.message).toBe("Code Ocean can't be reached.")
  })

  test("a write whose proxy refuses the connection has not happened, and the error does not say otherwise", async () => {
    const { url } = await startTestSandbox()
    const proxy = await startProxy({ answer: 403 })
    const { ask } = gatewayWith(url, { HTTP_PROXY: proxy.url })
    const { errors } = await ask(
      `mutation { renameComputation(input: {computationId: "c1", name: "x"}) { __typename } }`,
    )
    expect(errors?.[0]?.extensions).not.toHaveProperty("outcomeUnknown")
  })
})

describe("files through a proxy", () => {
  const settings = async (env: Record<string, string> = {}, addressOf?: (path: string) => string) => {
    const storage = await startStorage((_request, response) => response.end("here"), addressOf && { addressOf })
    const proxy = await startProxy()
    return { storage, proxy, ...gatewayWith(storage.url, { HTTP_PROXY: proxy.url, HTTPS_PROXY: proxy.url, ...env }) }
  }

  test.each([
    "http://127.0.0.1:9/",
    "https://localhost:9/",
    "http://[::1]:9/",
    "http://169.254.169.254/latest/meta-data/",
    "http://nowhere.invalid/",
  ])("the proxy is not asked for the private or unknown address %s", async (address) => {
    const { proxy, storage, ask, lines } = await settings({}, () => `${address}?${signature}`)
    const { errors } = await ask(text)
    expect(errors?.[0]?.message).toContain("FILE_ORIGINS")
    expect(new Set(proxy.tunnels)).toEqual(new Set([new URL(storage.url).host]))
    expect(JSON.stringify(lines)).toContain(`add ${new URL(address).origin} to FILE_ORIGINS`)
    expect(JSON.stringify([errors, lines])).not.toContain(signature)
  })

  test("the proxy is asked for the address that was checked, and not for a name that may resolve otherwise there", async () => {
    const { proxy, ask, gateway } = await settings({}, () => `http://files.example:8080/?${signature}`)
    await gateway.listen()
    const lookup = vi.spyOn(dns, "lookup")
    lookup.mockImplementation(((_name: string, _options: object, callback: (...found: unknown[]) => void) =>
      callback(null, [{ address: "93.184.215.14", family: 4 }])) as never)
    syncBuiltinESMExports()
    onTestFinished(() => {
      lookup.mockRestore()
      syncBuiltinESMExports()
    })
    await ask(text)
    expect(proxy.tunnels).toContain("93.184.215.14:8080")
    expect(proxy.tunnels.join()).not.toContain("files.example")
  })

  test("a file of an origin in FILE_ORIGINS is read through the proxy by its name", async () => {
    const elsewhere = await startFaultyUpstream(() => ({ body: "private" }))
    const address = elsewhere.url.replace("127.0.0.1", "localhost")
    const { proxy, ask } = await settings({ FILE_ORIGINS: address }, () => `${address}/?${signature}`)
    expect((await ask(text)).data.computation.resultFile.text).toBe("private")
    expect(proxy.tunnels).toContain(new URL(address).host)
  })

  test("a host in NO_PROXY is checked for private addresses too", async () => {
    const elsewhere = await startFaultyUpstream(() => ({ body: "private" }))
    const { ask } = await settings({ NO_PROXY: "*" }, () => `${elsewhere.url}/?${signature}`)
    expect((await ask(text)).errors?.[0]?.message).toContain("FILE_ORIGINS")
    expect(elsewhere.requests).toEqual([])
  })
})

describe("FILE_ORIGINS", () => {
  const read = async (
    fileOrigins: (storage: string) => string,
    addressOf: (storage: string) => string,
    location?: string,
  ) => {
    const minio = await startFaultyUpstream(({ path }) =>
      path.startsWith("/moved") ? { status: 302, headers: { location: location ?? "/here" } } : { body: "private" },
    )
    const api = await startStorage(
      (_request, response) => response.writeHead(302, { location: `${minio.url}/here` }).end(),
      { addressOf: () => `${addressOf(minio.url)}?${signature}` },
    )
    const world = gatewayWith(api.url, { FILE_ORIGINS: fileOrigins(minio.url) })
    return { minio, result: await world.ask(text), ...world }
  }
  const contentOf = ({ result }: Awaited<ReturnType<typeof read>>) => result.data.computation.resultFile.text

  test("a private address is read if its origin is listed", async () => {
    expect(
      contentOf(
        await read(
          (origin) => origin,
          (origin) => `${origin}/a`,
        ),
      ),
    ).toBe("private")
  })

  test("a listed origin may redirect to itself, and not to a private address that is not listed", async () => {
    expect(
      contentOf(
        await read(
          (origin) => origin,
          (origin) => `${origin}/moved`,
        ),
      ),
    ).toBe("private")
    const other = await startFaultyUpstream(() => ({ body: "stolen" }))
    expect(
      contentOf(
        await read(
          (origin) => origin,
          (origin) => `${origin}/moved`,
          other.url,
        ),
      ),
    ).toBeNull()
    expect(other.requests).toEqual([])
  })

  test.each<[string, (origin: string) => string]>([
    ["port", (origin) => origin.replace(/:\d+$/, ":1")],
    ["scheme", (origin) => origin.replace("http:", "https:")],
    ["host", (origin) => origin.replace("127.0.0.1", "localhost")],
  ])(
    "a private address of another %s than the listed is refused, and client and log are told the setting",
    async (_part, other) => {
      const { minio, result, lines } = await read(other, (origin) => `${origin}/a`)
      expect(result.errors?.[0]?.message).toBe(
        "The file can't be read from the address that Code Ocean gave for it: it is not known to be public, and the gateway's setting FILE_ORIGINS does not allow it.",
      )
      expect(lines).toContainEqual(
        expect.objectContaining({
          cause: expect.stringContaining(
            `127.0.0.1 is not a public address; if it is your storage, add ${minio.url} to FILE_ORIGINS`,
          ),
        }),
      )
      expect(minio.requests).toEqual([])
    },
  )
})

describe("a certificate", () => {
  test.each([
    ["self-signed", "selfSigned", "its certificate is self-signed (DEPTH_ZERO_SELF_SIGNED_CERT)"],
    ["expired", "expired", "its certificate has expired (CERT_HAS_EXPIRED)"],
    ["not valid yet", "future", "its certificate is not valid yet (CERT_NOT_YET_VALID)"],
    ["for another host", "otherHost", "its certificate is for another host name (ERR_TLS_CERT_ALTNAME_INVALID)"],
  ])(
    "a certificate that is %s is named in the error and in /ready, with a proxy or without",
    async (_what, name, reason) => {
      const url = await startSecure(name)
      const proxy = await startProxy()
      for (const httpsProxy of ["", proxy.url]) {
        const world = gatewayWith(url, { HTTPS_PROXY: httpsProxy })
        const result = await world.ask('{ capsule(id: "c1") { name } }')
        expect(result.errors?.[0]?.message).toBe(`Code Ocean can't be reached: ${reason}.`)
        const readiness = await ready(world)
        expect(readiness).toMatchObject({ ready: false, problem: `Code Ocean does not respond: ${reason}.` })
        expect(JSON.stringify([result, readiness])).not.toMatch(/127\.0\.0\.1|example\.org/)
      }
    },
  )

  test("a certificate whose chain is incomplete is named in the error", async () => {
    const trusted = tls.getCACertificates("default")
    tls.setDefaultCACertificates(trusted.filter((known) => known.trim() !== certificate("authority").trim()))
    onTestFinished(() => tls.setDefaultCACertificates(trusted))
    const { ask } = gatewayWith(await startSecure("valid"), {})
    expect((await ask('{ capsule(id: "c1") { name } }')).errors?.[0]?.message).toMatch(
      /^Code Ocean can't be reached: its certificate's chain is incomplete, .*\(UNABLE_TO_VERIFY_LEAF_SIGNATURE\)\.$/,
    )
  })

  test("plain HTTP at an https address is named in the error", async () => {
    const { url } = await startTestSandbox()
    const { ask } = gatewayWith(url.replace("http:", "https:"), {})
    expect((await ask(capsule)).errors?.[0]?.message).toMatch(
      /^Code Ocean can't be reached: TLS can't be negotiated \(ERR_SSL_/,
    )
  })

  test("a certificate problem stays named while the circuit breaker is open", async () => {
    const url = await startSecure("expired")
    const world = startGatewayOn(url, { config: { upstreamBreakerCalls: 1, upstreamRetryPercent: 0 } })
    await expect
      .poll(async () => (await world.ask('{ capsule(id: "c1") { name } }')).errors?.[0]?.message)
      .toBe(
        "Code Ocean is down: its certificate has expired (CERT_HAS_EXPIRED). The gateway checks every second whether it is back.",
      )
    expect(await ready(world)).toMatchObject({
      circuit: "open",
      problem: "Code Ocean does not respond: its certificate has expired (CERT_HAS_EXPIRED).",
    })
  })

  test("a certificate problem of a file's storage is named in the error", async () => {
    const minio = await startSecure("expired")
    const storage = await startStorage(() => {}, { addressOf: () => `${minio}/a?${signature}` })
    const { ask } = gatewayWith(storage.url, { FILE_ORIGINS: minio })
    expect((await ask(text)).errors?.[0]?.message).toBe(
      "The file's storage can't be reached: its certificate has expired (CERT_HAS_EXPIRED).",
    )
  })
})

test("a proxy never sees tokens, which go through its tunnel to upstream", async () => {
  const { url, requests } = await startTestSandbox()
  const proxy = await startProxy()
  const { ask } = gatewayWith(url, { HTTP_PROXY: proxy.url })
  await ask(capsule)
  expect(requests[0]?.headers.authorization).toBe(`Basic ${btoa(`${tokens.ada}:`)}`)
  expect(proxy.headers[0]).not.toHaveProperty("authorization")
})
