import {
  GraphQLEnumType,
  GraphQLInterfaceType,
  GraphQLList,
  GraphQLNonNull,
  GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLResolveInfo,
  GraphQLScalarType,
  GraphQLSchema,
  GraphQLUnionType,
  getNullableType,
  isCompositeType,
  isListType,
  specifiedScalarTypes,
} from "graphql"
import { hash } from "./operations.ts"

/** The state of the odd schema's resolvers. The same seed makes them do the same. */
export interface OddContext {
  resolverSeed: string
  /** Every call of a resolver, in order. */
  calls: string[]
  later: Turns
}

/** Promises that settle one after the other, each in its own iteration of the event loop. */
export class Turns {
  private readonly waiting: (() => void)[] = []

  promise<T>(settle: () => T, isUrgent: boolean): Promise<T> {
    return new Promise((resolve, reject) => {
      const turn = () => {
        try {
          resolve(settle())
        } catch (error) {
          reject(error)
        }
      }
      if (isUrgent) this.waiting.unshift(turn)
      else this.waiting.push(turn)
      setImmediate(() => this.waiting.shift()?.())
    })
  }

  /** Resolves when no promise is pending, also of those that nothing awaits. */
  async over(): Promise<void> {
    do await new Promise((resolve) => setImmediate(resolve))
    while (this.waiting.length > 0)
  }
}

/** A value of each leaf type that the type can serialize. */
const fitting: Record<string, unknown> = {
  String: "text",
  Int: 7,
  Float: 2.5,
  Boolean: true,
  ID: "id",
  Odd: 1,
  Colour: "text",
}

const list = (type: GraphQLOutputType) => new GraphQLList(type)
const always = (type: GraphQLOutputType) => new GraphQLNonNull(type as GraphQLScalarType)

/**
 * A schema with every kind of type, whose resolvers return anything: values and promises, errors that are thrown, returned
 * and rejected, nulls, values of other types, types that don't exist.
 */
export function oddSchema(): GraphQLSchema {
  const Odd = new GraphQLScalarType({
    name: "Odd",
    serialize(value) {
      if (value === "odd") throw new Error("An odd value.")
      return value === "text" ? undefined : value
    },
  })
  const Colour = new GraphQLEnumType({ name: "Colour", values: { RED: { value: "text" }, BLUE: {} } })
  const leaves = [...specifiedScalarTypes, Odd, Colour]
  const Thing: GraphQLInterfaceType = new GraphQLInterfaceType({
    name: "Thing",
    fields: () => ({ id: { type: leaves[0] as GraphQLScalarType }, next: { type: Thing } }),
  })
  const kinds = ["Plain", "Checked", "Late"].map(
    (name) =>
      new GraphQLObjectType({
        name,
        interfaces: [Thing],
        ...(name !== "Plain" && {
          isTypeOf: (_value: unknown, context: OddContext, info: GraphQLResolveInfo) => {
            const is = chooser(context, info, `${name} is`)(12) > 0
            return name === "Late" ? context.later.promise(() => is, false) : is
          },
        }),
        fields: () => {
          const composites: GraphQLOutputType[] = [Thing, Either, ...kinds]
          const types = [...leaves, ...composites].flatMap((type) => [
            type,
            always(type),
            list(type),
            list(always(type)),
            always(list(always(type))),
            list(list(always(type))),
          ])
          const fields = types.map((type, index) => [`f${index}`, { type, args: { n: { type: leaves[0] } }, resolve }])
          return Object.fromEntries([
            ["id", { type: leaves[0], resolve }],
            ["next", { type: Thing, resolve }],
            ...fields,
          ])
        },
      }),
  )
  const Either: GraphQLUnionType = new GraphQLUnionType({
    name: "Either",
    types: kinds.slice(1),
    resolveType(_value, context: OddContext, info) {
      const choose = chooser(context, info, "either")
      const name = ["Checked", "Late", "Checked", "Late", "Late", "Plain", "Nobody", "Odd", undefined][choose(9)]
      return choose(3) === 0 ? context.later.promise(() => name, false) : name
    },
  })
  const [Plain] = kinds
  return new GraphQLSchema({ query: Plain, mutation: kinds[1], types: [...kinds, Thing, Either] })
}

function resolve(_parent: unknown, args: object, context: OddContext, info: GraphQLResolveInfo): unknown {
  context.calls.push(`${pathOf(info)} ${JSON.stringify(args)}`)
  const choose = chooser(context, info, JSON.stringify(args))
  const isUrgent = choose(2) === 0
  const value = () => {
    if (choose(40) === 0) throw new Error("It went wrong.")
    return anyOf(info.returnType, choose, context)
  }
  return choose(3) === 0 ? context.later.promise(value, isUrgent) : value()
}

function anyOf(type: GraphQLOutputType, choose: (below: number) => number, context: OddContext): unknown {
  const oddity = choose(60)
  if (oddity < 2) return null
  if (oddity === 2) return new Error("An error returned.")
  if (oddity === 3) return "odd"
  const nullable = getNullableType(type)
  if (isListType(nullable)) {
    const items = Array.from({ length: choose(4) }, () => {
      const item = () => anyOf(nullable.ofType, choose, context)
      return choose(6) === 0 ? context.later.promise(item, false) : item()
    })
    return choose(5) === 0 ? new Set(items) : items
  }
  if (isCompositeType(nullable)) {
    const names = ["Plain", "Checked", "Late", undefined]
    return { __typename: names[choose(20) === 0 ? 3 : choose(3)] }
  }
  const values: unknown[] = Object.values(fitting)
  return choose(25) === 0 ? values[choose(values.length)] : fitting[nullable.name]
}

/** Random numbers that depend on the seed, the place and the purpose. */
function chooser({ resolverSeed }: OddContext, info: GraphQLResolveInfo, purpose: string): (below: number) => number {
  let state = hash(`${resolverSeed} ${pathOf(info)} ${purpose}`)
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

function pathOf(info: GraphQLResolveInfo): string {
  const keys: (string | number)[] = []
  for (let at: GraphQLResolveInfo["path"] | undefined = info.path; at !== undefined; at = at.prev) keys.unshift(at.key)
  return keys.join(".")
}
