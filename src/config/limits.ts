import { integer } from "./kinds.ts"
import type { Rows } from "./row.ts"

export const clients = {
  requestDeadlineMs: {
    name: "REQUEST_DEADLINE_MS",
    kind: integer(1, 3_600_000),
    default: 30_000,
    meaning:
      "The maximum time for one GraphQL request with all its calls and retries, in milliseconds. A stopping gateway waits for this time for the requests in flight.",
  },
  callerRequestsPerSecond: {
    name: "CALLER_REQUESTS_PER_SECOND",
    kind: integer(0, 1_000_000),
    default: 1_000,
    meaning:
      "The maximum rate of one caller, in requests per second. After a pause ten times as many may be sent at once. 0 means no limit. A caller is a token; callers without a token are told apart by their addresses. With `REDIS_URL` the limit holds for all replicas together.",
  },
  callerConcurrentRequests: {
    name: "CALLER_CONCURRENT_REQUESTS",
    kind: integer(0, 1_000_000),
    default: 1_000,
    meaning: "The maximum number of requests of one caller in flight, not counting subscriptions. 0 means no limit.",
  },
  callerSubscriptions: {
    name: "CALLER_SUBSCRIPTIONS",
    kind: integer(0, 1_000_000),
    default: 250,
    meaning: "The maximum number of subscriptions of one caller. 0 means no limit.",
  },
  concurrentRequests: {
    name: "CONCURRENT_REQUESTS",
    kind: integer(0, 1_000_000),
    default: 2_000,
    meaning:
      "The maximum number of requests of all callers in flight, not counting subscriptions. Others are rejected. 0 means no limit.",
  },
  eventLoopLagMs: {
    name: "EVENT_LOOP_LAG_MS",
    kind: integer(0, 3_600_000),
    default: 2_000,
    meaning:
      "The maximum event-loop delay, in milliseconds. Above it the number of requests in flight is limited to half, and then grows again. Others are rejected. 0 means no limit.",
  },
  connections: {
    name: "CONNECTIONS",
    kind: integer(0, 1_000_000),
    default: 10_000,
    meaning:
      "The maximum number of client connections. Above it a new connection replaces the one that has been idle longest, or is closed if none is idle. 0 means no limit.",
  },
  addressConnections: {
    name: "ADDRESS_CONNECTIONS",
    kind: integer(0, 1_000_000),
    default: 1_000,
    meaning:
      "The maximum number of connections from one address (in IPv6 from one /64 network), by the same rule. Not counted with `TRUSTED_PROXIES`. Without that setting all connections of a load balancer come from one address: set it, or set 0 here for no limit.",
  },
  keepAliveMs: {
    name: "KEEP_ALIVE_MS",
    kind: integer(1, 3_600_000),
    default: 75_000,
    meaning:
      "The maximum time for which a connection may be idle between two requests, in milliseconds. Must be longer than the load balancer's own idle timeout, if there is one.",
  },
} satisfies Rows

export const operations = {
  bodyBytes: {
    name: "REQUEST_BODY_BYTES",
    kind: integer(1, 1_000_000_000),
    default: 1024 * 1024,
    meaning:
      "The maximum size of a request body in bytes. The default is ten times the size of a mutation with a thousand ids.",
  },
  depth: {
    name: "OPERATION_DEPTH",
    kind: integer(1, 1_000_000_000),
    default: 25,
    meaning: "The maximum depth of nested fields in a document, fragments included.",
  },
  estimatedCalls: {
    name: "OPERATION_ESTIMATED_CALLS",
    kind: integer(1, 1_000_000_000),
    default: 50_000,
    meaning:
      "The maximum number of estimated calls to Code Ocean. An operation with a higher estimate is rejected before its first call.",
  },
  calls: {
    name: "OPERATION_CALLS",
    kind: integer(1, 1_000_000_000),
    default: 5_000,
    meaning:
      "The maximum number of calls to Code Ocean that an operation may make, not counting retries. Fields that need more fail.",
  },
  responseBytes: {
    name: "RESPONSE_BYTES",
    kind: integer(1, 1_000_000_000),
    default: 32 * 1024 * 1024,
    meaning:
      "The maximum size of a response in bytes. An operation with a larger estimate is rejected before its first call. A response that turns out larger is replaced by an error. While a response is built, a value counts at least 16 bytes, and a field that can make calls at least 512.",
  },
} satisfies Rows
