import { createServer } from "node:http"
import { createGatewayRuntime } from "@graphql-hive/gateway-runtime"
import { defineConfig, getComposedSchemaFromConfig } from "@graphql-mesh/compose-cli"
import { DefaultLogger } from "@graphql-mesh/utils"
import { loadOpenAPISubgraph } from "@omnigraph/openapi"

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

const supergraph = await getComposedSchemaFromConfig(composeConfig, new DefaultLogger())
const gateway = createGatewayRuntime({ supergraph, logging: false })
createServer(gateway).listen(Number(process.env.PORT), "127.0.0.1")
