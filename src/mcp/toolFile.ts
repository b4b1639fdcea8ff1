import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import {
  type DocumentNode,
  type FragmentDefinitionNode,
  type GraphQLSchema,
  Kind,
  type OperationDefinitionNode,
  OperationTypeNode,
  parse,
  type SelectionSetNode,
  validate,
} from "graphql"
import { inputSchemaOf, type JsonSchema, outputSchemaOf } from "./jsonSchema.ts"

/** A tool for agents: an operation with its description. */
export interface Tool {
  /** The name of the file, in snake_case. */
  name: string
  title: string
  description: string
  /** The text of the file. */
  text: string
  document: DocumentNode
  operation: OperationDefinitionNode
  operationName: string
  /** A query with the same variables that shows what the operation would change. */
  previewName: string | undefined
  /** Whether the operation changes anything in Code Ocean. */
  writes: boolean
  /** Whether it deletes something. Then the user is asked first. */
  deletes: boolean
  /** Whether the operation can remove or overwrite something. */
  destructive: boolean
  /** Whether repeating it with the same arguments changes nothing more. */
  idempotent: boolean
  inputSchema: JsonSchema
  outputSchema: JsonSchema
}

/** The arguments that the gateway adds to tools, and reads itself. */
export const ownArguments = { seconds: "seconds", confirm: "confirm" } as const

/** How long a tool waits for the last event of a subscription, in seconds. Clients give up after 60 by default. */
export const defaultWaitSeconds = 50
const maxWaitSeconds = 3_600

/**
 * Reads all tools of a folder, in the order of their names.
 * Throws an Error whose message is a predicate for the name of a setting: "names <folder>, …".
 */
export function readTools(folder: string, schema: GraphQLSchema): Tool[] {
  let names: string[]
  try {
    names = readdirSync(folder).filter((name) => name.endsWith(".graphql"))
  } catch (error) {
    throw new Error(`names ${folder}, which cannot be read (${(error as NodeJS.ErrnoException).code})`)
  }
  const files = new Map<string, string>()
  return names.toSorted().map((name) => {
    try {
      const tool = toolOf(name.replace(/\.graphql$/, ""), readFileSync(join(folder, name), "utf8"), schema)
      const other = files.get(tool.name)
      if (other !== undefined) throw new Error(`${other} is the tool ${tool.name}, too`)
      files.set(tool.name, name)
      return tool
    } catch (error) {
      throw new Error(`names ${folder}, whose file ${name} can't be used: ${(error as Error).message}`)
    }
  })
}

function toolOf(fileName: string, text: string, schema: GraphQLSchema): Tool {
  if (!/^[a-z]\w{0,63}$/i.test(fileName)) throw new Error("a tool's name has up to 64 letters, digits and _")
  const document = parse(text)
  const [error] = validate(schema, document)
  if (error !== undefined) throw new Error(error.message)
  const operations = document.definitions.filter((definition) => definition.kind === Kind.OPERATION_DEFINITION)
  const [operation, ...previews] = operations.toSorted((a, b) => Number(isQuery(a)) - Number(isQuery(b)))
  const [preview, ...more] = previews
  if (operation?.name === undefined || more.length > 0 || (preview !== undefined && !isQuery(preview))) {
    throw new Error("it must contain one operation with a name, and at most one query beside it")
  }
  if (preview !== undefined && isQuery(operation)) throw new Error("it contains two queries")
  const comments = commentsOf(text)
  if (comments.description === "") throw new Error("it does not begin with comments that describe the tool")
  const fields = rootFields(document, operation)
  const writes = isWrite(operation, fields, schema)
  const deletes = operation.operation === OperationTypeNode.MUTATION && fields.some(isDelete)
  return {
    name: fileName.replace(/[A-Z]/g, (capital) => `_${capital.toLowerCase()}`),
    title: comments.marks.get("title") ?? fileName,
    description: comments.description,
    text,
    document,
    operation,
    operationName: operation.name.value,
    previewName: preview?.name?.value,
    writes,
    deletes,
    destructive: deletes || comments.marks.has("destructive"),
    idempotent: comments.marks.has("idempotent"),
    inputSchema: withOwnArguments(inputSchemaOf(operation, schema, comments.variables), operation, deletes),
    outputSchema: outputSchemaOf(document, operation, schema),
  }
}

function isQuery({ operation }: OperationDefinitionNode): boolean {
  return operation === OperationTypeNode.QUERY
}

/** The fields at the root, also those in fragments. */
function rootFields(document: DocumentNode, { selectionSet }: { selectionSet: SelectionSetNode }): string[] {
  return selectionSet.selections.flatMap((selection) => {
    if (selection.kind === Kind.FIELD) return [selection.name.value]
    if (selection.kind === Kind.INLINE_FRAGMENT) return rootFields(document, selection)
    const fragment = document.definitions.find(
      (definition) => definition.kind === Kind.FRAGMENT_DEFINITION && definition.name.value === selection.name.value,
    )
    return rootFields(document, fragment as FragmentDefinitionNode)
  })
}

const isDelete = (field: string) => field.startsWith("delete")

/** A subscription writes if there is a mutation of the same name, such as `captureResult`. */
function isWrite({ operation }: OperationDefinitionNode, fields: readonly string[], schema: GraphQLSchema): boolean {
  if (operation !== OperationTypeNode.SUBSCRIPTION) return operation === OperationTypeNode.MUTATION
  const mutations = schema.getMutationType()?.getFields() ?? {}
  return fields.some((field) => field in mutations)
}

function withOwnArguments(schema: JsonSchema, { operation }: OperationDefinitionNode, deletes: boolean): JsonSchema {
  const properties = { ...schema.properties }
  if (operation === OperationTypeNode.SUBSCRIPTION) {
    properties[ownArguments.seconds] = {
      type: "integer",
      minimum: 1,
      maximum: maxWaitSeconds,
      default: defaultWaitSeconds,
      description: "How long to wait.",
    }
  }
  if (deletes) {
    properties[ownArguments.confirm] = { type: "boolean", description: "True only if the user has agreed." }
  }
  return { ...schema, properties }
}

interface Comments {
  description: string
  /** The values of lines such as `# @title Find data`. Empty for marks without a value. */
  marks: Map<string, string>
  /** By the names of variables. */
  variables: Map<string, string>
}

/** Reads the comments at the beginning of a file. */
function commentsOf(text: string): Comments {
  const description: string[] = []
  const marks = new Map<string, string>()
  const variables = new Map<string, string>()
  for (const line of text.split("\n")) {
    if (!line.startsWith("#")) break
    const comment = line.slice(1).trim()
    const [head = "", ...rest] = comment.split(" ")
    const value = rest.join(" ").trim()
    if (head.startsWith("@")) marks.set(head.slice(1), value)
    else if (head.startsWith("$") && head.endsWith(":")) variables.set(head.slice(1, -1), value)
    else description.push(comment)
  }
  return { description: description.join(" "), marks, variables }
}
