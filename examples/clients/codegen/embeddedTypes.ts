import { type GraphQLSchema, isIntrospectionType, isObjectType } from "graphql"

/** Writes the names of all object types that are no Node: each belongs to the object that holds it. */
export function plugin(schema: GraphQLSchema): string {
  const roots = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()]
  const names = Object.values(schema.getTypeMap())
    .filter((type) => isObjectType(type) && !isIntrospectionType(type) && !roots.includes(type))
    .filter((type) => isObjectType(type) && !type.getInterfaces().some(({ name }) => name === "Node"))
    .map(({ name }) => JSON.stringify(name))
  return `export const embeddedTypes: readonly string[] = [\n  ${names.join(",\n  ")},\n]\n`
}
