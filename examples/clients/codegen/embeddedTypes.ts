import { type GraphQLSchema, isIntrospectionType, isObjectType } from "graphql"

/** Writes the names of all object types without an id: each belongs to the object that holds it. */
export function plugin(schema: GraphQLSchema): string {
  const roots = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()]
  const types = Object.values(schema.getTypeMap()).filter((type) => isObjectType(type))
  const embedded = types.filter((type) => !isIntrospectionType(type) && !roots.includes(type) && !type.getFields().id)
  return `export const embeddedTypes: readonly string[] = ${JSON.stringify(embedded.map(({ name }) => name))}\n`
}
