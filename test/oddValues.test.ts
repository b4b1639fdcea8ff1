import { describe, expect, test } from "vitest"
import { seed } from "../sandbox/seed.ts"
import { startGateway, type World } from "./support/gateway.ts"

/** JSON values that no text, number or list is expected to be. `{ toString: 1 }` makes every implicit conversion throw. */
const oddValues: unknown[] = [
  null,
  5,
  "",
  "x",
  true,
  [],
  {},
  { toString: 1 },
  { valueOf: 1, toString: 1 },
  [null],
  [{ toString: 1 }],
]

/** Fails where the gateway took an odd value for a bug of its own. */
function expectHandled({ lines }: Pick<World, "lines">, answers: unknown): void {
  expect(JSON.stringify(answers)).not.toContain("INTERNAL_SERVER_ERROR")
  expect(lines.filter(({ level }) => level === "error" || level === "fatal")).toEqual([])
}

describe("odd values that a caller sends where any JSON is taken", () => {
  test.each([
    ["a reference", (value: unknown) => value],
    ["a reference's type", (value: unknown) => ({ __typename: value, id: "x" })],
    ["a reference's id", (value: unknown) => ({ __typename: "Capsule", id: value })],
  ])("are refused as %s", async (_place, reference) => {
    const world = await startGateway()
    const answers = []
    for (const value of oddValues.map(reference).filter((value) => value !== null)) {
      const answer = await world.ask("query ($r: [_Any!]!) { _entities(representations: $r) { __typename } }", {
        r: [value],
      })
      expect([undefined, "BAD_USER_INPUT"]).toContain(answer.errors?.[0]?.extensions.code)
      answers.push(answer)
    }
    answers.push(await world.ask(`{ _entities(representations: [{ __typename: { a: 1 }, id: "x" }]) { __typename } }`))
    expectHandled(world, answers)
  })

  test("are compared with what data assets have, and sent, as custom metadata", async () => {
    const world = await startGateway()
    const answers = []
    for (const value of oddValues.filter((value) => value !== null)) {
      const setCustomMetadata = ["a", "b"].map((key) => ({ key, value }))
      const input = { ids: [seed.cellImages, seed.sortedSpikes], setCustomMetadata }
      for (const dryRun of [true, false]) {
        answers.push(
          await world.ask(
            `mutation ($input: UpdateDataAssetsInput!) {
              updateDataAssets(input: $input) {
                ... on UpdateDataAssetsPayload { changed failed items { status after { customMetadata { key value } } } }
              }
            }`,
            { input: { ...input, dryRun } },
          ),
        )
      }
      answers.push(
        await world.ask(`mutation ($input: CreateDataAssetInput!) { createDataAsset(input: $input) { __typename } }`, {
          input: {
            name: "n",
            tags: [],
            mount: "m",
            customMetadata: setCustomMetadata,
            source: { aws: { bucket: "b" } },
          },
        }),
      )
    }
    expectHandled(world, answers)
  })

  test("are searched for or refused as a filter's value", async () => {
    const world = await startGateway()
    const answers = []
    for (const value of oddValues) {
      for (const filter of [{ value }, { values: [value].filter((item) => item !== null) }]) {
        answers.push(
          await world.ask("query ($f: [SearchFilterInput!]) { searchCapsules(filters: $f) { nodes { id } } }", {
            f: [{ key: "name", ...filter }],
          }),
        )
      }
    }
    expectHandled(world, answers)
  })
})
