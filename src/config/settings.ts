import * as v from "valibot"
import {
  boolean,
  cacheKinds,
  cacheSecret,
  cacheTtls,
  collectorUrl,
  hosts,
  integer,
  logLevel,
  logLevels,
  nodeEnvs,
  origins,
  platformVersion,
  proxyUrl,
  ratio,
  redisUrl,
  sessionSecrets,
  token,
  traceSamplers,
  upstreamUrl,
} from "./kinds.ts"
import { clients, operations } from "./limits.ts"
import { outsideProduction, type Rows } from "./row.ts"

/*
 * The table of settings. `Config`, the checks of the environment, the defaults, `.env.example` and `docs/settings.md` are
 * generated from it. A new setting is one row here, or in `limits.ts`.
 */

export const essential = {
  codeoceanUrl: {
    name: "CODEOCEAN_URL",
    kind: upstreamUrl,
    meaning:
      "Required. The address of Code Ocean, such as `https://codeocean.example.org`. Must be https in production, unless it is this machine.",
  },
  host: {
    name: "HOST",
    kind: v.string(),
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
    meaning: `The minimum level of the lines to log: ${logLevels.join(", ")}.`,
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
      "The number of proxies in front of the gateway, each of which appends the address of its client to `X-Forwarded-For`. Callers without a token are told apart by the address that the first of these proxies appended. With 0 no proxy is trusted.",
  },
} satisfies Rows

export const features = {
  nodeEnv: {
    name: "NODE_ENV",
    kind: v.optional(
      v.picklist(nodeEnvs, `must be ${nodeEnvs.slice(0, -1).join(", ")} or ${nodeEnvs.at(-1)}, or unset`),
    ),
    meaning:
      "`production` turns on the checks and defaults for production. `development` and `test` have the same effect as no value.",
  },
  codeoceanToken: {
    name: "CODEOCEAN_TOKEN",
    secret: "value",
    kind: v.optional(token),
    meaning:
      "An access token for callers who send none. Leave it empty unless everyone who can reach the gateway may act as this token. If `HOST` can be reached from other machines, the start logs a warning. If it cannot, the token is used only for requests to `localhost`, `127.x.x.x` or `[::1]`, so that a web page whose domain name resolves to this machine cannot use it.",
  },
  codeoceanTokenInProduction: {
    name: "CODEOCEAN_TOKEN_IN_PRODUCTION",
    kind: boolean,
    default: false,
    meaning:
      "`true` confirms that `CODEOCEAN_TOKEN` is intended in production. Without it the gateway refuses to start there.",
  },
  sessionSecrets: {
    name: "SESSION_SECRETS",
    secret: "value",
    kind: v.optional(sessionSecrets),
    meaning:
      "Turns on sessions for pages of the gateway's own origin: `/session` seals a user's token in a cookie. Secrets of at least 32 random characters, separated by commas, such as from `openssl rand -base64 33`. The first one seals. All of them open, so put a new one in front of the old one, and remove the old one after three times `SESSION_HOURS`. All replicas need the same. Unset by default: no sessions.",
  },
  sessionHours: {
    name: "SESSION_HOURS",
    kind: integer(1, 168),
    default: 8,
    meaning:
      "After how many hours without a request a session ends. After three times as many hours it ends even if it is used.",
  },
  graphiql: {
    name: "GRAPHIQL",
    kind: boolean,
    default: outsideProduction,
    meaning:
      "`true` or `false`: whether browsers get the GraphiQL page at `/graphql`. The default is `true`, in production `false`.",
  },
  explorer: {
    name: "EXPLORER",
    kind: boolean,
    default: false,
    meaning:
      "`true` serves the explorer, a page for people, at `/explorer/`. It needs `SESSION_SECRETS`. The page contains the address of Code Ocean, to link to its own pages. The Docker image contains the explorer; elsewhere `npm run explorer` builds it.",
  },
  introspection: {
    name: "INTROSPECTION",
    kind: boolean,
    default: outsideProduction,
    meaning:
      "`true` or `false`: whether the schema can be queried by clients, by GraphiQL, and by routers with `_service`, and whether errors suggest names for misspelt ones. The default is `true`, in production `false`.",
  },
  logPretty: {
    name: "LOG_PRETTY",
    kind: v.optional(boolean),
    meaning:
      "`true` or `false`: whether log lines are formatted for reading instead of JSON. Needs the development dependencies. The default is `true` on a terminal outside production, otherwise `false`.",
  },
  persistedOperationsFile: {
    name: "PERSISTED_OPERATIONS",
    kind: v.optional(v.string()),
    meaning:
      "The path of a file with operations that clients send by hash or id. It is a JSON object with the documents by their ids, such as GraphQL Code Generator's `persisted-documents.json`. It is read at the start.",
  },
  persistedOperationsOnly: {
    name: "PERSISTED_OPERATIONS_ONLY",
    kind: boolean,
    default: false,
    meaning:
      "`true` rejects every operation that is not in that file, including the operations of GraphiQL, of the explorer and of federation routers.",
  },
  metricsPort: {
    name: "METRICS_PORT",
    kind: v.optional(integer(0, 65_535)),
    meaning:
      "The port on which metrics for Prometheus are served, at `/metrics` without authentication, on the same `HOST`. 0 picks a free port. Unset by default: no metrics.",
  },
  otlpEndpoint: {
    name: "OTEL_EXPORTER_OTLP_ENDPOINT",
    kind: v.optional(collectorUrl),
    meaning:
      "The address of an OpenTelemetry collector that accepts OTLP over HTTP, such as `http://collector.example.org:4318`. Spans are sent to `/v1/traces` below it. Unset by default: no traces.",
  },
  tracesSampler: {
    name: "OTEL_TRACES_SAMPLER",
    kind: v.picklist(traceSamplers, `must be one of ${traceSamplers.join(", ")}`),
    default: "parentbased_always_on",
    meaning: `Which requests are recorded: ${traceSamplers.join(", ")}. Those with \`parentbased\` follow the decision in the request's \`traceparent\`, if there is one.`,
  },
  tracesSamplerArg: {
    name: "OTEL_TRACES_SAMPLER_ARG",
    kind: ratio,
    default: "1",
    meaning: "The share of traces that `traceidratio` and `parentbased_traceidratio` record, from 0 to 1.",
  },
  incrementalDelivery: {
    name: "INCREMENTAL_DELIVERY",
    kind: boolean,
    default: false,
    meaning: "`true` allows `@defer` and `@stream`. This is an experiment: the format of their responses will change.",
  },
} satisfies Rows

export const agents = {
  mcp: {
    name: "MCP",
    kind: boolean,
    default: false,
    meaning:
      "`true` serves tools for agents at `/mcp`, over the Model Context Protocol. Without `ALLOWED_HOSTS`, only to this machine.",
  },
  mcpMutations: {
    name: "MCP_MUTATIONS",
    kind: boolean,
    default: false,
    meaning: "`true` offers agents the tools that change something, too.",
  },
  mcpTools: {
    name: "MCP_TOOLS",
    kind: v.optional(v.string()),
    meaning:
      "The path of a folder with further tools for agents, one `.graphql` file each. One with the name of a tool of the gateway replaces it. It is read at the start.",
  },
  allowedHosts: {
    name: "ALLOWED_HOSTS",
    kind: hosts,
    default: "",
    meaning:
      "The host names by which agents reach the gateway, separated by commas, such as `gateway.example.org`. Requests to `/mcp` with another `Host` are rejected, except with `localhost`, `127.x.x.x` or `[::1]`. This prevents that a web page whose domain name resolves to the gateway can use it.",
  },
} satisfies Rows

export const network = {
  httpsProxy: {
    name: "HTTPS_PROXY",
    alias: "https_proxy",
    secret: "password",
    kind: v.optional(proxyUrl),
    meaning:
      "The proxy for https addresses of Code Ocean and of files, such as `http://proxy.example.org:3128`. May contain credentials before the host. The name may be in lower case.",
  },
  httpProxy: {
    name: "HTTP_PROXY",
    alias: "http_proxy",
    secret: "password",
    kind: v.optional(proxyUrl),
    meaning: "The proxy for http addresses, and for https addresses if `HTTPS_PROXY` is unset.",
  },
  noProxy: {
    name: "NO_PROXY",
    alias: "no_proxy",
    kind: v.string(),
    default: "",
    meaning:
      "Hosts that are called without a proxy, separated by commas: `example.org` with its subdomains, `10.1.2.3`, `storage.example.org:9000`, or `*` for all.",
  },
  fileOrigins: {
    name: "FILE_ORIGINS",
    kind: origins,
    default: "",
    meaning:
      "Origins of storage in a private network from which files may be read, separated by commas, such as `https://minio.example.org:9000`. Other addresses of files must be public.",
  },
} satisfies Rows

export const upstream = {
  minServerVersion: {
    name: "MIN_SERVER_VERSION",
    kind: platformVersion,
    default: "4.6.0",
    meaning:
      "The oldest version of Code Ocean that the gateway accepts. It is sent with each call as `Min-Server-Version`, and an older deployment rejects the call. Lower it for an older deployment. Fields that the deployment does not have are then null.",
  },
  upstreamTimeoutMs: {
    name: "UPSTREAM_TIMEOUT_MS",
    kind: integer(1, 3_600_000),
    default: 15_000,
    meaning: "The maximum time for one call to Code Ocean, from sending to the last byte, in milliseconds.",
  },
  upstreamConnections: {
    name: "UPSTREAM_CONNECTIONS",
    kind: integer(1, 10_000),
    default: 128,
    meaning: "The maximum number of calls to Code Ocean in flight. Further calls are queued.",
  },
  upstreamRetryPercent: {
    name: "UPSTREAM_RETRY_PERCENT",
    kind: integer(0, 100),
    default: 20,
    meaning:
      "The number of retries of failed reads for each 100 calls, in addition to one per second. Up to 50 unused retries are saved. 0 means no retries.",
  },
  upstreamBreakerCalls: {
    name: "UPSTREAM_BREAKER_CALLS",
    kind: integer(0, 1_000_000),
    default: 20,
    meaning:
      "The minimum number of calls within ten seconds for the circuit breaker to open. It opens if more than half of them failed because Code Ocean is down, and a probe fails too. No call is sent until a probe succeeds. 0 turns it off.",
  },
} satisfies Rows

export const cache = {
  cacheTtls: {
    name: "CACHE_TTL_SECONDS",
    kind: cacheTtls,
    default: "0",
    meaning: `How long responses of Code Ocean are kept for later requests of the same caller, in seconds, at most a day. 0 means not at all. A time for all may be followed by times for single kinds, such as \`60,custom_metadata=3600,release_app_panels=86400\`: ${cacheKinds.join(", ")}. What is kept, and what is never kept, is described in docs/operations.md under Cache. With \`REDIS_URL\` the responses are kept in Redis, otherwise in each process.`,
  },
  cacheSecret: {
    name: "CACHE_SECRET",
    secret: "value",
    kind: v.optional(cacheSecret),
    meaning:
      "A random text of at least 32 characters, the same for all replicas, such as the output of `openssl rand -base64 32`. It makes the names in Redis under which responses are kept. Required in production if responses are kept in Redis.",
  },
} satisfies Rows

export const replicas = {
  redisUrl: {
    name: "REDIS_URL",
    secret: "password",
    kind: v.optional(redisUrl),
    meaning:
      "The Redis server that all replicas of the gateway share, such as `redis://redis.example.org:6379`, or `rediss://…` with TLS. May contain a user name and a password. Then a result is captured once, an object that subscriptions follow is read once, a change is known, and the rate of a caller is limited, in all replicas together. While Redis is not available, each replica works alone. Without this setting nothing is shared.",
  },
} satisfies Rows

/** The groups of the table, in the order of the documents. */
export const groups: readonly (readonly [title: string, rows: Rows])[] = [
  ["The six that most deployments need", essential],
  ["Access and features", features],
  ["Agents", agents],
  ["Network", network],
  ["Limits on clients", clients],
  ["Limits on operations", operations],
  ["Calls to Code Ocean", upstream],
  ["What replicas share", replicas],
  ["The cache", cache],
]

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

/** Variables that are no longer settings, and the value that is used now. */
export const removed: Readonly<Record<string, string>> = {
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
