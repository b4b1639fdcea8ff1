import { z } from "zod"
import { trimEnd } from "./collections/text.ts"
import { type Limits, limitSettings, limitsFrom } from "./operation/limits.ts"
import { type Manifest, readManifest } from "./operation/persisted/manifest.ts"

/** What the gateway needs to know to run. Times are milliseconds. */
export interface Config {
  codeoceanUrl: URL
  /** Used for callers who bring no token; undefined means that such callers are refused. */
  codeoceanToken: string | undefined
  port: number
  host: string
  logLevel: (typeof logLevels)[number]
  upstreamTimeoutMs: number
  upstreamConnections: number
  upstreamQueue: number
  upstreamSharedReads: boolean
  upstreamRetryPercent: number
  upstreamBreakerCalls: number
  requestDeadlineMs: number
  compiledExecutor: boolean
  bulkCapsuleReads: boolean
  plainPath: boolean
  /** The limits of what clients may ask at once; 0 sets none. */
  callerRequestsPerSecond: number
  callerConcurrentRequests: number
  callerSubscriptions: number
  concurrentRequests: number
  eventLoopLagMs: number
  connections: number
  addressConnections: number
  keepAliveMs: number
  trustedProxies: number
  graphiql: boolean
  corsOrigins: readonly string[]
  /** Whether clients may ask for the schema. */
  introspection: boolean
  /** Whether errors say what a misspelt name may have meant. */
  suggestions: boolean
  limits: Limits
  persistedOperations: Manifest | undefined
  persistedOperationsOnly: boolean
  incrementalDelivery: boolean
}

const logLevels = ["fatal", "error", "warn", "info", "debug", "trace", "silent"] as const

/** One setting, as `.env.example` and `docs/settings.md` show it. */
export interface Setting {
  name: string
  /** As one would write it in the environment; empty when the setting is unset by default. */
  default: string
  meaning: string
}

export const settings: readonly Setting[] = [
  {
    name: "CODEOCEAN_URL",
    default: "",
    meaning:
      "Required. The address of Code Ocean, such as `https://codeocean.example.org`. Must be https in production, unless it is this machine.",
  },
  {
    name: "CODEOCEAN_TOKEN",
    default: "",
    meaning:
      "An access token for callers who send none. Leave it empty unless everyone who can reach the gateway may act as this token. If `HOST` can be reached from other machines, the start logs a warning. If not, the token is used only for requests to `localhost` and the like, so that no web page can use it through a name of its own.",
  },
  {
    name: "CODEOCEAN_TOKEN_IN_PRODUCTION",
    default: "false",
    meaning:
      "`true` confirms that `CODEOCEAN_TOKEN` is intended in production. Without it the gateway refuses to start there.",
  },
  { name: "PORT", default: "4000", meaning: "The port to listen on. 0: any free port." },
  {
    name: "HOST",
    default: "127.0.0.1",
    meaning: "The address to listen on; `0.0.0.0` for all (the Docker image sets it).",
  },
  { name: "LOG_LEVEL", default: "info", meaning: `The least severe lines to log: ${logLevels.join(", ")}.` },
  {
    name: "UPSTREAM_TIMEOUT_MS",
    default: "15000",
    meaning: "The longest that one call to Code Ocean may take, from being sent to its last byte, in milliseconds.",
  },
  {
    name: "UPSTREAM_CONNECTIONS",
    default: "128",
    meaning: "The most calls to Code Ocean under way at once. More of them are queued.",
  },
  {
    name: "UPSTREAM_QUEUE",
    default: "100000",
    meaning:
      "The most calls to Code Ocean that are queued, half of them one caller's. Callers take turns. 0: no limit.",
  },
  {
    name: "UPSTREAM_RETRY_PERCENT",
    default: "20",
    meaning:
      "How many retries of failed reads are allowed for 100 calls, in addition to one a second and 50 saved up. 0: no retries.",
  },
  {
    name: "UPSTREAM_BREAKER_CALLS",
    default: "20",
    meaning:
      "The circuit breaker: if at least so many calls were made within ten seconds and more than half found Code Ocean down, nothing is sent until a probe succeeds. 0: calls are always sent.",
  },
  {
    name: "UPSTREAM_SHARED_READS",
    default: "true",
    meaning:
      "`false` sends every read by itself. Otherwise equal reads of one caller that are under way at the same time are one call.",
  },
  {
    name: "BULK_CAPSULE_READS",
    default: "false",
    meaning:
      "`true` finds several capsules that are needed at once by one search for their ids, and reads one by one only what the search does not find. A capsule that the caller may find but not open then comes as the search shows it.",
  },
  {
    name: "REQUEST_DEADLINE_MS",
    default: "30000",
    meaning:
      "The longest that one GraphQL request may take with all its calls, retries included, in milliseconds. A stopping gateway waits as long for the requests in flight.",
  },
  {
    name: "COMPILED_EXECUTOR",
    default: "true",
    meaning:
      "`false` executes operations with the general executor in place of the gateway's own: the same responses at about one and a half times the cost.",
  },
  {
    name: "PLAIN_PATH",
    default: "true",
    meaning:
      "`false` sends every request through GraphQL Yoga. Otherwise a POST of JSON takes a shorter path with the same checks and responses, at a fraction of the cost.",
  },
  {
    name: "CALLER_REQUESTS_PER_SECOND",
    default: "1000",
    meaning:
      "The rate limit of one caller, in requests a second; ten times as many at once after a pause. 0: no limit. A caller is a token; callers without a token are told apart by their addresses.",
  },
  {
    name: "CALLER_CONCURRENT_REQUESTS",
    default: "1000",
    meaning: "The most requests of one caller under way at once, subscriptions not counted. 0: no limit.",
  },
  { name: "CALLER_SUBSCRIPTIONS", default: "250", meaning: "The most subscriptions of one caller. 0: no limit." },
  {
    name: "CONCURRENT_REQUESTS",
    default: "2000",
    meaning:
      "The most requests of all callers under way at once, subscriptions not counted. Others are rejected. 0: no limit.",
  },
  {
    name: "EVENT_LOOP_LAG_MS",
    default: "2000",
    meaning:
      "The longest acceptable event-loop delay, in milliseconds. Beyond it the number of requests under way is halved, and then grows again; others are rejected. 0: no limit.",
  },
  {
    name: "CONNECTIONS",
    default: "10000",
    meaning:
      "The most connections of clients. Beyond it a new connection replaces the one that has been idle longest, or is closed at once if none is idle. 0: no limit.",
  },
  {
    name: "ADDRESS_CONNECTIONS",
    default: "1000",
    meaning:
      "The most connections from one address (in IPv6 from one network of 64 bits), by the same rule. Not counted with `TRUSTED_PROXIES`. A load balancer without that setting is one address: set it, or 0 here for no limit.",
  },
  {
    name: "KEEP_ALIVE_MS",
    default: "75000",
    meaning:
      "How long a connection may be idle between two requests, in milliseconds. Must be longer than the load balancer's own idle time, if there is one.",
  },
  {
    name: "TRUSTED_PROXIES",
    default: "0",
    meaning:
      "How many proxies stand before the gateway, each of which adds the address that it was called from to `X-Forwarded-For`. Callers without a token are told apart by what the first of these proxies added. 0: no proxy is trusted.",
  },
  {
    name: "GRAPHIQL",
    default: "",
    meaning:
      "`true` or `false`: whether browsers get the GraphiQL page at `/graphql`. Unset: on, and off in production.",
  },
  {
    name: "CORS_ORIGINS",
    default: "",
    meaning:
      "Web origins whose pages may call the gateway, separated by commas, such as `https://portal.example.org`. With `CODEOCEAN_TOKEN` set, these pages act as that token, whoever visits them.",
  },
  {
    name: "PERSISTED_OPERATIONS",
    default: "",
    meaning:
      "A file of operations that clients send by hash or id: a JSON object of documents by their ids, such as GraphQL Code Generator's `persisted-documents.json`. It is read at the start.",
  },
  {
    name: "PERSISTED_OPERATIONS_ONLY",
    default: "false",
    meaning:
      "`true` refuses every operation that is not in that file, those of GraphiQL and of federation routers included.",
  },
  {
    name: "INCREMENTAL_DELIVERY",
    default: "false",
    meaning:
      "`true` allows `@defer` and `@stream`, as an experiment: the format of their responses is going to change.",
  },
  {
    name: "INTROSPECTION",
    default: "",
    meaning:
      "`true` or `false`: whether the schema can be queried by clients, by GraphiQL, and by routers with `_service`. Unset: on, and off in production.",
  },
  {
    name: "SUGGESTIONS",
    default: "",
    meaning: "`true` or `false`: whether errors suggest names for misspelt ones. Unset: on, and off in production.",
  },
  ...limitSettings,
  {
    name: "NODE_ENV",
    default: "",
    meaning: "`production` turns on the checks and defaults for production.",
  },
]

const defaultOf = (name: string) => settings.find((setting) => setting.name === name)?.default ?? ""

const wholeNumber = (least: number, most: number) =>
  z
    .string()
    .regex(/^\d{1,15}$/, `must be a whole number from ${least} to ${most}`)
    .transform(Number)
    .refine((value) => value >= least && value <= most, `must be a whole number from ${least} to ${most}`)

const yesOrNo = z.enum(["true", "false"], "must be true or false").transform((value) => value === "true")

/** Names by which only programs on this machine reach it. */
export const loopback = /^(localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])$/

/** Whether only programs on this machine can connect to the gateway. */
export function listensLocally({ host }: Pick<Config, "host">): boolean {
  return host === "::1" || loopback.test(host)
}

/** Sentences about settings that can be meant as they are, and are dangerous if they aren't. */
export function warningsOf(config: Config): string[] {
  if (config.codeoceanToken === undefined || listensLocally(config)) return []
  return [
    `CODEOCEAN_TOKEN is set and HOST is ${config.host}: everyone who reaches port ${config.port} acts as that token. Unless that is meant, remove CODEOCEAN_TOKEN or set HOST=127.0.0.1.`,
  ]
}

const upstreamUrl = z
  .string("is required: the address of Code Ocean, such as https://codeocean.example.org")
  .transform((value, context) => {
    const url = URL.parse(value)
    const problem =
      url === null || !/^https?:$/.test(url.protocol)
        ? "must be a web address, such as https://codeocean.example.org"
        : url.username || url.password
          ? "must not hold a user name or password: tokens come from callers, or from CODEOCEAN_TOKEN"
          : url.search || url.hash
            ? "must not hold a query or a fragment"
            : undefined
    if (url === null || problem !== undefined) {
      context.addIssue({ code: "custom", message: problem ?? "" })
      return z.NEVER
    }
    // People copy the address with or without the API's own path: both mean the same deployment.
    const apiPath = "/api/v1"
    const path = trimEnd(url.pathname, "/")
    url.pathname = `${path.endsWith(apiPath) ? path.slice(0, -apiPath.length) : path}/`
    return url
  })

/** Whether the text can be a Code Ocean token: what Basic authorization can carry as a user name, and not absurdly long. */
export function isPlausibleToken(token: string): boolean {
  return /^[\x21-\x39\x3b-\x7e]{1,1024}$/.test(token)
}

const origins = z.string().transform((value, context) => {
  const list = value
    .split(",")
    .map((origin) => origin.trim())
    .filter((origin) => origin !== "")
  for (const origin of list) {
    if (URL.parse(origin)?.origin !== origin) {
      context.addIssue({
        code: "custom",
        message: `holds ${JSON.stringify(origin)}, which is no web origin: write scheme and host without a path, such as https://portal.example.org`,
      })
    }
  }
  return list
})

const manifest = z.string().transform((path, context) => {
  try {
    return readManifest(path)
  } catch (error) {
    context.addIssue({ code: "custom", message: (error as Error).message })
    return z.NEVER
  }
})

const environment = z.object({
  NODE_ENV: z.string().optional(),
  CODEOCEAN_URL: upstreamUrl,
  CODEOCEAN_TOKEN: z
    .string()
    .refine(isPlausibleToken, "must be a token: up to 1,024 printable characters, without spaces and colons")
    .optional(),
  CODEOCEAN_TOKEN_IN_PRODUCTION: yesOrNo.default(false),
  PORT: wholeNumber(0, 65_535).prefault(defaultOf("PORT")),
  HOST: z.string().prefault(defaultOf("HOST")),
  LOG_LEVEL: z.enum(logLevels, `must be one of ${logLevels.join(", ")}`).default("info"),
  UPSTREAM_TIMEOUT_MS: wholeNumber(1, 3_600_000).prefault(defaultOf("UPSTREAM_TIMEOUT_MS")),
  UPSTREAM_CONNECTIONS: wholeNumber(1, 10_000).prefault(defaultOf("UPSTREAM_CONNECTIONS")),
  UPSTREAM_QUEUE: wholeNumber(0, 1_000_000).prefault(defaultOf("UPSTREAM_QUEUE")),
  UPSTREAM_RETRY_PERCENT: wholeNumber(0, 100).prefault(defaultOf("UPSTREAM_RETRY_PERCENT")),
  UPSTREAM_BREAKER_CALLS: wholeNumber(0, 1_000_000).prefault(defaultOf("UPSTREAM_BREAKER_CALLS")),
  UPSTREAM_SHARED_READS: yesOrNo.default(true),
  REQUEST_DEADLINE_MS: wholeNumber(1, 3_600_000).prefault(defaultOf("REQUEST_DEADLINE_MS")),
  BULK_CAPSULE_READS: yesOrNo.default(false),
  COMPILED_EXECUTOR: yesOrNo.default(true),
  PLAIN_PATH: yesOrNo.default(true),
  CALLER_REQUESTS_PER_SECOND: wholeNumber(0, 1_000_000).prefault(defaultOf("CALLER_REQUESTS_PER_SECOND")),
  CALLER_CONCURRENT_REQUESTS: wholeNumber(0, 1_000_000).prefault(defaultOf("CALLER_CONCURRENT_REQUESTS")),
  CALLER_SUBSCRIPTIONS: wholeNumber(0, 1_000_000).prefault(defaultOf("CALLER_SUBSCRIPTIONS")),
  CONCURRENT_REQUESTS: wholeNumber(0, 1_000_000).prefault(defaultOf("CONCURRENT_REQUESTS")),
  EVENT_LOOP_LAG_MS: wholeNumber(0, 3_600_000).prefault(defaultOf("EVENT_LOOP_LAG_MS")),
  CONNECTIONS: wholeNumber(0, 1_000_000).prefault(defaultOf("CONNECTIONS")),
  ADDRESS_CONNECTIONS: wholeNumber(0, 1_000_000).prefault(defaultOf("ADDRESS_CONNECTIONS")),
  KEEP_ALIVE_MS: wholeNumber(1, 3_600_000).prefault(defaultOf("KEEP_ALIVE_MS")),
  TRUSTED_PROXIES: wholeNumber(0, 10).prefault(defaultOf("TRUSTED_PROXIES")),
  GRAPHIQL: yesOrNo.optional(),
  INTROSPECTION: yesOrNo.optional(),
  SUGGESTIONS: yesOrNo.optional(),
  CORS_ORIGINS: origins.prefault(""),
  PERSISTED_OPERATIONS: manifest.optional(),
  PERSISTED_OPERATIONS_ONLY: yesOrNo.default(false),
  INCREMENTAL_DELIVERY: yesOrNo.default(false),
})

const limitsEnvironment = z.object(
  Object.fromEntries(limitSettings.map((limit) => [limit.name, wholeNumber(1, 1_000_000_000).prefault(limit.default)])),
)

/**
 * Rules between settings. They are looked at apart from the shapes, so that one malformed setting doesn't hide them:
 * a start that fails names everything that must be mended.
 */
function problemsBetween(env: Record<string, string | undefined>): string[] {
  const problems: string[] = []
  if (env.PERSISTED_OPERATIONS_ONLY === "true" && env.PERSISTED_OPERATIONS === undefined) {
    problems.push("PERSISTED_OPERATIONS_ONLY refuses everything as long as PERSISTED_OPERATIONS names no file")
  }
  if (env.NODE_ENV !== "production") return problems
  const url = URL.parse(env.CODEOCEAN_URL ?? "")
  if (url?.protocol === "http:" && !loopback.test(url.hostname)) {
    problems.push("CODEOCEAN_URL must be https in production: tokens would travel in the clear")
  }
  if (env.CODEOCEAN_TOKEN !== undefined && env.CODEOCEAN_TOKEN_IN_PRODUCTION !== "true") {
    problems.push(
      "CODEOCEAN_TOKEN lets everyone who reaches the gateway act as that token: remove it, or set CODEOCEAN_TOKEN_IN_PRODUCTION=true if that is meant",
    )
  }
  return problems
}

/** Thrown by readConfig. `problems` has one sentence for each thing to mend, beginning with the variable's name. */
export class ConfigError extends Error {
  readonly problems: readonly string[]
  constructor(problems: readonly string[]) {
    super(`The settings can't be used:\n${problems.map((problem) => `  - ${problem}`).join("\n")}`)
    this.name = "ConfigError"
    this.problems = problems
  }
}

/**
 * Reads the settings from an environment record; an empty value counts as unset.
 * Throws ConfigError naming every problem at once; no message repeats a token.
 */
export function readConfig(record: Record<string, string | undefined>): Config {
  const env = Object.fromEntries(
    Object.entries(record).filter(([, value]) => value !== undefined && value.trim() !== ""),
  )
  const parsed = environment.safeParse(env)
  const limits = limitsEnvironment.safeParse(env)
  const problems = [
    ...[...(parsed.error?.issues ?? []), ...(limits.error?.issues ?? [])].map(
      (issue) => `${issue.path.join(".")} ${issue.message}`,
    ),
    ...problemsBetween(env),
  ]
  if (!parsed.success || !limits.success || problems.length > 0) throw new ConfigError(problems)
  const { data } = parsed
  return {
    codeoceanUrl: data.CODEOCEAN_URL,
    codeoceanToken: data.CODEOCEAN_TOKEN,
    port: data.PORT,
    host: data.HOST,
    logLevel: data.LOG_LEVEL,
    upstreamTimeoutMs: data.UPSTREAM_TIMEOUT_MS,
    upstreamConnections: data.UPSTREAM_CONNECTIONS,
    upstreamQueue: data.UPSTREAM_QUEUE,
    upstreamSharedReads: data.UPSTREAM_SHARED_READS,
    upstreamRetryPercent: data.UPSTREAM_RETRY_PERCENT,
    upstreamBreakerCalls: data.UPSTREAM_BREAKER_CALLS,
    requestDeadlineMs: data.REQUEST_DEADLINE_MS,
    compiledExecutor: data.COMPILED_EXECUTOR,
    bulkCapsuleReads: data.BULK_CAPSULE_READS,
    plainPath: data.PLAIN_PATH,
    callerRequestsPerSecond: data.CALLER_REQUESTS_PER_SECOND,
    callerConcurrentRequests: data.CALLER_CONCURRENT_REQUESTS,
    callerSubscriptions: data.CALLER_SUBSCRIPTIONS,
    concurrentRequests: data.CONCURRENT_REQUESTS,
    eventLoopLagMs: data.EVENT_LOOP_LAG_MS,
    connections: data.CONNECTIONS,
    addressConnections: data.ADDRESS_CONNECTIONS,
    keepAliveMs: data.KEEP_ALIVE_MS,
    trustedProxies: data.TRUSTED_PROXIES,
    graphiql: data.GRAPHIQL ?? data.NODE_ENV !== "production",
    corsOrigins: data.CORS_ORIGINS,
    introspection: data.INTROSPECTION ?? data.NODE_ENV !== "production",
    suggestions: data.SUGGESTIONS ?? data.NODE_ENV !== "production",
    limits: limitsFrom(limits.data),
    persistedOperations: data.PERSISTED_OPERATIONS,
    persistedOperationsOnly: data.PERSISTED_OPERATIONS_ONLY,
    incrementalDelivery: data.INCREMENTAL_DELIVERY,
  }
}
