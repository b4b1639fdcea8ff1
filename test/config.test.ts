import { randomBytes } from "node:crypto"
import { readFileSync } from "node:fs"
import { describe, expect, test } from "vitest"
import { ConfigError, readConfig, warningsOf } from "../src/config/config.ts"
import { cacheKinds } from "../src/config/kinds.ts"
import { settings } from "../src/config/settings.ts"
import { fixedLimits } from "../src/operation/limits.ts"

const CODEOCEAN_URL = "https://codeocean.example.org"

function problemsOf(env: Record<string, string>): readonly string[] {
  try {
    readConfig(env)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}

test("CODEOCEAN_URL is the only required setting", () => {
  expect(readConfig({ CODEOCEAN_URL })).toMatchObject({
    codeoceanToken: undefined,
    port: 4000,
    host: "127.0.0.1",
    logLevel: "info",
    upstreamTimeoutMs: 15_000,
    upstreamConnections: 128,
    requestDeadlineMs: 30_000,
    graphiql: true,
    corsOrigins: [],
  })
})

test("MIN_SERVER_VERSION has three numbers", () => {
  expect(readConfig({ CODEOCEAN_URL }).minServerVersion).toBe("4.6.0")
  expect(readConfig({ CODEOCEAN_URL, MIN_SERVER_VERSION: "4.10.12" }).minServerVersion).toBe("4.10.12")
  for (const MIN_SERVER_VERSION of [
    "4",
    "4.6",
    "v4.6.0",
    "4.6.0.1",
    "4.06.0",
    "4.6.0-rc1",
    "4.6.0\r\nX: y",
    "newest",
    " 4.6.0",
  ])
    expect(problemsOf({ CODEOCEAN_URL, MIN_SERVER_VERSION })).toEqual([
      "MIN_SERVER_VERSION must be a version of three numbers, such as 4.6.0",
    ])
})

test("the documented defaults are those in force", () => {
  const shown = Object.fromEntries(settings.map((setting) => [setting.name, setting.default]))
  expect(readConfig({ ...shown, CODEOCEAN_URL })).toEqual(readConfig({ CODEOCEAN_URL }))
})

test("each invalid setting is named with what it must be, and no token is repeated", () => {
  const problems = problemsOf({
    CODEOCEAN_URL: "codeocean",
    CODEOCEAN_TOKEN: "two words",
    PORT: "4000x",
    LOG_LEVEL: "loud",
    UPSTREAM_TIMEOUT_MS: "0",
    UPSTREAM_CONNECTIONS: "-1",
    REQUEST_DEADLINE_MS: "1.5",
    CALLER_REQUESTS_PER_SECOND: "many",
    CALLER_CONCURRENT_REQUESTS: "-1",
    CALLER_SUBSCRIPTIONS: "1e3",
    CONCURRENT_REQUESTS: "0x10",
    EVENT_LOOP_LAG_MS: "1s",
    CONNECTIONS: "none",
    KEEP_ALIVE_MS: "0",
    TRUSTED_PROXIES: "10.0.0.1",
    GRAPHIQL: "yes",
    CORS_ORIGINS: "https://portal.example.org/path, nonsense",
  })
  for (const name of [
    "CODEOCEAN_URL",
    "CODEOCEAN_TOKEN",
    "PORT",
    "LOG_LEVEL",
    "UPSTREAM_TIMEOUT_MS",
    "UPSTREAM_CONNECTIONS",
    "REQUEST_DEADLINE_MS",
    "CALLER_REQUESTS_PER_SECOND",
    "CALLER_CONCURRENT_REQUESTS",
    "CALLER_SUBSCRIPTIONS",
    "CONCURRENT_REQUESTS",
    "EVENT_LOOP_LAG_MS",
    "CONNECTIONS",
    "KEEP_ALIVE_MS",
    "TRUSTED_PROXIES",
    "GRAPHIQL",
    "CORS_ORIGINS",
  ]) {
    expect(
      problems.filter((problem) => problem.startsWith(`${name} `)),
      name,
    ).not.toHaveLength(0)
  }
  expect(problems.join()).not.toContain("two words")
})

test.each([
  "ftp://proxy.example.org",
  "http://",
  "http://ada:hunter2@proxy.example.org/path",
  "http://ada:hunter2%zz@proxy.example.org",
  "socks5://ada:hunter2@proxy.example.org",
  "http://ada:hunter2@proxy.example.org:99999",
])("a proxy's address such as %s is named by the variable that has it, without its password", (address) => {
  for (const name of ["HTTPS_PROXY", "http_proxy"]) {
    const problems = problemsOf({ CODEOCEAN_URL, [name]: address })
    expect(problems).toEqual([expect.stringMatching(new RegExp(`^${name} must be the address of an HTTP proxy`))])
    expect(problems.join()).not.toContain("hunter2")
  }
})

test("a proxy's address may lack its scheme, and the lower-case spelling of its variable wins", () => {
  const { httpsProxy, httpProxy, noProxy } = readConfig({
    CODEOCEAN_URL,
    HTTPS_PROXY: "proxy.example.org:3128",
    HTTP_PROXY: "http://upper.example.org",
    http_proxy: "http://lower.example.org",
    no_proxy: "",
    NO_PROXY: "internal.example.org",
  })
  expect(httpsProxy?.href).toBe("http://proxy.example.org:3128/")
  expect(httpProxy?.href).toBe("http://lower.example.org/")
  expect(noProxy).toBe("internal.example.org")
})

test.each([
  "https://minio.example.org/bucket",
  "https://minio.example.org/",
  "minio.example.org",
  "minio.example.org:9000",
  "10.1.2.3:9000",
  "ftp://minio.example.org",
  "https://*.example.org",
  "https://minio.example.org:443",
  "http://10.1",
])("the origin %s is refused in FILE_ORIGINS and in CORS_ORIGINS", (origin) => {
  for (const name of ["FILE_ORIGINS", "CORS_ORIGINS"]) {
    const list = `https://good.example.org:9000, ${origin}`
    expect(problemsOf({ CODEOCEAN_URL, [name]: list })).toEqual([
      expect.stringMatching(new RegExp(`^${name} contains "[^"]+", which is not a web origin`)),
    ])
  }
})

test.each([
  ["https://Minio.example.org", "https://minio.example.org"],
  ["https://minio.example.org/", "https://minio.example.org"],
  ["http://10.1.2.3:80", "http://10.1.2.3"],
  ["https://münchen.example.org", "https://xn--mnchen-3ya.example.org"],
])("%s in FILE_ORIGINS is refused, and the error says how to write it", (origin, written) => {
  expect(problemsOf({ CODEOCEAN_URL, FILE_ORIGINS: origin })).toEqual([
    `FILE_ORIGINS contains "${origin}", which is not a web origin: write ${written}`,
  ])
})

test("an origin with a password is refused without repeating the password", () => {
  const problems = problemsOf({ CODEOCEAN_URL, FILE_ORIGINS: "https://ada:hunter2@minio.example.org" })
  expect(problems).toHaveLength(1)
  expect(problems.join()).not.toContain("hunter2")
})

test.each(["prod", "Production", "PRODUCTION", "production ", "prodution", "staging"])(
  "NODE_ENV=%s is refused, since the checks of production would be off",
  (NODE_ENV) => {
    expect(problemsOf({ CODEOCEAN_URL, NODE_ENV })).toEqual([
      "NODE_ENV must be production, development or test, or unset",
    ])
  },
)

test.each(["production", "development", "test", ""])("NODE_ENV may be '%s'", (NODE_ENV) => {
  expect(problemsOf({ CODEOCEAN_URL, NODE_ENV })).toEqual([])
})

describe("NO_PROXY", () => {
  const warnings = (NO_PROXY: string) => warningsOf(readConfig({ CODEOCEAN_URL, NO_PROXY }), { NO_PROXY })

  test.each(["10.0.0.0/8", "http://example.org", "internal*", "*internal", "example.org:http", "[::1"])(
    "an entry that would be ignored, %s, is a warning",
    (entry) => {
      expect(warnings(`localhost, ${entry}`)).toEqual([
        expect.stringContaining(`NO_PROXY contains "${entry}", which is ignored`),
      ])
    },
  )

  test("the warning of an entry does not contain a password", () => {
    const [warning] = warnings("http://ada:secretword@proxy.example.org:3128")
    expect(warning).toContain("@proxy.example.org:3128")
    expect(warning).not.toContain("secretword")
  })

  test.each([
    "*",
    "*:80",
    "example.org",
    ".example.org",
    "*.example.org:443",
    "10.1.2.3:9000",
    "::1",
    "fe80::1",
    "[::1]",
    "[::1]:443",
    "a b,c",
  ])("the entry %s is no warning", (entry) => {
    expect(warnings(entry)).toEqual([])
  })
})

describe("a variable that is no setting", () => {
  const warnings = (name: string) => warningsOf(readConfig({ CODEOCEAN_URL }), { CODEOCEAN_URL, [name]: "secret" })

  test.each([
    ["CODEOCEAN_URLS", "CODEOCEAN_URL"],
    ["CODE_OCEAN_URL", "CODEOCEAN_URL"],
    ["CODEOCEAN_URI", "CODEOCEAN_URL"],
    ["CODEOCEAN_ULR", "CODEOCEAN_URL"],
    ["codeocean_url", "CODEOCEAN_URL"],
    ["Codeocean_Tokn", "CODEOCEAN_TOKEN"],
    ["LOGLEVEL", "LOG_LEVEL"],
    ["TRUSTED_PROXY", undefined],
    ["CORS_ORIGIN", "CORS_ORIGINS"],
    ["HTTPS_PROXYY", "HTTPS_PROXY"],
    ["Https_Proxy", "HTTPS_PROXY"],
    ["HTP_PROXY", "HTTP_PROXY"],
    ["NODE_EVN", "NODE_ENV"],
    ["PROT", "PORT"],
    ["HOTS", "HOST"],
    ["host", "HOST"],
    ["CODEOCEAN_LOG_LEVEL", "LOG_LEVEL"],
    ["GATEWAY_GRAPHIQL", "GRAPHIQL"],
  ])("the variable %s is reported as a misspelling of %s, without its value", (name, setting) => {
    const expected = setting && `The variable ${name} is not a setting and is ignored. Did you mean ${setting}?`
    expect(warnings(name)).toEqual(expected ? [expected] : [])
  })

  test.each([
    ...["HOSTNAME", "HOSTTYPE", "PATH", "HOME", "USER", "TERM", "SHLVL", "PWD", "LANG", "NODE_OPTIONS", "NODE_VERSION"],
    ...["KUBERNETES_PORT", "KUBERNETES_SERVICE_HOST", "CODEOCEAN_PORT", "GATEWAY_PORT", "CODEOCEAN_GATEWAY_PORT"],
    ...[
      "CODEOCEAN_SERVICE_HOST",
      "CODEOCEAN_GATEWAY_PORT_4000_TCP",
      "npm_config_https_proxy",
      "FTP_PROXY",
      "ALL_PROXY",
    ],
    ...["all_proxy", "http_proxy", "https_proxy", "no_proxy", "NODE_EXTRA_CA_CERTS", "HOSTS", "_", "", "SSL_CERT_FILE"],
  ])("the variable %s, which other programs set, causes no warning", (name) => {
    expect(warnings(name)).toEqual([])
  })

  test("where a setting is missing or wrong, a variable that may be meant for it is named too", () => {
    expect(problemsOf({ CODEOCEAN_URl: "https://secret.example.org", prot: "5", PATH: "/" })).toEqual([
      expect.stringMatching(/^CODEOCEAN_URL is required/),
      "CODEOCEAN_URl is not a setting and is ignored. Did you mean CODEOCEAN_URL?",
      "prot is not a setting and is ignored. Did you mean PORT?",
    ])
  })

  test("no setting is taken for another one that is misspelt", () => {
    for (const { name } of settings) expect(warningsOf(readConfig({ CODEOCEAN_URL }), { [name]: "1" })).toEqual([])
  })
})

test("an empty setting counts as unset", () => {
  expect(problemsOf({ CODEOCEAN_URL: " " })).toEqual([expect.stringMatching(/^CODEOCEAN_URL is required/)])
  expect(readConfig({ CODEOCEAN_URL, PORT: "", CODEOCEAN_TOKEN: "" })).toEqual(readConfig({ CODEOCEAN_URL }))
})

test.each([
  ["https://codeocean.example.org", "https://codeocean.example.org/"],
  ["https://codeocean.example.org/", "https://codeocean.example.org/"],
  ["https://codeocean.example.org/api/v1", "https://codeocean.example.org/"],
  ["https://codeocean.example.org/api/v1/", "https://codeocean.example.org/"],
  ["https://example.org/codeocean", "https://example.org/codeocean/"],
])("CODEOCEAN_URL may be %s", (written, meant) => {
  expect(readConfig({ CODEOCEAN_URL: written }).codeoceanUrl.href).toBe(meant)
})

test.each([
  "ftp://codeocean.example.org",
  "https://user:word@codeocean.example.org",
  "https://codeocean.example.org/?a=b",
  "//x",
])("CODEOCEAN_URL cannot be %s", (url) => {
  expect(problemsOf({ CODEOCEAN_URL: url })).toHaveLength(1)
})

test("in production CODEOCEAN_URL must be https, except for this machine", () => {
  const inProduction = (url: string) => problemsOf({ NODE_ENV: "production", CODEOCEAN_URL: url })
  expect(inProduction("http://codeocean.example.org")).toEqual([expect.stringContaining("must be https")])
  for (const url of ["http://localhost:4100", "http://127.0.0.1:4100", "http://[::1]:4100", CODEOCEAN_URL]) {
    expect(inProduction(url), url).toEqual([])
  }
})

test("in production CODEOCEAN_TOKEN must be confirmed, and other problems are named beside it", () => {
  const env = { NODE_ENV: "production", CODEOCEAN_URL, CODEOCEAN_TOKEN: "cop_shared" }
  expect(problemsOf(env)).toEqual([expect.stringContaining("CODEOCEAN_TOKEN_IN_PRODUCTION=true")])
  expect(problemsOf({ ...env, PORT: "x" })).toHaveLength(2)
  expect(readConfig({ ...env, CODEOCEAN_TOKEN_IN_PRODUCTION: "true" }).codeoceanToken).toBe("cop_shared")
})

test("GraphiQL is on outside production and off in production, unless GRAPHIQL says otherwise", () => {
  expect(readConfig({ CODEOCEAN_URL }).graphiql).toBe(true)
  expect(readConfig({ CODEOCEAN_URL, NODE_ENV: "production" }).graphiql).toBe(false)
  expect(readConfig({ CODEOCEAN_URL, NODE_ENV: "production", GRAPHIQL: "true" }).graphiql).toBe(true)
  expect(readConfig({ CODEOCEAN_URL, GRAPHIQL: "false" }).graphiql).toBe(false)
})

describe("SESSION_SECRETS", () => {
  const random = "4pZ1hWq8vT0yLxR6nBs3KdGmJcUeQf7a"
  const other = "9f86d081884c7d659a2feaa0c55ad015"

  test("is a list whose first secret seals, and is unset by default", () => {
    expect(readConfig({ CODEOCEAN_URL }).sessionSecrets).toBeUndefined()
    expect(readConfig({ CODEOCEAN_URL, SESSION_SECRETS: `${random}, ${other}` }).sessionSecrets).toEqual([
      random,
      other,
    ])
  })

  test.each([
    ["short", random.slice(1), "is shorter than 32 characters"],
    ["a repeated word", "change-me-now!!!".repeat(2), "is not random"],
    ["a few characters", `ab${"ab".repeat(15)}c`, "is not random"],
    ["a space", `${random} ${random}`, "printable ASCII"],
    ["a letter beyond ASCII", `${random}é`, "printable ASCII"],
    ["very long", random + "x1".repeat(600), "printable ASCII"],
    ["the same twice", `${random},${random}`, "number 2, that is there twice"],
    ["an empty one", `${random},`, "number 2, that is shorter"],
  ])("rejects %s, without repeating it", (_, value, problem) => {
    const problems = problemsOf({ CODEOCEAN_URL, SESSION_SECRETS: value })
    expect(problems).toEqual([expect.stringContaining(problem)])
    expect(problems[0]).not.toContain(value.slice(0, 10))
  })

  test("is missed by the explorer, and a warning says so", () => {
    const warnings = (env: Record<string, string>) => warningsOf(readConfig({ CODEOCEAN_URL, ...env }), env)
    expect(warnings({ EXPLORER: "true" })).toEqual([expect.stringContaining("set SESSION_SECRETS")])
    expect(warnings({ EXPLORER: "true", SESSION_SECRETS: random })).toEqual([])
  })

  test("accepts what openssl makes, in Base64 and in hexadecimal digits", () => {
    for (let round = 0; round < 200; round++) {
      for (const value of [randomBytes(33).toString("base64"), randomBytes(16).toString("hex")]) {
        expect(problemsOf({ CODEOCEAN_URL, SESSION_SECRETS: value })).toEqual([])
      }
    }
  })
})

describe("CACHE_TTL_SECONDS", () => {
  const ttls = (CACHE_TTL_SECONDS: string) => readConfig({ CODEOCEAN_URL, CACHE_TTL_SECONDS }).cacheTtls

  test("is one time for all kinds, times for single kinds, or both", () => {
    const all = (ms: number) => Object.fromEntries(cacheKinds.map((kind) => [kind, ms]))
    expect(ttls("60")).toEqual(all(60_000))
    expect(ttls(" custom_metadata=3600 ")).toEqual({ ...all(0), custom_metadata: 3_600_000 })
    expect(ttls("60, searches = 0,release_app_panels=86400")).toEqual({
      ...all(60_000),
      searches: 0,
      release_app_panels: 86_400_000,
    })
  })

  test("keeps nothing by default, and with 0", () => {
    expect(readConfig({ CODEOCEAN_URL }).cacheTtls).toBeUndefined()
    for (const value of ["", "0", "searches=0", "0,searches=0"]) expect(ttls(value)).toBeUndefined()
  })

  test.each([
    "60s",
    "-1",
    "1.5",
    "86401",
    "60,60",
    "searches=60,60",
    "searches=",
    "=60",
    "runs=60",
    "60,",
    "searches=1,searches=2",
  ])("cannot be %s", (CACHE_TTL_SECONDS) => {
    expect(problemsOf({ CODEOCEAN_URL, CACHE_TTL_SECONDS })).toEqual([
      expect.stringMatching(/^CACHE_TTL_SECONDS contains ".*60,custom_metadata=3600 \(capsules, /),
    ])
  })

  test("needs a CACHE_SECRET of at least 32 characters in production if responses are kept in Redis", () => {
    const env = { CODEOCEAN_URL, CACHE_TTL_SECONDS: "0,searches=60", REDIS_URL: "redis://redis.example.org" }
    const production = { ...env, NODE_ENV: "production" }
    const missing = expect.stringContaining("CACHE_SECRET is required in production")
    expect(problemsOf(production)).toEqual([missing])
    for (const fine of [env, { ...production, CACHE_TTL_SECONDS: "0" }, { ...production, REDIS_URL: "" }]) {
      expect(readConfig(fine).cacheSecret).toBeUndefined()
    }
    const CACHE_SECRET = "4pZ1hWq8vT0yLxR6nBs3KdGmJcUeQf7a"
    expect(readConfig({ ...production, CACHE_SECRET }).cacheSecret).toBe(CACHE_SECRET)
    const [problem, ...others] = problemsOf({ ...production, CACHE_SECRET: "swordfish" })
    expect(others).toEqual([])
    expect(problem).toMatch(/^CACHE_SECRET is shorter than 32 characters: /)
    expect(problem).not.toContain("swordfish")
  })

  test("has kinds that the documents describe, each of them", () => {
    const page = readFileSync(new URL("../docs/operations.md", import.meta.url), "utf8")
    const [, table = ""] = /\n\| kind \| what is kept \|\n(.*?)\n\n/s.exec(page) ?? []
    const described = [...table.matchAll(/^\| (.+?) \|/gm)].flatMap(
      ([, names]) => (names as string).match(/\w+/g) ?? [],
    )
    expect(described).toEqual([...cacheKinds])
  })
})

test("MCP on a gateway that other machines reach needs ALLOWED_HOSTS, which names hosts", () => {
  const warnings = (env: Record<string, string>) => warningsOf(readConfig({ CODEOCEAN_URL, ...env }), env)
  expect(warnings({ MCP: "true", HOST: "0.0.0.0" })).toEqual([expect.stringContaining("Set ALLOWED_HOSTS")])
  expect(warnings({ MCP: "true" })).toEqual([])
  expect(warnings({ HOST: "0.0.0.0" })).toEqual([])
  expect(warnings({ MCP: "true", HOST: "0.0.0.0", ALLOWED_HOSTS: "gateway.example.org, 10.1.2.3" })).toEqual([])
  for (const host of [
    "https://gateway.example.org",
    "gateway.example.org:443",
    "*.example.org",
    "Gateway.example.org",
    "a b",
  ])
    expect(problemsOf({ CODEOCEAN_URL, ALLOWED_HOSTS: host }), host).toEqual([expect.stringContaining("is not a host")])
})

test("there are at most 52 settings, each with a name of its own", () => {
  expect(settings.length).toBeLessThanOrEqual(52)
  expect(new Set(settings.map(({ name }) => name)).size).toBe(settings.length)
})

describe("a variable that is no longer a setting", () => {
  const warnings = (env: Record<string, string>) => warningsOf(readConfig({ CODEOCEAN_URL, ...env }), env)

  test("a variable that is no longer a setting is ignored, and one warning names all of them with what holds instead", () => {
    expect(warnings({ PLAIN_PATH: "false", SUGGESTIONS: "true", OPERATION_ALIASES: "many", PORT: "1" })).toEqual([
      "These variables are no longer settings and are ignored (the values that are used are in parentheses): PLAIN_PATH (always on), SUGGESTIONS (as INTROSPECTION), OPERATION_ALIASES (500). Remove them.",
    ])
  })

  test("a variable that is no longer a setting causes no warning if it is empty, and a setting causes none", () => {
    expect(warnings({ PLAIN_PATH: "", OPERATION_DEPTH: "10" })).toEqual([])
  })

  test.each(Object.entries(fixedLimits))(
    "a variable that is no longer a setting is named with the limit that holds: %s",
    (key, limit) => {
      const name = `OPERATION_${key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`
      expect(warnings({ [name]: "1" })).toEqual([expect.stringContaining(`${name} (${limit.toLocaleString("en-US")})`)])
    },
  )
})
