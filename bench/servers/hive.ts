import { createServer } from "node:http"
import { createGatewayRuntime } from "@graphql-hive/gateway-runtime"
import { defineConfig, getComposedSchemaFromConfig } from "@graphql-mesh/compose-cli"
import { DefaultLogger } from "@graphql-mesh/utils"
import { loadOpenAPISubgraph } from "@omnigraph/openapi"
import { edgesOf } from "./pages.ts"

/**
 * Hive Gateway with a schema that Mesh generates from an OpenAPI description, without custom resolvers. The schema has the shapes of
 * the REST API, with the linked objects added as edges.
 */
const composeConfig = defineConfig({
  subgraphs: [
    {
      sourceHandler: loadOpenAPISubgraph("CodeOcean", {
        source: new URL("openapi.json", import.meta.url).pathname,
        endpoint: `${process.env.UPSTREAM_URL}/api/v1`,
        selectQueryOrMutationField: [{ fieldName: "searchCapsules", type: "Query" }],
        operationHeaders: { authorization: "{context.headers.authorization}" },
      }),
    },
  ],
  additionalTypeDefs: `
    extend type Capsule {
      appPanel: AppPanel @resolveTo(sourceName: "CodeOcean", sourceTypeName: "Query", sourceFieldName: "getAppPanel",
        requiredSelectionSet: "{ id }", sourceArgs: { id: "{root.id}" })
      computations: [Computation] @resolveTo(sourceName: "CodeOcean", sourceTypeName: "Query", sourceFieldName: "listComputations",
        requiredSelectionSet: "{ id }", sourceArgs: { id: "{root.id}" })
    }
    extend type Attached {
      dataAsset: DataAsset @resolveTo(sourceName: "CodeOcean", sourceTypeName: "Query", sourceFieldName: "getDataAsset",
        requiredSelectionSet: "{ id }", sourceArgs: { id: "{root.id}" })
    }`,
})

/** The fields of an item of a page. A resolver of Hive Gateway requests all of them, even if the client selects fewer. */
const items =
  "id name status owner slug created last_accessed description field tags versions { major_version minor_version release_time doi }"

/** Mesh generates no connections. A resolver adds the edges of searches. */
const connections = {
  additionalTypeDefs: `
    extend type CapsulePage { edges(offset: Int! = 0): [CapsuleEdge!]! }
    type CapsuleEdge { cursor: String! node: Capsule! }`,
  additionalResolvers: {
    CapsulePage: {
      edges: {
        selectionSet: `{ results { ${items} } }`,
        resolve: ({ results }: { results: object[] }, { offset }: { offset: number }) =>
          edgesOf({ nodes: results, offset, hasNextPage: false }),
      },
    },
  },
}

const supergraph = await getComposedSchemaFromConfig(composeConfig, new DefaultLogger())
const gateway = createGatewayRuntime({ supergraph, logging: false, ...connections })
createServer(gateway).listen(Number(process.env.PORT), "127.0.0.1")
