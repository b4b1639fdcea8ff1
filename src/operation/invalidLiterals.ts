import {
  type ASTNode,
  type DirectiveNode,
  type DocumentNode,
  type FieldNode,
  GraphQLError,
  Kind,
  type ValueNode,
  visit,
} from "graphql"

/**
 * Says in the errors for invalid literals where they are, as graphql-js does for variables: its validation names only the value.
 * `Argument "filters" of "searchCapsules" got an invalid value at "filters[2].key"; …`
 */
export function withPlaces(errors: readonly GraphQLError[], document: DocumentNode): readonly GraphQLError[] {
  const places = new Map<ASTNode, string>()
  for (const { nodes } of errors) if (nodes?.length === 1) places.set(nodes[0] as ASTNode, "")
  visit(document, {
    enter(node, _key, parent, _path, ancestors) {
      if (places.has(node) && isValue(node)) places.set(node, placeOf([...ancestors, parent as ASTNode, node]))
    },
  })
  return errors.map((error) => {
    const { nodes, extensions } = error
    const place = nodes?.length === 1 && places.get(nodes[0] as ASTNode)
    return place ? new GraphQLError(place + error.message, { nodes, extensions, originalError: error }) : error
  })
}

/**
 * Names in an error of execution about an argument the variables of its value. Only a variable that is null can make a value invalid
 * that has passed validation: one with a default value may stand where null may not.
 */
export function withVariables(error: GraphQLError): GraphQLError {
  const { nodes, source, positions, path, originalError, extensions, message } = error
  const [value] = nodes ?? []
  if (value === undefined || !aboutArgument.test(message)) return error
  const names = new Set<string>()
  visit(value, { Variable: ({ name }) => void names.add(`"$${name.value}"`) })
  if (names.size === 0) return error
  const listed = [...names].join(", ")
  const cause = names.size === 1 ? `The variable ${listed} is null.` : `One of ${listed} is null, and must not be.`
  return new GraphQLError(`${message} ${cause}`, {
    nodes,
    source,
    positions,
    path,
    originalError,
    extensions,
  })
}

const aboutArgument = /^Argument "\w+" (has invalid value |of non-null type \S+ must not be null\.$)/

function isValue({ kind }: ASTNode): boolean {
  return kind === Kind.OBJECT_FIELD || (kind.endsWith("Value") && kind !== Kind.VARIABLE)
}

/** @param ancestry the nodes and lists of nodes from the document to the value */
function placeOf(ancestry: readonly (ASTNode | readonly ASTNode[])[]): string {
  let path = ""
  for (let index = ancestry.length - 1; index >= 0; index--) {
    const at = ancestry[index] as ASTNode | readonly ASTNode[]
    if ("length" in at) continue
    if (at.kind === Kind.OBJECT_FIELD) path = `.${at.name.value}${path}`
    else if (at.kind === Kind.LIST && index < ancestry.length - 1) {
      path = `[${at.values.indexOf(ancestry[index + 2] as ValueNode)}]${path}`
    } else if (at.kind === Kind.VARIABLE_DEFINITION) {
      const name = at.variable.name.value
      return `Variable "$${name}" has an invalid default value${atPath(name, path)}; `
    } else if (at.kind === Kind.ARGUMENT) {
      // Between an argument and its field or directive is the list of arguments.
      const owner = ancestry[index - 2] as FieldNode | DirectiveNode
      const ownerName = `${owner.kind === Kind.DIRECTIVE ? "@" : ""}${owner.name.value}`
      return `Argument "${at.name.value}" of "${ownerName}" got an invalid value${atPath(at.name.value, path)}; `
    }
  }
  return ""
}

function atPath(name: string, path: string): string {
  return path === "" ? "" : ` at "${name}${path}"`
}
