import {
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLInputField,
  type GraphQLInputType,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isInputObjectType,
  isIntrospectionType,
  isListType,
  isObjectType,
  isRequiredArgument,
  isRequiredInputField,
  isScalarType,
} from "graphql"

/** Scalars that cannot contain a text. */
const withoutText = new Set(["Int", "Float", "Boolean", "ByteCount"])

type Input = GraphQLArgument | GraphQLInputField

/** A place among a field's arguments where a text can be given. */
export interface TextPlace {
  type: GraphQLObjectType
  field: GraphQLField<unknown, unknown>
  /** As errors name it, such as `input.tags[0]`. */
  path: string
  scalar: string
  /** Its description. */
  input: Input
  /** The field's arguments with this text in its place, and the other required ones. */
  argsWith(text: string): Record<string, unknown>
}

/** The maximum length in an argument's description. NaN if there is none. */
export function statedLimit(description: string | null | undefined): number {
  const [, most = ""] =
    /(?:^| )(?:At most|Strings in it have at most) ([\d,]+) characters(?: each)?\.$/.exec(description ?? "") ?? []
  return Number(most.replaceAll(",", "") || Number.NaN)
}

/** Every place of the graph that takes a text of clients. */
export function textPlaces(schema: GraphQLSchema): TextPlace[] {
  return Object.values(schema.getTypeMap()).flatMap((type) => {
    if (!isObjectType(type) || isIntrospectionType(type)) return []
    return Object.values(type.getFields()).flatMap((field) =>
      field.args.flatMap((arg) =>
        placesIn(arg, arg.type).map(({ path, scalar, input, value }) => ({
          type,
          field,
          path: `${arg.name}${path}`,
          scalar,
          input,
          argsWith: (text: string) => ({
            ...Object.fromEntries(
              field.args.filter(isRequiredArgument).map((required) => [required.name, plainValue(required.type)]),
            ),
            [arg.name]: value(text),
          }),
        })),
      ),
    )
  })
}

interface Place {
  path: string
  scalar: string
  input: Input
  value(text: string): unknown
}

function placesIn(input: Input, type: GraphQLInputType): Place[] {
  const nullable = getNullableType(type)
  if (isListType(nullable)) {
    return placesIn(input, nullable.ofType).map((place) => ({
      ...place,
      path: `[0]${place.path}`,
      value: (text) => [place.value(text)],
    }))
  }
  if (isScalarType(nullable)) {
    if (withoutText.has(nullable.name)) return []
    const place = { path: "", scalar: nullable.name, input, value: (text: string): unknown => text }
    if (nullable.name !== "JSON" && nullable.name !== "_Any") return [place]
    return [place, { ...place, path: ".deep[1].text", value: (text: string) => ({ deep: [1, { text }] }) }]
  }
  if (!isInputObjectType(nullable)) return []
  const required = Object.values(nullable.getFields()).filter(isRequiredInputField)
  return Object.values(nullable.getFields()).flatMap((field) =>
    placesIn(field, field.type).map((place) => ({
      ...place,
      path: `.${field.name}${place.path}`,
      value: (text: string) => ({
        ...Object.fromEntries(required.map(({ name, type }) => [name, plainValue(type)])),
        [field.name]: place.value(text),
      }),
    })),
  )
}

/** Some value of this type, as a variable has it. */
function plainValue(type: GraphQLInputType): unknown {
  const nullable = getNullableType(type)
  if (isListType(nullable)) return [plainValue(nullable.ofType)]
  if (isInputObjectType(nullable)) {
    const fields = Object.values(nullable.getFields())
    const wanted = nullable.isOneOf ? fields.slice(0, 1) : fields.filter(isRequiredInputField)
    return Object.fromEntries(wanted.map(({ name, type }) => [name, plainValue(type)]))
  }
  if (!isScalarType(nullable)) return nullable.getValues()[0]?.name
  if (nullable.name === "Boolean") return true
  if (nullable.name === "Int" || nullable.name === "Float" || nullable.name === "ByteCount") return 1
  return getNamedType(nullable).name === "DateTime" ? "2026-08-20" : "1"
}
