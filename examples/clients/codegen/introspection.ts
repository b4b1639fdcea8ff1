import { minifyIntrospectionQuery } from "@urql/introspection"
import { type GraphQLSchema, introspectionFromSchema } from "graphql"

/** Writes what urql's cache needs to know of the schema. */
export function plugin(schema: GraphQLSchema): string {
  return `export default ${JSON.stringify(minifyIntrospectionQuery(introspectionFromSchema(schema)))}\n`
}
