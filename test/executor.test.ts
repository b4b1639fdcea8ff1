import * as fc from "fast-check"
import {
  buildSchema,
  type ExecutionArgs,
  type ExecutionResult,
  execute,
  type GraphQLError,
  type GraphQLFieldResolver,
  GraphQLObjectType,
  type GraphQLResolveInfo,
  GraphQLSchema,
  GraphQLString,
  getIntrospectionQuery,
  parse,
  validate,
} from "graphql"
import { expect, test } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { startSandbox } from "../sandbox/server.ts"
import { TwoGenerationCache } from "../src/collections/twoGenerationCache.ts"
import type { Context } from "../src/graph/context.ts"
import { schema } from "../src/graph/schema.ts"
import { useCompiledExecutor } from "../src/http/plugins/useCompiledExecutor.ts"
import { createLog } from "../src/log.ts"
import { createUpstreamPool } from "../src/upstream/pool.ts"
import { startSpoiling } from "./support/faultyUpstream.ts"
import { type OddContext, oddSchema, Turns } from "./support/oddSchema.ts"
import { type ValuesFor, writeOperation } from "./support/operations.ts"

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
  const fitting = [/asset/i, /pipeline/i, /capsule/i, /computation/i].findIndex((word) => word.test(name))
  return [...([assets, pipelines, capsules, runs][fitting] ?? allIds), ...noIds.slice(0, 1)]
}

type Execute = (args: ExecutionArgs) => ReturnType<typeof execute>

/** The gateway's executor, with graphql-js behind it for what it leaves to others. */
const compiled: Execute = (args) => executedBehind(execute)(args)

function executedBehind(executeFn: Execute): Execute {
  let chosen = executeFn
  const setExecuteFn = (fn: Execute) => {
    chosen = fn
  }
  useCompiledExecutor(Number.POSITIVE_INFINITY).onExecute?.({ executeFn, setExecuteFn } as never)
  return (args) => chosen(withCancellation(args))
}

/** The arguments with what the plugin reads of a request's state. */
function withCancellation(args: ExecutionArgs & { signal?: AbortSignal }): ExecutionArgs {
  const { signal = new AbortController().signal } = args
  const contextValue = args.contextValue as { state?: object } | undefined
  const state = {
    ...contextValue?.state,
    signal,
    get cancelled() {
      return signal.aborted
    },
  }
  return { ...args, contextValue: { ...contextValue, state } }
}

/** Whether the gateway's executor leaves this to the one behind it, and what comes of it. */
async function handOver(args: ExecutionArgs) {
  let isLeft = false
  const behind: Execute = (left) => {
    isLeft = true
    return execute(left)
  }
  return { answer: await executedBehind(behind)(args), isLeft }
}

/** How many operations each of the two comparisons makes up; more of them find rarer differences. */
const operations = Number(process.env.EXECUTOR_OPERATIONS ?? 300)
const comparison = { timeout: 60_000 + operations * 100 }

/** The variables with true for false, and false for true. */
function opposite(variables: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(variables).map(([name, value]) => [name, typeof value === "boolean" ? !value : value]),
  )
}

/**
 * An answer as text. Where a field that can't be null takes its parent along while others of the parent are under way, the
 * moment at which graphql-js notes its error depends on how many promises deep it stands: such errors are put into an order.
 */
function textOf(answer: ExecutionResult): string {
  const { data, errors = [] } = answer
  const isTaken = ({ path = [] }: GraphQLError) => {
    let value: unknown = data
    for (const key of path) {
      if (value === null) return true
      value = (value as Record<string | number, unknown>)[key]
    }
    return false
  }
  if (!errors.some(isTaken)) return JSON.stringify(answer)
  return JSON.stringify({ data, errors: errors.map((error) => JSON.stringify(error)).sort() })
}

/** Compares what both executors make of operations that nobody has thought of. */
async function compare(
  among: { schema: GraphQLSchema; valuesFor: ValuesFor },
  answerOf: (run: Execute, args: ExecutionArgs, weather: string, who: string) => Promise<object>,
): Promise<void> {
  let asked = 0
  const property = fc.asyncProperty(fc.gen(), fc.nat(), async (g, weather) => {
    const { query, variables, operationName } = writeOperation(among.schema, among.valuesFor, g)
    const document = parse(query)
    fc.pre(validate(among.schema, document).length === 0)
    // The second time it is prepared already, and other fields are left out.
    for (const given of [variables, opposite(variables)]) {
      const args = { schema: among.schema, document, variableValues: given, operationName: operationName ?? null }
      asked += 1
      const theirs = await answerOf(execute, args, String(weather), `${asked}a`)
      const ours = await answerOf(compiled, args, String(weather), `${asked}b`)
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
  "any operation has the answer and the calls that graphql-js gives it, whatever Code Ocean answers",
  comparison,
  async () => {
    const sandbox = await startSandbox()
    const upstream = await startSpoiling(sandbox.url)
    const log = createLog("silent", { write() {} })
    // One connection, so that what is sent first is answered first.
    const upstreamPool = createUpstreamPool({
      url: new URL(`${upstream.url}/`),
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
    await compare({ schema, valuesFor }, async (run, args, weather, who) => {
      const requestId = `${weather}.${who}`
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
        made: undefined,
        unrecognized() {},
        types: new TwoGenerationCache(1_000),
      }
      const answer = await run({ ...args, contextValue })
      request.end()
      return { answer: textOf(answer), calls: upstream.callsOf(requestId) }
    })
    await upstreamPool.close()
    await sandbox.close()
  },
)

test(
  "any operation has the answer and the calls that graphql-js gives it, whatever resolvers return",
  comparison,
  async () => {
    // graphql-js leaves some promises to reject unheard, where what they were for has failed already: that is its own affair.
    let isOurs = false
    const unheard: unknown[] = []
    const others = process.listeners("unhandledRejection")
    process.removeAllListeners("unhandledRejection")
    process.on("unhandledRejection", (error) => isOurs && unheard.push(error))

    await compare({ schema: oddSchema(), valuesFor: () => ["a"] }, async (run, args, weather) => {
      const contextValue: OddContext = { weather, calls: [], later: new Turns() }
      isOurs = run === compiled
      const answer = await run({ ...args, contextValue, rootValue: {} })
      await contextValue.later.over()
      return { answer: textOf(answer), calls: [...contextValue.calls] }
    })
    expect(unheard).toEqual([])

    process.removeAllListeners("unhandledRejection")
    for (const listener of others) process.on("unhandledRejection", listener)
  },
)

const small = buildSchema(`
  type Query { one: Int two: Int }
  type Mutation { first: Int second: Int }
`)
const ask = (query: string, args: Partial<ExecutionArgs & { signal: AbortSignal }> = {}) =>
  ({ schema: small, document: parse(query), ...args }) as ExecutionArgs

test("the operation that is named is the one that runs, and no other of its document", async () => {
  const args = ask("mutation A { first } mutation B { second }", { rootValue: { first: () => 1, second: () => 2 } })
  expect(await compiled({ ...args, operationName: "B" })).toEqual({ data: { second: 2 } })
  expect(await compiled({ ...args, operationName: "A" })).toEqual({ data: { first: 1 } })
})

test.each([
  ["a name that plain objects can't have", "{ __proto__: one }", undefined],
  ["an operation that isn't there", "query A { one } query B { two }", "C"],
  ["an empty name", "{ one }", ""],
  ["variables that don't fit", "query ($v: Int!) { one @skip(if: false) two }", undefined],
])("%s is left to the executor behind it", async (_what, query, operationName) => {
  const { answer, isLeft } = await handOver(ask(query, { operationName }))
  expect(isLeft).toBe(true)
  expect(answer).toEqual(await execute(ask(query, { operationName })))
})

test("introspection has the answer that graphql-js gives it", async () => {
  for (const query of [
    getIntrospectionQuery({ specifiedByUrl: true, directiveIsRepeatable: true, schemaDescription: true, oneOf: true }),
    '{ __typename capsule: __type(name: "Capsule") { __typename name fields(includeDeprecated: true) { name args { name } } } none: __type(name: "x") { name } }',
    "query ($n: String!) { __type(name: $n) { possibleTypes { name } inputFields { name defaultValue } } }",
  ]) {
    const args = { schema, document: parse(query), variableValues: { n: "Node" } }
    const { answer, isLeft } = await handOver(args)
    expect(isLeft).toBe(false)
    expect(JSON.stringify(answer)).toBe(JSON.stringify(await execute(args)))
  }
})

test("any other operation is not", async () => {
  expect(await handOver(ask("{ one }", { rootValue: { one: 1 } }))).toEqual({
    answer: { data: { one: 1 } },
    isLeft: false,
  })
})

test("when nobody waits any more, the change under way is the last", async () => {
  const began: string[] = []
  const { promise, resolve } = Promise.withResolvers<number>()
  const first = () => {
    began.push("first")
    return promise
  }
  const rootValue = { first, second: () => began.push("second") }
  const leaving = new AbortController()
  const answer = compiled(ask("mutation { first second }", { rootValue, signal: leaving.signal }))
  leaving.abort(new Error("The client left."))
  await expect(answer).rejects.toThrow("The client left.")
  resolve(1)
  await new Promise((done) => setImmediate(done))
  expect(began).toEqual(["first"])
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

test.each(Object.entries(resolvers))("a resolver gets the field's info by %s", async (_way, resolve) => {
  const query = new GraphQLObjectType({ name: "Query", fields: { name: { type: GraphQLString, resolve } } })
  const args = { schema: new GraphQLSchema({ query }), document: parse("{ alias: name }") }
  expect(await handOver(args)).toEqual({ answer: { data: { alias: "name" } }, isLeft: false })
})

test("an operation with more conditions and fields than are kept has its right answer all the same", async () => {
  const names = ["a", "b", "c", "d", "e", "f"]
  const fields = Array.from({ length: 3000 }, (_, index) => `f${index}: one @skip(if: $${names[index % 6]})`)
  const query = `query (${names.map((name) => `$${name}: Boolean!`).join(" ")}) { ${fields.join(" ")} two }`
  const args = ask(query, { rootValue: { one: 1, two: 2 } })
  for (let combination = 0; combination < 70; combination++) {
    const variableValues = Object.fromEntries(names.map((name, bit) => [name, ((combination >> bit) & 1) === 1]))
    expect(await compiled({ ...args, variableValues })).toEqual(await execute({ ...args, variableValues }))
  }
})
