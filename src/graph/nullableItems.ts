import {
  GraphQLList,
  GraphQLNonNull,
  type GraphQLOutputType,
  type GraphQLSchema,
  isInterfaceType,
  isIntrospectionType,
  isListType,
  isNonNullType,
  isObjectType,
} from "graphql"

/**
 * Makes the items of every list that the graph returns nullable, which Pothos has to be told at each field. One item that can't be read
 * is then null, with an error at its own path, instead of failing its list. The edges of a connection stay as they are: the gateway makes
 * them, and the `node` in one is null.
 */
export function withNullableItems(schema: GraphQLSchema): GraphQLSchema {
  for (const type of Object.values(schema.getTypeMap())) {
    if (isIntrospectionType(type) || (!isObjectType(type) && !isInterfaceType(type))) continue
    for (const field of Object.values(type.getFields())) {
      if (!type.name.endsWith("Connection") || field.name !== "edges") field.type = nullableItems(field.type)
    }
  }
  return schema
}

function nullableItems(type: GraphQLOutputType): GraphQLOutputType {
  if (isNonNullType(type)) return isListType(type.ofType) ? new GraphQLNonNull(nullableItems(type.ofType)) : type
  return isListType(type) && isNonNullType(type.ofType) ? new GraphQLList(type.ofType.ofType) : type
}
