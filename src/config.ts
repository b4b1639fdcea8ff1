import { z } from "zod"
import { isOneEditAway, trimEnd } from "./collections/text.ts"
import type { Manifest } from "./operation/persisted/manifest.ts"

/*
 * The table of settings. `Config`, the checks of the environment, the defaults, `.env.example` and `docs/settings.md` are made
 * from it. A new setting is one row here.
 */

type Environment = Readonly<Record<string, string | undefined>>

/** Checks a variable's text and converts it. An issue's message follows the variable's name in a sentence. */
type Kind<Value = unknown> = z.ZodType<Value>

/** The default of switches that are on, except in production. */
const outsideProduction = Symbol("on, and off in production")

interface Row {
  name: string
  /** Another name of the same variable, which wins. */
  alias?: string
  kind: Kind
  /** Absent if the setting is required, or unset by default. */
  default?: string | number | boolean | typeof outsideProduction
  meaning: string
}

type Rows = Readonly<Record<string, Row>>
type Values<Group extends Rows> = { readonly [Key in keyof Group]: z.output<Group[Key]["kind"]> }

const logLevels = ["fatal", "error", "warn", "info", "debug", "trace", "silent"] as const
const logLevel = z.enum(logLevels, `must be one of ${logLevels.join(", ")}`)

const nodeEnvs = ["production", "development", "test"] as const

const boolean = z.enum(["true", "false"], "must be true or false").transform((value) => value === "true")

function integer(least: number, most: number) {
  const message = `must be a whole number from ${least} to ${most}`
  return z
    .string()
    .regex(/^\d{1,15}$/, message)
    .transform(Number)
    .refine((value) => value >= least && value <= most, message)
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
    // The address may be given with or without the API's own path.
    const apiPath = "/api/v1"
    const path = trimEnd(url.pathname, "/")
    url.pathname = `${path.endsWith(apiPath) ? path.slice(0, -apiPath.length) : path}/`
    return url
  })

/** Whether the text can be a token: a user name of Basic authorization, of at most 1,024 characters. */
export function isPlausibleToken(token: string): boolean {
  return /^[\x21-\x39\x3b-\x7e]{1,1024}$/.test(token)
}

const token = z
  .string()
  .refine(isPlausibleToken, "must be a token: up to 1,024 printable characters, without spaces and colons")

const origins = z.string().transform((value, context) => {
  const list = value
    .split(",")
    .map((origin) => origin.trim())
    .filter((origin) => origin !== "")
  for (const origin of list) {
    const url = URL.parse(origin)
    if (url?.origin !== origin || !/^https?:$/.test(url.protocol) || url.hostname.includes("*")) {
      context.addIssue({
        code: "custom",
        message: `holds ${shown(origin)}, which is no web origin: write scheme, host and port without a path, such as https://portal.example.org or http://10.1.2.3:9000`,
      })
    }
  }
  return list
})

/** The text without what may be a password. */
function shown(address: string): string {
  return JSON.stringify(address.replace(/\/\/.*@/, "//…@"))
}

const proxyUrl = z.string().transform((value, context) => {
  // Many tools allow host and port alone.
  const url = URL.parse(value.includes("://") ? value : `http://${value}`)
  const isProxy =
    url !== null && /^https?:$/.test(url.protocol) && url.pathname === "/" && url.search === "" && url.hash === ""
  if (isProxy && isPercentEncoded(url.username + url.password)) return url
  context.addIssue({
    code: "custom",
    message:
      "must be the address of an HTTP proxy, such as http://proxy.example.org:3128 (special characters of a user name or password percent-encoded)",
  })
  return z.NEVER
})

function isPercentEncoded(text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}

const essential = {
  codeoceanUrl: {
    name: "CODEOCEAN_URL",
    kind: upstreamUrl,
    meaning:
      "Required. The address of Code Ocean, such as `https://codeocean.example.org`. Must be https in production, unless it is this machine.",
  },
  host: {
    name: "HOST",
    kind: z.string(),
    default: "127.0.0.1",
    meaning: "The address to listen on; `0.0.0.0` for all (the Docker image sets it).",
  },
  port: {
    name: "PORT",
    kind: integer(0, 65_535),
    default: 4000,
    meaning: "The port to listen on. 0 picks a free port.",
  },
  logLevel: {
    name: "LOG_LEVEL",
    kind: logLevel,
    default: "info",
    meaning: `The least severe lines to log: ${logLevels.join(", ")}.`,
  },
  corsOrigins: {
    name: "CORS_ORIGINS",
    kind: origins,
    default: "",
    meaning:
      "Web origins whose pages may call the gateway, separated by commas, such as `https://portal.example.org`. With `CODEOCEAN_TOKEN` set, these pages act as that token for every visitor.",
  },
  trustedProxies: {
    name: "TRUSTED_PROXIES",
    kind: integer(0, 10),
    default: 0,
    meaning:
      "The number of proxies in front of the gateway, each of which appends the address of its client to `X-Forwarded-For`. Callers without a token are told apart by the address that the first of these proxies appended. 0 trusts no proxy.",
  },
} satisfies Rows

const features = {
  nodeEnv: {
    name: "NODE_ENV",
    kind: z.enum(nodeEnvs, `must be ${nodeEnvs.slice(0, -1).join(", ")} or ${nodeEnvs.at(-1)}, or unset`).optional(),
    meaning: "`production` turns on the checks and defaults for production. `development` and `test` are as unset.",
  },
  codeoceanToken: {
    name: "CODEOCEAN_TOKEN",
    kind: token.optional(),
    meaning:
      "An access token for callers who send none. Leave it empty unless everyone who can reach the gateway may act as this token. If `HOST` can be reached from other machines, the start logs a warning. If not, the token is used only for requests to `localhost` and the like, so that no web page can use it through a name of its own.",
  },
  codeoceanTokenInProduction: {
    name: "CODEOCEAN_TOKEN_IN_PRODUCTION",
    kind: boolean,
    default: false,
    meaning:
      "`true` confirms that `CODEOCEAN_TOKEN` is intended in production. Without it the gateway refuses to start there.",
  },
  graphiql: {
    name: "GRAPHIQL",
    kind: boolean,
    default: outsideProduction,
    meaning:
      "`true` or `false`: whether browsers get the GraphiQL page at `/graphql`. If unset, it is on, and off in production.",
  },
  introspection: {
    name: "INTROSPECTION",
    kind: boolean,
    default: outsideProduction,
    meaning:
      "`true` or `false`: whether the schema can be queried by clients, by GraphiQL, and by routers with `_service`, and whether errors suggest names for misspelt ones. If unset, it is on, and off in production.",
  },
  logPretty: {
    name: "LOG_PRETTY",
    kind: boolean.optional(),
    meaning:
      "`true` or `false`: whether the log has readable lines in place of JSON. Needs the development dependencies. If unset, it is on at a terminal, and off in production.",
  },
  persistedOperationsFile: {
    name: "PERSISTED_OPERATIONS",
    kind: z.string().optional(),
    meaning:
      "A file of operations that clients send by hash or id: a JSON object of documents by their ids, such as GraphQL Code Generator's `persisted-documents.json`. It is read at the start.",
  },
  persistedOperationsOnly: {
    name: "PERSISTED_OPERATIONS_ONLY",
    kind: boolean,
    default: false,
    meaning:
      "`true` rejects every operation that is not in that file, those of GraphiQL and of federation routers included.",
  },
  incrementalDelivery: {
    name: "INCREMENTAL_DELIVERY",
    kind: boolean,
    default: false,
    meaning:
      "`true` allows `@defer` and `@stream`, as an experiment: the format of their responses is going to change.",
  },
} satisfies Rows

const network = {
  httpsProxy: {
    name: "HTTPS_PROXY",
    alias: "https_proxy",
    kind: proxyUrl.optional(),
    meaning:
      "The proxy through which https addresses are reached, Code Ocean's and those of files, such as `http://proxy.example.org:3128`. Credentials may stand before the host. The lower-case spelling works too.",
  },
  httpProxy: {
    name: "HTTP_PROXY",
    alias: "http_proxy",
    kind: proxyUrl.optional(),
    meaning: "The proxy for http addresses, and for https addresses if `HTTPS_PROXY` is unset.",
  },
  noProxy: {
    name: "NO_PROXY",
    alias: "no_proxy",
    kind: z.string(),
    default: "",
    meaning:
      "Hosts that are reached without a proxy, separated by commas: `example.org` with its subdomains, `10.1.2.3`, `storage.example.org:9000`, or `*` for all.",
  },
  fileOrigins: {
    name: "FILE_ORIGINS",
    kind: origins,
    default: "",
    meaning:
      "Origins of storage in a private network from which files may be read, separated by commas, such as `https://minio.example.org:9000`. Other addresses of files must be public.",
  },
} satisfies Rows

const clients = {
  requestDeadlineMs: {
    name: "REQUEST_DEADLINE_MS",
    kind: integer(1, 3_600_000),
    default: 30_000,
    meaning:
      "The longest that one GraphQL request may take with all its calls, retries included, in milliseconds. A stopping gateway waits as long for the requests in flight.",
  },
  callerRequestsPerSecond: {
    name: "CALLER_REQUESTS_PER_SECOND",
    kind: integer(0, 1_000_000),
    default: 1_000,
    meaning:
      "The rate limit of one caller, in requests a second; ten times as many at once after a pause. 0 means no limit. A caller is a token; callers without a token are told apart by their addresses.",
  },
  callerConcurrentRequests: {
    name: "CALLER_CONCURRENT_REQUESTS",
    kind: integer(0, 1_000_000),
    default: 1_000,
    meaning: "The most requests of one caller under way at once, subscriptions not counted. 0 means no limit.",
  },
  callerSubscriptions: {
    name: "CALLER_SUBSCRIPTIONS",
    kind: integer(0, 1_000_000),
    default: 250,
    meaning: "The most subscriptions of one caller. 0 means no limit.",
  },
  concurrentRequests: {
    name: "CONCURRENT_REQUESTS",
    kind: integer(0, 1_000_000),
    default: 2_000,
    meaning:
      "The most requests of all callers under way at once, subscriptions not counted. Others are rejected. 0 means no limit.",
  },
  eventLoopLagMs: {
    name: "EVENT_LOOP_LAG_MS",
    kind: integer(0, 3_600_000),
    default: 2_000,
    meaning:
      "The longest acceptable event-loop delay, in milliseconds. Beyond it the number of requests under way is halved, and then grows again; others are rejected. 0 means no limit.",
  },
  connections: {
    name: "CONNECTIONS",
    kind: integer(0, 1_000_000),
    default: 10_000,
    meaning:
      "The most connections of clients. Beyond it a new connection replaces the one that has been idle longest, or is closed at once if none is idle. 0 means no limit.",
  },
  addressConnections: {
    name: "ADDRESS_CONNECTIONS",
    kind: integer(0, 1_000_000),
    default: 1_000,
    meaning:
      "The most connections from one address (in IPv6 from one network of 64 bits), by the same rule. Not counted with `TRUSTED_PROXIES`. A load balancer without that setting is one address: set it, or 0 here for no limit.",
  },
  keepAliveMs: {
    name: "KEEP_ALIVE_MS",
    kind: integer(1, 3_600_000),
    default: 75_000,
    meaning:
      "How long a connection may be idle between two requests, in milliseconds. Must be longer than the load balancer's own idle time, if there is one.",
  },
} satisfies Rows

const operations = {
  bodyBytes: {
    name: "REQUEST_BODY_BYTES",
    kind: integer(1, 1_000_000_000),
    default: 1024 * 1024,
    meaning: "The largest request body in bytes, ten times a mutation over a thousand ids.",
  },
  depth: {
    name: "OPERATION_DEPTH",
    kind: integer(1, 1_000_000_000),
    default: 25,
    meaning: "The deepest nesting of fields in a document, through all its fragments.",
  },
  estimatedCalls: {
    name: "OPERATION_ESTIMATED_CALLS",
    kind: integer(1, 1_000_000_000),
    default: 50_000,
    meaning:
      "The most calls to Code Ocean by the estimate. An operation whose estimate is higher is rejected before its first call.",
  },
  calls: {
    name: "OPERATION_CALLS",
    kind: integer(1, 1_000_000_000),
    default: 5_000,
    meaning:
      "The most calls to Code Ocean that an operation may make, retries not counted. Fields that need more fail.",
  },
  responseBytes: {
    name: "RESPONSE_BYTES",
    kind: integer(1, 1_000_000_000),
    default: 32 * 1024 * 1024,
    meaning:
      "The largest response in bytes. An operation whose estimate is larger is rejected before its first call. A response that turns out larger is replaced by an error. While a response is made, a value counts 16 bytes at the least, and a field that can make calls 512.",
  },
} satisfies Rows

const upstream = {
  upstreamTimeoutMs: {
    name: "UPSTREAM_TIMEOUT_MS",
    kind: integer(1, 3_600_000),
    default: 15_000,
    meaning: "The longest that one call to Code Ocean may take, from being sent to its last byte, in milliseconds.",
  },
  upstreamConnections: {
    name: "UPSTREAM_CONNECTIONS",
    kind: integer(1, 10_000),
    default: 128,
    meaning: "The most calls to Code Ocean under way at once. More of them are queued.",
  },
  upstreamRetryPercent: {
    name: "UPSTREAM_RETRY_PERCENT",
    kind: integer(0, 100),
    default: 20,
    meaning:
      "How many retries of failed reads are allowed for 100 calls, in addition to one a second and 50 saved up. 0 means no retries.",
  },
  upstreamBreakerCalls: {
    name: "UPSTREAM_BREAKER_CALLS",
    kind: integer(0, 1_000_000),
    default: 20,
    meaning:
      "The circuit breaker: if at least so many calls were made within ten seconds and more than half found Code Ocean down, nothing is sent until a probe succeeds. 0 turns it off.",
  },
} satisfies Rows

/** The groups of the table, in the order of the documents. */
const groups: readonly (readonly [title: string, rows: Rows])[] = [
  ["The six that most deployments need", essential],
  ["Access and features", features],
  ["Network", network],
  ["Limits on clients", clients],
  ["Limits on operations", operations],
  ["Calls to Code Ocean", upstream],
]

export interface OperationLimits extends Values<typeof operations> {}

/** The settings in force. Times are milliseconds. The table has the meaning of each. */
export interface Config
  extends Values<typeof essential>,
    Values<typeof features>,
    Values<typeof network>,
    Values<typeof clients>,
    Values<typeof upstream> {
  readonly limits: OperationLimits
  /** The content of `persistedOperationsFile`. */
  readonly persistedOperations: Manifest | undefined
}

/** One setting, as `.env.example` and `docs/settings.md` show it. */
export interface Setting {
  name: string
  /** As it is written in the environment. Empty if the setting is unset by default. */
  default: string
  meaning: string
}

export const settingGroups: readonly { title: string; settings: readonly Setting[] }[] = groups.map(
  ([title, rows]) => ({
    title,
    settings: Object.values(rows).map(({ name, default: value = "", meaning }) => ({
      name,
      default: value === outsideProduction ? "" : String(value),
      meaning,
    })),
  }),
)

export const settings: readonly Setting[] = settingGroups.flatMap((group) => group.settings)

/** Variables that were settings once, and what holds now. */
const removed: Readonly<Record<string, string>> = {
  COMPILED_EXECUTOR: "always on",
  PLAIN_PATH: "always on",
  BULK_CAPSULE_READS: "always on",
  UPSTREAM_SHARED_READS: "always on",
  UPSTREAM_QUEUE: "100,000",
  SUGGESTIONS: "as INTROSPECTION",
  OPERATION_TOKENS: "10,000",
  OPERATION_NESTING: "100",
  OPERATION_SELECTIONS: "10,000",
  OPERATION_COMPARISONS: "15,000",
  OPERATION_ROOT_FIELDS: "100",
  OPERATION_ALIASES: "500",
  OPERATION_FRAGMENTS: "200",
  OPERATION_DIRECTIVES: "200",
  OPERATION_DIRECTIVES_IN_ONE_PLACE: "5",
  OPERATION_VARIABLE_VALUES: "20,000",
  OPERATION_LIST_ENTRIES: "1,000",
}

/** Host names of this machine that other machines cannot reach. */
export const loopback = /^(localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])$/

/** Whether only programs on this machine can connect to the gateway. */
export function listensLocally({ host }: Pick<Config, "host">): boolean {
  return host === "::1" || loopback.test(host)
}

/** Returns a sentence for each setting that is valid but may be a mistake. */
export function warningsOf(config: Config, environment: Environment): string[] {
  const warnings: string[] = []
  if (config.codeoceanToken !== undefined && !listensLocally(config)) {
    warnings.push(
      `CODEOCEAN_TOKEN is set and HOST is ${config.host}: everyone who reaches port ${config.port} acts as that token. Unless that is meant, remove CODEOCEAN_TOKEN or set HOST=127.0.0.1.`,
    )
  }
  const set = withoutEmpty(environment)
  const ignored = Object.keys(removed).filter((name) => set[name] !== undefined)
  if (ignored.length > 0) {
    warnings.push(
      `These variables are no longer settings and are ignored; in brackets is what holds: ${ignored.map((name) => `${name} (${removed[name]})`).join(", ")}. Remove them.`,
    )
  }
  for (const name of Object.keys(set)) {
    const meant = settingMeantBy(name)
    if (meant !== undefined) warnings.push(`The variable ${name} is no setting and is ignored. Is ${meant} meant?`)
  }
  return warnings
}

/** Settings of other programs that only look like misspelt ones. */
const otherPrograms: ReadonlySet<string> = new Set(["HOSTS", "POST", "PORTS", "COST", "SORT"])

/** Prefixes with which a setting may be written by mistake. Kubernetes itself sets such variables that end with HOST and PORT. */
const mistakenPrefix = /^(CODE_?OCEAN|GATEWAY|CODE_?OCEAN_GATEWAY)_(?!(HOST|PORT)$)/

/** The setting whose name this variable's name is one letter, its case or a prefix away from. */
function settingMeantBy(name: string): string | undefined {
  if (isKnown(name) || Object.hasOwn(removed, name) || otherPrograms.has(name)) return undefined
  const capitals = name.toUpperCase()
  const unprefixed = capitals.replace(mistakenPrefix, "")
  const names = settings.map((setting) => setting.name)
  return (
    names.find((known) => known === capitals || known === unprefixed) ??
    names.find((known) => isOneEditAway(known, capitals))
  )
}

function isKnown(name: string): boolean {
  return groups.some(([, rows]) => Object.values(rows).some((row) => row.name === name || row.alias === name))
}

/** Checks rules between settings. It reads the environment, so that a malformed setting does not hide other problems. */
function problemsBetween(env: Environment): string[] {
  const problems: string[] = []
  if (env.PERSISTED_OPERATIONS_ONLY === "true" && env.PERSISTED_OPERATIONS === undefined) {
    problems.push("PERSISTED_OPERATIONS_ONLY rejects everything as long as PERSISTED_OPERATIONS names no file")
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

/** Thrown by readConfig. Each of the `problems` is a sentence that begins with the variable's name. */
export class ConfigError extends Error {
  readonly problems: readonly string[]
  constructor(problems: readonly string[]) {
    super(`The settings can't be used:\n${problems.map((problem) => `  - ${problem}`).join("\n")}`)
    this.name = "ConfigError"
    this.problems = problems
  }
}

/**
 * Reads the settings from environment variables. An empty value counts as unset.
 * @param readManifest reads the file of persisted operations; throws an Error whose message follows the setting's name
 * @throws ConfigError that names every problem at once; no message repeats a token
 */
export function readConfig(
  environment: Environment,
  readManifest: (path: string) => Manifest = () => {
    throw new Error("cannot be read here: readConfig was called without readManifest")
  },
): Config {
  const env = withoutEmpty(environment)
  const problems: string[] = []
  const values = <Group extends Rows>(rows: Group) => valuesOf(rows, env, problems)
  const config = {
    ...values(essential),
    ...values(features),
    ...values(network),
    ...values(clients),
    ...values(upstream),
    limits: values(operations),
  }
  const persistedOperations = manifestIn(config.persistedOperationsFile, readManifest, problems)
  problems.push(...problemsBetween(env))
  if (problems.length > 0) throw new ConfigError(problems)
  return { ...config, persistedOperations }
}

function withoutEmpty(environment: Environment): Environment {
  return Object.fromEntries(Object.entries(environment).filter(([, value]) => value?.trim()))
}

/** The group's part of Config. It is complete only if no problem was added. */
function valuesOf<Group extends Rows>(rows: Group, env: Environment, problems: string[]): Values<Group> {
  const values: Record<string, unknown> = {}
  for (const [key, { name: usualName, alias, kind, default: byDefault }] of Object.entries<Row>(rows)) {
    const name = alias !== undefined && env[alias] !== undefined ? alias : usualName
    const text = env[name] ?? (byDefault === outsideProduction ? env.NODE_ENV !== "production" : byDefault)?.toString()
    const { data, error } = kind.safeParse(text)
    values[key] = data
    for (const { message } of error?.issues ?? []) problems.push(`${name} ${message}`)
  }
  return values as Values<Group>
}

function manifestIn(
  path: string | undefined,
  readManifest: (path: string) => Manifest,
  problems: string[],
): Manifest | undefined {
  if (path === undefined) return undefined
  try {
    return readManifest(path)
  } catch (error) {
    problems.push(`PERSISTED_OPERATIONS ${(error as Error).message}`)
    return undefined
  }
}
