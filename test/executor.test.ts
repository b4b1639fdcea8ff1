import {
  buildSchema,
  type ExecutionArgs,
  execute,
  type GraphQLFieldResolver,
  GraphQLList,
  GraphQLNonNull,
  GraphQLObjectType,
  type GraphQLResolveInfo,
  GraphQLSchema,
  GraphQLString,
  getIntrospectionQuery,
  getVariableValues,
  type OperationDefinitionNode,
  parse,
  validate,
} from "graphql"
import { expect, test } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { startSandbox } from "../sandbox/server.ts"
import { TwoGenerationCache } from "../src/collections/twoGenerationCache.ts"
import type { Context } from "../src/graph/context.ts"
import { linkAt } from "../src/graph/loader.ts"
import { schema } from "../src/graph/schema.ts"
import { createLog } from "../src/log/log.ts"
import { createEstimator } from "../src/operation/estimate/estimator.ts"
import { prepareExecution } from "../src/operation/executor/operation.ts"
import { createUpstreamPool } from "../src/upstream/pool.ts"
import { compiled, type Execute, executed, executorBefore, textOf } from "./support/executors.ts"
import { startSpoiling } from "./support/faultyUpstream.ts"
import { collectGarbage } from "./support/garbage.ts"
import { type OddContext, oddSchema, Turns } from "./support/oddSchema.ts"
import { type ValuesFor, writeOperation } from "./support/operations.ts"
import { fc } from "./support/properties.ts"

const idsOf = (...names: (keyof typeof seed)[]) => names.map((name) => seed[name])
const capsules = idsOf(
  "cellCounter",
  "releasedCellCounter",
  "spikeSorting",
  "driftCorrection",
  "oldForms",
  "graceNotebook",
)
const pipelines = idsOf("ecephysPipeline", "imagingPipeline", "gracePipeline")
const runs = idsOf("countedCells", "failedCount", "sortedRun", "hollowSuccess", "pipelineRun", "runningAlignment")
const assets = idsOf("sortedSpikes", "pipelineResult", "combinedRecordings", "cellImages", "oldAsset", "privateAsset")
const jobs = idsOf("secondRelease", "failedRelease", "imagingRelease")
const noIds = ["00000000-0000-4000-8000-000000000000", "", ".."]
const allIds = [...capsules, ...pipelines, ...runs, ...assets, ...noIds]

const values: Record<string, readonly unknown[]> = {
  String: ["", "cell", "tag:ecephys", "output", "figures", "/data", "a name"],
  Int: [1, 2, 3, 5, 20, 0, -1, 1000, 1001],
  Float: [0, 1.5, -3],
  Boolean: [true, false],
  DateTime: ["2024-01-01", "2026-08-20T09:30:00Z"],
  ByteCount: [0, 1000],
  JSON: [1, "a", [1, 2], { a: { b: null } }],
  _Any: [
    ...capsules.map((id) => ({ __typename: "Capsule", id })),
    ...pipelines.map((id) => ({ __typename: "Pipeline", id })),
    ...runs.map((id) => ({ __typename: "Computation", id })),
    ...assets.map((id) => ({ __typename: "DataAsset", id })),
    { __typename: "Nothing" },
  ],
}

const valuesFor: ValuesFor = (scalar, name) => {
  if (scalar !== "ID") return values[scalar] ?? [null]
  const fitting = [/jobId/, /asset/i, /pipeline/i, /capsule/i, /computation/i].findIndex((word) => word.test(name))
  return [...([jobs, assets, pipelines, capsules, runs][fitting] ?? allIds), ...noIds.slice(0, 1)]
}

/** How many operations each comparison generates. More of them find rarer differences. */
const operations = Number(process.env.EXECUTOR_OPERATIONS ?? 300)
const comparison = { timeout: 300_000 + operations * 100 }

/** The variables with true for false, and false for true. */
function opposite(variables: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(variables).map(([name, value]) => [name, typeof value === "boolean" ? !value : value]),
  )
}

/** Compares the results of both executors for generated operations. */
async function compare(
  among: { schema: GraphQLSchema; valuesFor: ValuesFor },
  answerOf: (run: Execute, args: ExecutionArgs, resolverSeed: string, name: string) => Promise<object>,
): Promise<void> {
  let asked = 0
  const property = fc.asyncProperty(fc.gen(), fc.nat(), async (g, resolverSeed) => {
    const { query, variables, operationName } = writeOperation(among.schema, among.valuesFor, g)
    const document = parse(query)
    fc.pre(validate(among.schema, document).length === 0)
    // The second time the operation is prepared already, and other fields are left out.
    for (const given of [variables, opposite(variables)]) {
      const args = { schema: among.schema, document, variableValues: given, operationName: operationName ?? null }
      asked += 1
      const theirs = await answerOf(execute, args, String(resolverSeed), `${asked}a`)
      const ours = await answerOf(compiled, args, String(resolverSeed), `${asked}b`)
      expect(ours, `${query}\n${JSON.stringify({ variables: given, operationName })}`).toEqual(theirs)
    }
  })
  await fc.assert(property, {
    numRuns: operations,
    interruptAfterTimeLimit: comparison.timeout - 10_000,
    markInterruptAsFailure: true,
  })
}

test(
  "any operation has the result and the calls that graphql-js gives it, whatever Code Ocean answers",
  comparison,
  async () => {
    const sandbox = await startSandbox()
    const upstream = await startSpoiling(sandbox.url)
    const log = createLog("silent", { write() {} })
    // One connection, so that responses come in the order of the requests.
    const upstreamPool = createUpstreamPool({
      url: new URL(`${upstream.url}/`),
      minServerVersion: "4.6.0",
      connections: 1,
      timeoutMs: 10_000,
      deadlineMs: 60_000,
      maxCalls: 1_000,
      maxQueued: 0,
      retryPercent: 0,
      breakerCalls: 0,
      sharedReads: false,
      log,
    })
    await compare({ schema, valuesFor }, async (run, args, resolverSeed, name) => {
      const requestId = `${resolverSeed}.${name}`
      const caller = {
        token: { value: tokens.ada },
        tokenDigest: "ada",
        key: "ada",
        agentId: undefined,
        requestId,
        log,
        cost: { upstreamCalls: 0, sharedCalls: 0, estimatedUpstreamCalls: null },
      }
      const request = upstreamPool.forCaller(caller, { retryReads: false })
      const contextValue: Partial<Context> = {
        upstream: request,
        state: caller,
        perRequest: undefined,
        warnUnknownEnum() {},
        typeById: new TwoGenerationCache(1_000),
        recentChanges: { has: () => false, isArchived: () => undefined } as unknown as Context["recentChanges"],
      }
      const answer = await run({ ...args, contextValue })
      request.end()
      return { answer: textOf(answer), calls: upstream.callsOf(requestId) }
    })
    await upstreamPool.close()
    await sandbox.close()
  },
)

/** graphql-js leaves some rejections unhandled if their parent has failed already. Only those of the gateway's executor count. */
function handleRejections(handle: (error: unknown) => void): () => void {
  const others = process.listeners("unhandledRejection")
  process.removeAllListeners("unhandledRejection")
  process.on("unhandledRejection", handle)
  return () => {
    process.removeAllListeners("unhandledRejection")
    for (const listener of others) process.on("unhandledRejection", listener)
  }
}

test(
  "any operation has the result and the calls that graphql-js gives it, whatever resolvers return",
  comparison,
  async () => {
    let isOurs = false
    const unhandled: unknown[] = []
    const handleAsBefore = handleRejections((error) => isOurs && unhandled.push(error))

    await compare({ schema: oddSchema(), valuesFor: () => ["a"] }, async (run, args, resolverSeed) => {
      const contextValue: OddContext = { resolverSeed, calls: [], later: new Turns() }
      isOurs = run === compiled
      const answer = await run({ ...args, contextValue, rootValue: {} })
      await contextValue.later.over()
      return { answer: textOf(answer), calls: [...contextValue.calls] }
    })
    expect(unhandled).toEqual([])

    handleAsBefore()
  },
)

const small = buildSchema(`
  type Query { one: Int two: Int }
  type Mutation { first: Int second: Int }
`)
const ask = (query: string, args: Partial<ExecutionArgs & { signal: AbortSignal }> = {}) =>
  ({ schema: small, document: parse(query), ...args }) as ExecutionArgs

test("of a document with several operations only the named one is executed", async () => {
  const args = ask("mutation A { first } mutation B { second }", { rootValue: { first: () => 1, second: () => 2 } })
  expect(await compiled({ ...args, operationName: "B" })).toEqual({ data: { second: 2 } })
  expect(await compiled({ ...args, operationName: "A" })).toEqual({ data: { first: 1 } })
})

test.each([
  ["the alias __proto__", "{ __proto__: one }", undefined],
  ["an unknown operation name", "query A { one } query B { two }", "C"],
  ["an empty operation name", "{ one }", ""],
  ["a missing variable", "query ($v: Int!) { one @skip(if: false) two }", undefined],
])("an operation with %s is executed by graphql-js", async (_what, query, operationName) => {
  const { answer, byGraphqlJs } = await executed(ask(query, { operationName }))
  expect(byGraphqlJs).toBe(true)
  expect(answer).toEqual(await execute(ask(query, { operationName })))
})

test("introspection has the result that graphql-js gives it", async () => {
  for (const query of [
    getIntrospectionQuery({ specifiedByUrl: true, directiveIsRepeatable: true, schemaDescription: true, oneOf: true }),
    '{ __typename capsule: __type(name: "Capsule") { __typename name fields(includeDeprecated: true) { name args { name } } } none: __type(name: "x") { name } }',
    "query ($n: String!) { __type(name: $n) { possibleTypes { name } inputFields { name defaultValue } } }",
  ]) {
    const args = { schema, document: parse(query), variableValues: { n: "Node" } }
    const { answer, byGraphqlJs } = await executed(args)
    expect(byGraphqlJs).toBe(false)
    expect(JSON.stringify(answer)).toBe(JSON.stringify(await execute(args)))
  }
})

test("a plain operation is executed by the gateway's own executor", async () => {
  expect(await executed(ask("{ one }", { rootValue: { one: 1 } }))).toEqual({
    answer: { data: { one: 1 } },
    byGraphqlJs: false,
  })
})

test("after a cancellation no further field of a mutation is executed", async () => {
  const started: string[] = []
  const { promise, resolve } = Promise.withResolvers<number>()
  const first = () => {
    started.push("first")
    return promise
  }
  const rootValue = { first, second: () => started.push("second") }
  const controller = new AbortController()
  const answer = compiled(ask("mutation { first second }", { rootValue, signal: controller.signal }))
  controller.abort(new Error("The client left."))
  await expect(answer).rejects.toThrow("The client left.")
  resolve(1)
  await new Promise((done) => setImmediate(done))
  expect(started).toEqual(["first"])
})

const resolvers: Record<string, GraphQLFieldResolver<unknown, unknown>> = {
  "four parameters": (_source, _args, _context, info) => info.fieldName,
  "a rest": (...all) => all[3].fieldName,
  "a rest behind another": (_source, ...rest) => rest[2].fieldName,
  "a default before it": (_source, _args = {}, _context = {}, info = undefined as never) => info.fieldName,
  "its arguments": function () {
    // biome-ignore lint/complexity/noArguments: it is what is tested.
    return arguments[3].fieldName
  },
  "a bound function": ((_source: unknown, _args: unknown, _context: unknown, info: GraphQLResolveInfo) =>
    info.fieldName).bind(undefined),
}

test.each(Object.entries(resolvers))("a resolver that takes info by %s gets it", async (_way, resolve) => {
  const query = new GraphQLObjectType({ name: "Query", fields: { name: { type: GraphQLString, resolve } } })
  const args = { schema: new GraphQLSchema({ query }), document: parse("{ alias: name }") }
  expect(await executed(args)).toEqual({ answer: { data: { alias: "name" } }, byGraphqlJs: false })
})

test("an operation with more conditions and fields than the executor keeps still has the right result", async () => {
  const names = ["a", "b", "c", "d", "e", "f"]
  const fields = Array.from({ length: 300 }, (_, index) => `f${index}: one @skip(if: $${names[index % 6]})`)
  const query = `query (${names.map((name) => `$${name}: Boolean!`).join(" ")}) { ${fields.join(" ")} two }`
  const args = ask(query, { rootValue: { one: 1, two: 2 } })
  for (let combination = 0; combination < 70; combination++) {
    const variableValues = Object.fromEntries(names.map((name, bit) => [name, ((combination >> bit) & 1) === 1]))
    expect(await compiled({ ...args, variableValues })).toEqual(await execute({ ...args, variableValues }))
  }
})

test("variables have the same values as in graphql-js, whatever their types and names are", () => {
  const names = ["id", "text", "__proto__", "toString"]
  const types = [
    ...["ID", "ID!", "String", "String!", "Int", 'String = "default"', 'ID! = "default"', "Unknown"],
    ...["[ID!]", "[ID!]!", "[String]", "[[ID]]", "[Int!]", "[Unknown]"],
  ]
  const definition = fc.tuple(fc.constantFrom(...names), fc.constantFrom(...types))
  const definitions = fc.uniqueArray(definition, { selector: ([name]) => name, minLength: 1 })
  const item = fc.constantFrom("a", "b", 1, null, ["a"])
  const value = fc.oneof(
    fc.string(),
    fc.constantFrom(undefined, null, 1, 1.5, true, {}),
    fc.array(item, { maxLength: 3 }),
  )
  const withFields = buildSchema("type Query { one(id: ID, text: String): Int }")
  fc.assert(
    fc.property(definitions, fc.array(value, { minLength: 4, maxLength: 4 }), (defined, given) => {
      const document = parse(`query (${defined.map(([name, type]) => `$${name}: ${type}`).join(" ")}) { one }`)
      const variableValues = Object.fromEntries(
        names.map((name, index) => [name, given[index]]).filter(([, input]) => input !== undefined),
      ) as Record<string, unknown>
      const [operation] = document.definitions as OperationDefinitionNode[]
      const expected = getVariableValues(withFields, operation!.variableDefinitions!, variableValues)
      const prepared = prepareExecution({ schema: withFields, document, variableValues })
      expect(prepared?.variables).toEqual(expected.coerced)
    }),
  )
})

test("neither the executor nor the estimate keeps a request's variables after the request", async () => {
  const withValue = buildSchema("scalar Value type Query { one(value: Value): Int two: Int }")
  const document = parse("query ($value: Value, $two: Boolean!) { one(value: $value) two @include(if: $two) }")
  const estimate = createEstimator(withValue)

  async function executeWith(value: object): Promise<WeakRef<object>> {
    const variableValues = { value, two: true }
    estimate(document, null, variableValues)
    await compiled({ schema: withValue, document, variableValues, rootValue: { one: 1, two: 2 } })
    return new WeakRef(value)
  }

  const variable = await executeWith({ large: "x".repeat(1_000) })
  // A WeakRef keeps its target until the current task ends.
  await new Promise(setImmediate)
  collectGarbage()
  expect(variable.deref()).toBeUndefined()
})

/** A schema with 100 links to the same object, whose field calls `name`. */
function linkedSchema(
  link: (context: unknown, id: string) => unknown,
  name: (source: { id: string }) => unknown,
  idOf: (index: number) => string = () => "a",
  length = 100,
): GraphQLSchema {
  const target = new GraphQLObjectType({ name: "Target", fields: { name: { type: GraphQLString, resolve: name } } })
  const resolve = linkAt({ linkOrNull: link } as never, "id") as GraphQLFieldResolver<unknown, unknown>
  const item = new GraphQLObjectType({ name: "Item", fields: { target: { type: target, resolve } } })
  const items = {
    type: new GraphQLList(item),
    resolve: () => Array.from({ length }, (_, index) => ({ id: idOf(index) })),
  }
  return new GraphQLSchema({ query: new GraphQLObjectType({ name: "Query", fields: { items } }) })
}

const target = {}
const promised = Promise.resolve(target)

test.each([
  ["that is loaded", () => target],
  ["whose promise is pending", () => promised],
])(
  "the fields of an object %s are executed once for all links to it, and each counts in the response's size",
  async (_what, link) => {
    let calls = 0
    const name = () => {
      calls += 1
      return "x".repeat(100)
    }
    const args = { schema: linkedSchema(link, name), document: parse("{ items { target { name } } }") }
    expect(JSON.stringify(await compiled(args))).toBe(
      JSON.stringify(await execute({ ...args, schema: linkedSchema(link, () => "x".repeat(100)) })),
    )
    expect(calls).toBe(1)
    const { errors } = await executorBefore(execute, 10_000)(args)
    expect(errors?.[0]?.message).toContain("larger than the limit of 10000 bytes")
  },
)

test("a field that fails has an error at every link to its object", async () => {
  const name = () => {
    throw new Error("unreadable")
  }
  const args = { schema: linkedSchema(() => promised, name), document: parse("{ items { target { name } } }") }
  expect(JSON.stringify(await compiled(args))).toBe(JSON.stringify(await execute(args)))
})

test("an operation with more links than the executor keeps still has the right result", async () => {
  const link = () => promised
  const aliases = Array.from({ length: 80 }, (_, index) => `a${index}: target { name${index}: name }`).join(" ")
  const args = {
    schema: linkedSchema(link, () => "n"),
    document: parse(`{ items { ${aliases} } again: items { ${aliases} } }`),
  }
  expect(JSON.stringify(await compiled(args))).toBe(JSON.stringify(await execute(args)))
})

test("links to more objects than the executor keeps still have the right results", async () => {
  let looked = 0
  const link = (_context: unknown, id: string) => {
    looked += 1
    return Number(id) % 2 === 0 ? { id } : Promise.resolve({ id })
  }
  const args = {
    schema: linkedSchema(
      link,
      ({ id }) => `the name of ${id}`,
      (index) => String(index % 1_000),
      3_000,
    ),
    document: parse("{ items { target { name } } }"),
  }
  const expected = JSON.stringify(await execute(args))
  expect(looked).toBe(3_000)
  expect(JSON.stringify(await compiled(args))).toBe(expected)
  expect(looked).toBeLessThan(5_500)
})

test("a link leads to what the mutation's field before it has changed", async () => {
  const names = ["one", "two", "three"]
  let changes = 0
  const target = new GraphQLObjectType({ name: "Target", fields: { name: { type: GraphQLString } } })
  for (const found of [(name: unknown) => ({ name }), (name: unknown) => Promise.resolve({ name })]) {
    const resolve = linkAt({ linkOrNull: () => found(names[changes - 1]) } as never, "id") as never
    const item = new GraphQLObjectType({ name: "Item", fields: { target: { type: target, resolve } } })
    const change = {
      type: item,
      resolve: () => {
        changes += 1
        return { id: "a" }
      },
    }
    const schema = new GraphQLSchema({
      query: target,
      mutation: new GraphQLObjectType({ name: "Mutation", fields: { change } }),
    })
    const document = parse(
      "mutation { a: change { target { name } } b: change { target { name } } c: change { target { name } } }",
    )
    const { data } = await compiled({ schema, document })
    expect(Object.values(data as object).map((one) => one.target.name)).toEqual(names)
    changes = 0
  }
})

// An error that nothing catches ends the process.
test("links that fail in a part of the response that is lost at the same time throw no error that nothing catches", async () => {
  const resolve = linkAt({ linkOrNull: () => promised } as never, "id") as GraphQLFieldResolver<unknown, unknown>
  const item: GraphQLObjectType = new GraphQLObjectType({
    name: "Item",
    fields: () => ({
      target: { type: new GraphQLNonNull(item), resolve },
      items: { type: new GraphQLList(item), resolve: () => [{ id: "a" }, { id: "a" }] },
    }),
  })
  const args = {
    schema: new GraphQLSchema({ query: item }),
    document: parse(
      "query ($if: Boolean = true) { items { items { target { __typename @skip(if: $if) } items { target { __typename @skip(if: $if) } } } } }",
    ),
    variableValues: { if: null },
  }
  const answer = await compiled(args)
  expect(answer.data).toEqual({ items: [{ items: [null, null] }, { items: [null, null] }] })
  expect(JSON.stringify(answer.data)).toBe(JSON.stringify((await execute(args)).data))
  await new Promise(setImmediate)
})

/** Four objects with links to each other, which are there at once, late or never. Their fields may fail. */
function linkedAtRandom(choices: readonly number[]): { schema: GraphQLSchema; contextValue: object } {
  let next = 0
  const choose = (below: number) => (choices[next++ % choices.length] as number) % below
  const failed = () => {
    throw new Error("It went wrong.")
  }
  const turn = () => new Promise((done) => setImmediate(done))
  const ways: ((value: () => unknown) => unknown)[] = [
    (value) => value(),
    (value) => Promise.resolve(value()),
    (value) => Promise.resolve().then(value),
    (value) => turn().then(value),
    (value) => turn().then(turn).then(value),
    () => Promise.reject(new Error("It does not exist.")),
    () => turn().then(failed),
    failed,
  ]
  const wayOf = (count: number) => ways[choose(count)] as (typeof ways)[number]
  const ids = ["a", "b", "c", "d"]
  const idOrNull = () => [...ids, null][choose(5)]
  const objects = ids.map((id) => {
    const name = wayOf(choose(3) === 0 ? ways.length : 3)
    const items = Array.from({ length: choose(6) }, () => ({ id: idOrNull(), name: wayOf(5) }))
    return { id: idOrNull(), name, items, own: id }
  })
  const waysOfLinks = ids.map(() => wayOf(ways.length))
  const linkOrNull = (context: unknown, id: string) => {
    const found = context as Record<string, unknown>
    const index = ids.indexOf(id)
    found[id] ??= (waysOfLinks[index] as (typeof ways)[number])(() => objects[index])
    return found[id]
  }
  const resolve = linkAt({ linkOrNull } as never, "id") as GraphQLFieldResolver<unknown, unknown>
  const name = ({ name, own }: (typeof objects)[number]) => name(() => own)
  const object: GraphQLObjectType = new GraphQLObjectType({
    name: "Linked",
    fields: () => ({
      link: { type: object, resolve },
      required: { type: new GraphQLNonNull(object), resolve },
      name: { type: GraphQLString, resolve: name },
      requiredName: { type: new GraphQLNonNull(GraphQLString), resolve: name },
      items: { type: new GraphQLList(object), resolve: ({ items = objects }) => items },
      requiredItems: { type: new GraphQLList(new GraphQLNonNull(object)), resolve: ({ items = objects }) => items },
    }),
  })
  const items = { type: new GraphQLList(object), resolve: () => [...objects, ...objects] }
  const root = (name: string) => new GraphQLObjectType({ name, fields: { items, others: items } })
  return { schema: new GraphQLSchema({ query: root("Query"), mutation: root("Mutation") }), contextValue: {} }
}

// Only the data: errors near a lost parent may differ (docs/decisions/executor.md).
test("links have the data that graphql-js gives them, whenever their objects come and whatever fails", {
  timeout: comparison.timeout,
}, async () => {
  const choices = fc.array(fc.nat(255), { minLength: 1, maxLength: 40 })
  const handleAsBefore = handleRejections(() => {})
  const property = fc.asyncProperty(fc.gen(), choices, async (g, chosen) => {
    const { query, variables, operationName } = writeOperation(linkedAtRandom(chosen).schema, () => ["a"], g)
    const document = parse(query)
    const args = () => ({
      ...linkedAtRandom(chosen),
      document,
      variableValues: variables,
      operationName: operationName ?? null,
    })
    fc.pre(validate(args().schema, document).length === 0)
    const theirs = await execute(args())
    const ours = await compiled(args())
    expect(JSON.stringify(ours.data), query).toBe(JSON.stringify(theirs.data))
  })
  await fc.assert(property, { numRuns: operations })
  handleAsBefore()
})

test("a value whose method `then` throws is null with an error", async () => {
  const one = () => ({
    // biome-ignore lint/suspicious/noThenProperty: it is what is tested.
    then() {
      throw new Error("no promise")
    },
  })
  const args = ask("{ one two }", { rootValue: { one, two: () => Promise.resolve(2) } })
  expect(JSON.stringify(await compiled(args))).toBe(JSON.stringify(await execute(args)))
})
