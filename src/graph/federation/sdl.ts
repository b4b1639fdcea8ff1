import {
  type ConstDirectiveNode,
  type DocumentNode,
  type GraphQLField,
  type GraphQLInterfaceType,
  type GraphQLObjectType,
  type GraphQLSchema,
  type InterfaceTypeDefinitionNode,
  isUnionType,
  lexicographicSortSchema,
  type ObjectTypeDefinitionNode,
  parse,
  print,
  printSchema,
  visit,
} from "graphql"
import { argumentWeightsOf, weightsOf } from "./weights.ts"

const specification = "https://specs.apollo.dev/federation/v2.9"

/** A directive of GraphQL itself. Apollo's composition accepts it only if the subgraph defines it. */
const oneOf = "directive @oneOf on INPUT_OBJECT"

/** Types that other subgraphs may define too, because they mean the same everywhere. Scalars, enums and inputs always may. */
const shareable: ReadonlySet<string> = new Set(["PageInfo"])

/** The SDL for clients, without the parts for routers. */
export function apiSdl(schema: GraphQLSchema): string {
  return laidOut(apiDocument(schema))
}

/** The SDL for registries and routers: a subgraph of Federation 2. */
export function subgraphSdl(schema: GraphQLSchema): string {
  const entity = schema.getType("_Entity")
  const entities = new Set(isUnionType(entity) ? entity.getTypes().map(({ name }) => name) : [])
  const used = new Set<string>()
  const marked = <Node extends { directives?: readonly ConstDirectiveNode[] }>(node: Node, marks: string[]): Node => {
    const directives = directivesOf(marks.join(" "))
    for (const { name } of directives) used.add(`@${name.value}`)
    return { ...node, directives: [...(node.directives ?? []), ...directives] }
  }
  const withWeights = (node: ObjectTypeDefinitionNode | InterfaceTypeDefinitionNode) => {
    const owner = schema.getType(node.name.value) as GraphQLObjectType | GraphQLInterfaceType
    return (node.fields ?? []).map((fieldNode) => {
      const field = owner.getFields()[fieldNode.name.value] as GraphQLField<unknown, unknown>
      const args = (fieldNode.arguments ?? []).map((node) => marked(node, argumentWeightsOf(field, node.name.value)))
      return marked({ ...fieldNode, arguments: args }, weightsOf(owner, field))
    })
  }
  const document = visit(apiDocument(schema), {
    // @defer and @stream, which a setting adds, concern only how a response is sent, and are not part of the graph.
    DirectiveDefinition: () => null,
    InterfaceTypeDefinition: (node) => ({ ...node, fields: withWeights(node) }),
    ObjectTypeDefinition: (node) =>
      marked({ ...node, fields: withWeights(node) }, [
        ...(entities.has(node.name.value) ? ['@key(fields: "id")'] : []),
        ...(shareable.has(node.name.value) ? ["@shareable"] : []),
      ]),
  })
  const imports = JSON.stringify([...used].sort()).replaceAll(",", ", ")
  return `extend schema @link(url: "${specification}", import: ${imports})\n\n${oneOf}\n\n${laidOut(document)}`
}

/** By the specification's convention, names that only routers use begin with an underscore. */
function apiDocument(schema: GraphQLSchema): DocumentNode {
  const leaveOut = ({ name }: { name: { value: string } }) => (name.value.startsWith("_") ? null : undefined)
  return visit(parse(printSchema(lexicographicSortSchema(schema))), {
    FieldDefinition: leaveOut,
    ObjectTypeDefinition: leaveOut,
    ScalarTypeDefinition: leaveOut,
    UnionTypeDefinition: leaveOut,
  })
}

function directivesOf(text: string): readonly ConstDirectiveNode[] {
  return (parse(`type T ${text}`).definitions[0] as ObjectTypeDefinitionNode).directives ?? []
}

/** Prints the document with an empty line before each description except the first of a block, as `printSchema` does. */
function laidOut(document: DocumentNode): string {
  const lines: string[] = []
  let isDescription = false
  for (const line of print(document).split("\n")) {
    const quotes = line.split('"""').length - 1
    if (quotes > 0 && !isDescription) lines.push("")
    if (quotes === 1) isDescription = !isDescription
    lines.push(line)
  }
  const text = lines
    .join("\n")
    .replaceAll(/([{(])\n\n/g, "$1\n")
    .replaceAll(/\n{3,}/g, "\n\n")
  return `${text.trim()}\n`
}
