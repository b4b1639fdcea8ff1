import { buildSchema, execute, parse, validate } from "graphql"
import { expect, test } from "vitest"
import { compiled, textOf } from "./support/executors.ts"
import { writeOperation } from "./support/operations.ts"
import { fc } from "./support/properties.ts"

const anything = buildSchema(`
  type Query { a: Query b: Query c: Query list: [Query] x: Int y: Int numbers: [Int] }
  type Mutation { a: Query b: Query }
`)

/** Objects whose fields fail or have values: at once, or with promises that settle in the same or in following microtasks. */
function objectFrom(choices: readonly number[]): object {
  let next = 0
  const choose = (below: number) => (choices[next++ % choices.length] as number) % below
  const settled = Promise.resolve()
  const failed = () => {
    throw new Error("It went wrong.")
  }
  const ways: ((value: () => unknown) => unknown)[] = [
    (value) => value(),
    (value) => Promise.resolve(value()),
    (value) => settled.then(value),
    (value) => settled.then(() => {}).then(value),
    () => new Error("An error returned."),
    () => Promise.reject(new Error("An error rejected.")),
    () => settled.then(failed),
    failed,
  ]
  const oneOf = (value: () => unknown) => (ways[choose(ways.length)] as (typeof ways)[number])(value)
  const itemOf = (value: unknown) => (ways[choose(ways.length - 1)] as (typeof ways)[number])(() => value)
  const child = () => oneOf(() => object)
  const number = () => oneOf(() => 1)
  const object = {
    ...{ a: child, b: child, c: child, x: number, y: number },
    list: () => oneOf(() => [object, itemOf(object), itemOf(object)]),
    numbers: () => oneOf(() => [1, itemOf(2), "odd", itemOf(3)]),
  }
  return object
}

const operations = Number(process.env.EXECUTOR_OPERATIONS ?? 150)

test("errors of values that arrive in the same microtask have the order that graphql-js gives them", {
  timeout: 60_000 + operations * 100,
}, async () => {
  const choices = fc.array(fc.nat(255), { minLength: 1, maxLength: 40 })
  const property = fc.asyncProperty(fc.gen(), choices, async (g, chosen) => {
    const { query, variables, operationName } = writeOperation(anything, () => [1], g)
    const document = parse(query)
    fc.pre(validate(anything, document).length === 0)
    const args = { schema: anything, document, variableValues: variables, operationName: operationName ?? null }
    const theirs = await execute({ ...args, rootValue: objectFrom(chosen) })
    const ours = await compiled({ ...args, rootValue: objectFrom(chosen) })
    expect(JSON.stringify(ours), `${query}\n${JSON.stringify(variables)}`).toBe(JSON.stringify(theirs))
  })
  await fc.assert(property, { numRuns: operations })
})

test("an object that a null condition of its fields makes fail has its error after those below other objects", async () => {
  const query = "query ($if: Boolean = true) { a { x @skip(if: $if) } b { y } }"
  const object = Promise.resolve({ y: new Error("An error returned.") })
  const args = {
    schema: anything,
    document: parse(query),
    variableValues: { if: null },
    rootValue: { a: object, b: object },
  }
  const { errors } = await compiled(args)
  expect(errors?.map(({ path }) => path)).toEqual([["b", "y"], ["a"]])
  expect(JSON.stringify(errors)).toBe(JSON.stringify((await execute(args)).errors))
})

const nullable = buildSchema(`
  type Query { parent: Parent list: [Parent!] rows: [Parent!]! bad: Int! slow: Int }
  type Parent { bad: Int! slow: Int child: Parent children: [Parent] }
`)
const never = new Promise(() => {})
const rejected = () => Promise.reject(new Error("unreadable"))
const failing = { bad: rejected, slow: () => never }
const withInner = { bad: rejected, child: { bad: 1, slow: () => never }, children: [{ bad: 1, slow: () => never }] }

test.each([
  ["at the side of the failed one", "{ parent { bad slow } }", { parent: failing }],
  ["deeper in the parent", "{ parent { child { slow } children { bad slow } bad } }", { parent: withInner }],
  ["in a list", "{ list { bad slow } }", { list: [{ bad: 1, slow: () => never }, failing] }],
  ["at the root", "{ bad slow parent { slow } }", { ...failing, parent: { slow: () => never } }],
])("a response does not wait for values %s, once their parent is null", async (_where, query, rootValue) => {
  const args = { schema: nullable, document: parse(query), rootValue }
  expect(JSON.stringify(await compiled(args))).toBe(JSON.stringify(await execute(args)))
})

test("an object that fails at once waits for its pending values, whose errors are reported first", async () => {
  const bad = () => {
    throw new Error("at once")
  }
  const parent = { bad, slow: rejected, child: { bad: rejected, slow: rejected }, children: [{ bad: rejected }] }
  const fields = "slow child { slow bad } children { bad } bad"
  const document = parse(`{ parent { ${fields} } list { child { ${fields} } ${fields} } slow }`)
  const args = { schema: nullable, document, rootValue: { parent, list: [{ ...parent, child: parent }], slow: 1 } }
  const answer = await compiled(args)
  expect(textOf(answer)).toBe(textOf(await execute(args)))
  const messages = answer.errors?.filter(({ path }) => path?.[0] === "parent").map(({ message }) => message)
  expect(messages).toEqual([...new Array(4).fill("unreadable"), "at once"])
})

test("errors below the items of a list that has failed are reported", async () => {
  const rootValue = {
    slow: () => new Promise((resolve) => setImmediate(resolve, 1)),
    rows: [Promise.resolve({ child: { bad: rejected } }), null],
  }
  const args = { schema: nullable, document: parse("{ slow rows { child { bad } } }"), rootValue }
  const answer = await compiled(args)
  expect(textOf(answer)).toBe(textOf(await execute(args)))
  expect(answer.errors?.map(({ path }) => path)).toEqual([
    ["rows", 0, "child", "bad"],
    ["rows", 1],
  ])
})
