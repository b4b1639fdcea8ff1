import { minifyIntrospectionQuery } from "@urql/introspection"
import { type GraphQLSchema, introspectionFromSchema } from "graphql"

/** Writes the part of the schema that urql's cache needs. */
export function plugin(schema: GraphQLSchema): string {
  return `export default ${JSON.stringify(minifyIntrospectionQuery(introspectionFromSchema(schema)))}\n`
}
