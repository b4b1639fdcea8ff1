import type { DocumentNode } from "graphql"
import { createYoga } from "graphql-yoga"
import type { LRUCache } from "lru-cache"
import type { Config } from "../config/config.ts"
import { schema } from "../graph/schema.ts"
import type { CheckOperation } from "../operation/check.ts"
import { createErrorCache } from "../operation/documentCache.ts"
import type { Limits } from "../operation/limits.ts"
import type { PersistedOperations } from "../operation/persisted/operations.ts"
import type { Pollers } from "../polling/pollers.ts"
import type { BuildContext } from "./buildContext.ts"
import type { Compress } from "./compression.ts"
import { createExamples, type ExampleIds } from "./graphiql/examples.ts"
import { useBodyLimit } from "./plugins/useBodyLimit.ts"
import { useCancellation } from "./plugins/useCancellation.ts"
import { useCompiledExecutor } from "./plugins/useCompiledExecutor.ts"
import { useCsrfPrevention } from "./plugins/useCsrfPrevention.ts"
import { useGraphiql } from "./plugins/useGraphiql.ts"
import { useIncrementalDelivery } from "./plugins/useIncrementalDelivery.ts"
import { useOperationLimits } from "./plugins/useOperationLimits.ts"
import { usePersistedOperations } from "./plugins/usePersistedOperations.ts"
import { useReadiness } from "./plugins/useReadiness.ts"
import { useRequests } from "./plugins/useRequests.ts"
import { useSubscriptionLimit } from "./plugins/useSubscriptionLimit.ts"
import type { ServerContext } from "./requestState.ts"
import { corsOptions } from "./respond.ts"

/** GraphQL over HTTP by Yoga, with all features as plugins. The fast path answers the common operations instead. */
export function createGraphqlServer(options: {
  /** The path of GraphQL. */
  endpoint: string
  config: Pick<Config, "corsOrigins" | "graphiql" | "incrementalDelivery" | "introspection">
  limits: Limits
  /** Whether sessions are on. */
  sessions: boolean
  /** What GraphiQL of the demo has: a token for everyone who opens it, and ids for the examples. */
  graphiql: { token: string | undefined; ids: ExampleIds | undefined }
  /** False executes operations with graphql-js. */
  compiledExecutor: boolean
  documents: LRUCache<string, DocumentNode>
  persisted: PersistedOperations
  checkOperation: CheckOperation
  buildContext: BuildContext
  pollers: Pollers
  compress: Compress
  readiness: Parameters<typeof useReadiness>[0]
}) {
  const { endpoint, config, limits, documents, persisted, checkOperation, buildContext, pollers, compress } = options
  return createYoga<ServerContext>({
    schema,
    graphqlEndpoint: endpoint,
    healthCheckEndpoint: "/health",
    graphiql: false,
    landingPage: false,
    logging: false,
    // useRequests presents all errors.
    maskedErrors: false,
    // useBodyLimit is the limit.
    maxRequestBodySize: false,
    multipart: false,
    parserAndValidationCache: { documentCache: documents, errorCache: createErrorCache() },
    cors: (request) => corsOptions(request.headers.get("origin"), config.corsOrigins),
    // On the fast path, only the hooks on parsing and validation run, once for each text. fastPath.ts does the rest itself.
    plugins: [
      // First, so that the responses of all others get their headers and their log line.
      useRequests({ endpoint, buildContext, pollers, maxResponseBytes: limits.responseBytes, compress }),
      useReadiness(options.readiness),
      // Before the checks of GraphQL requests, which the navigation of a browser is not.
      config.graphiql &&
        useGraphiql({
          endpoint,
          examples: createExamples(options.graphiql.ids),
          sessions: options.sessions,
          token: options.graphiql.token,
        }),
      useCsrfPrevention(),
      useBodyLimit(limits.bodyBytes),
      usePersistedOperations(persisted),
      useOperationLimits({ limits, checkOperation, introspection: config.introspection }),
      config.incrementalDelivery && useIncrementalDelivery(),
      useSubscriptionLimit(),
      useCancellation(),
      options.compiledExecutor && useCompiledExecutor(limits.responseBytes),
    ],
  })
}
