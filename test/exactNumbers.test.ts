import { describe, expect, test } from "vitest"
import { exactNumber, parseExactly } from "../src/upstream/rawNumber.ts"
import { startAnswering, startFaultyUpstream } from "./support/faultyUpstream.ts"
import { startGatewayOn } from "./support/gateway.ts"
import { fc } from "./support/properties.ts"

const digits = "12345678901234567890"
const asset = `"id": "d1", "created": 1, "name": "A", "state": "ready", "type": "dataset", "owner": "u", "mount": "m"`
const inexact = [
  digits,
  `-${digits}`,
  "9007199254740993",
  "1e400",
  "-1e400",
  "0.1234567890123456789",
  "12345678901234567.25",
]

const answering = async (bodies: Record<string, string>) => {
  const upstream = await startAnswering(bodies)
  return { upstream, ...startGatewayOn(upstream.url) }
}

describe("numbers of Code Ocean that a double cannot hold", () => {
  test.each(inexact)("the metadata value %s is shown as a string of its digits", async (number) => {
    const { ask } = await answering({
      "/data_assets/d1": `{${asset}, "custom_metadata": {"barcode": ${number}, "deep": [1, [${number}]], "plain": 0.5}}`,
    })
    const { data, errors } = await ask(`{ dataAsset(id: "d1") { customMetadata { key value } } }`)
    expect(errors).toBeUndefined()
    expect(data.dataAsset.customMetadata.map(({ value }: { value: unknown }) => value)).toEqual([
      number,
      [1, [number]],
      0.5,
    ])
  })

  test.each(inexact)(
    "the metadata value %s goes back with its own digits when another field changes",
    async (number) => {
      const upstream = await startFaultyUpstream(() => ({
        body: `{${asset}, "custom_metadata": {"barcode": ${number}, "n": 1}}`,
      }))
      const { ask } = startGatewayOn(upstream.url)
      const { errors } = await ask(`mutation { updateDataAsset(input: { id: "d1", name: "B" }) { __typename } }`)
      expect(errors).toBeUndefined()
      const written = upstream.requests.find(({ method }) => method === "PUT")
      expect(written?.body).toContain(`"custom_metadata":{"barcode":${number},"n":1}`)
    },
  )

  test("a bulk edit of tags and of another key writes the other values back with their own digits", async () => {
    const upstream = await startFaultyUpstream(() => ({
      body: `{${asset}, "custom_metadata": {"barcode": ${digits}}}`,
    }))
    const { ask } = startGatewayOn(upstream.url)
    const { data, errors } = await ask(`mutation { updateDataAssets(input: {
      ids: ["d1"], addTags: ["t"], setCustomMetadata: [{ key: "n", value: 9007199254740993 }], dryRun: false
    }) { ... on UpdateDataAssetsPayload { changed items { after { customMetadata { key value } } } } } }`)
    expect(errors).toBeUndefined()
    expect(data.updateDataAssets.items[0].after.customMetadata).toEqual([
      { key: "barcode", value: digits },
      { key: "n", value: "9007199254740993" },
    ])
    expect(upstream.requests.find(({ method }) => method === "PUT")?.body).toContain(
      `"custom_metadata":{"barcode":${digits},"n":9007199254740993}`,
    )
  })

  test("a size beyond 2^53, a run time beyond 32 bits and a time beyond 2^53 are errors at their own paths", async () => {
    const { ask } = await answering({
      "/data_assets/d1": `{${asset}, "size": ${digits}, "last_used": ${digits}, "files": ${digits}}`,
    })
    const { data, errors } = await ask(`{ dataAsset(id: "d1") { name size lastUsed fileCount } }`)
    expect(data).toEqual({ dataAsset: { name: "A", size: null, lastUsed: null, fileCount: null } })
    expect(
      errors?.map(({ path, message, extensions }) => [path?.at(-1), message.includes(digits), extensions.code]),
    ).toEqual([
      ["size", true, "UPSTREAM_INVALID_RESPONSE"],
      ["lastUsed", true, "UPSTREAM_INVALID_RESPONSE"],
      ["fileCount", true, "UPSTREAM_INVALID_RESPONSE"],
    ])
  })

  test("names, tags, ids, defaults and options that are numbers beyond a double are read as text", async () => {
    const { ask } = await answering({
      "/capsules/c1": `{"id": "c1", "created": 1, "name": ${digits}, "status": "release", "owner": "u", "slug": ${digits}, "tags": [${digits}], "release_capsule": ${digits}}`,
      "/capsules/c1/app_panel": `{"parameters": [{"name": "p", "default_value": ${digits}, "value_options": [${digits}], "minimum": 0.1234567890123456789, "maximum": ${digits}}]}`,
      "/capsules/search": `{"results": [{"id": ${digits}, "name": "n"}]}`,
    })
    const { data, errors } = await ask(`{
      capsule(id: "c1") { name slug tags releaseCapsule { id } appPanel { parameters { defaultValue valueOptions minimum maximum } } }
      searchCapsules { nodes { id } }
    }`)
    expect(data.capsule).toEqual({
      name: digits,
      slug: digits,
      tags: [digits],
      releaseCapsule: { id: digits },
      appPanel: {
        parameters: [{ defaultValue: digits, valueOptions: [digits], minimum: 0.12345678901234568, maximum: null }],
      },
    })
    expect(data.searchCapsules.nodes).toEqual([{ id: digits }])
    expect(errors?.map(({ path }) => path?.at(-1))).toEqual(["maximum"])
  })

  test("a number that a double cannot hold in place of an object, a list or a boolean is invalid, and the rest is shown", async () => {
    const { ask } = await answering({
      "/capsules/c1": `{"id": "c1", "created": 1, "name": "n", "status": "release", "owner": "u", "slug": "1", "versions": ${digits}, "submission": ${digits}, "article": [${digits}]}`,
      "/data_assets/search": `{"results": [${digits}, {${asset}}]}`,
    })
    const { data, errors } = await ask(
      `{ capsule(id: "c1") { name versions { doi } submission { commit } } searchDataAssets { nodes { id } } }`,
    )
    expect(data).toEqual({
      capsule: { name: "n", versions: null, submission: null },
      searchDataAssets: { nodes: [null, { id: "d1" }] },
    })
    expect(new Set(errors?.map(({ extensions }) => extensions.code))).toEqual(new Set(["UPSTREAM_INVALID_RESPONSE"]))
  })

  test("a number that a double cannot hold in an error's details is shown with its digits", async () => {
    const upstream = await startFaultyUpstream(() => ({
      status: 409,
      body: `{"message": "no", "barcode": [${digits}]}`,
    }))
    const { data } = await startGatewayOn(upstream.url).ask(
      `mutation { archiveCapsule(input: { id: "c1", archived: true }) { ... on MutationRefused { details } } }`,
    )
    expect(data.archiveCapsule.details).toEqual({ barcode: [digits] })
  })
})

describe("numbers of clients that a double cannot hold", () => {
  const create = (value: string) => `mutation ($v: JSON!) { createDataAsset(input: {
    name: "n", mount: "m", tags: ["t"], source: { computation: { id: "r1" } }, customMetadata: [{ key: "k", value: ${value} }]
  }) { __typename } }`

  test.each(inexact)("the literal %s is sent to Code Ocean with its own digits", async (number) => {
    const upstream = await startFaultyUpstream(() => ({ body: `{${asset}}` }))
    const { ask } = startGatewayOn(upstream.url)
    const { errors } = await ask(create(`[{ a: ${number} }, $v]`), { v: 1 })
    expect(errors).toBeUndefined()
    expect(upstream.requests[0]?.body).toContain(`"custom_metadata":{"k":[{"a":${number}},1]}`)
  })

  test.each([digits, "9007199254740993", "1e400"])(
    "the variable %s is an error before anything is sent",
    async (number) => {
      const upstream = await startFaultyUpstream(() => ({ body: `{${asset}}` }))
      const url = await startGatewayOn(upstream.url).gateway.listen()
      const response = await fetch(`${url}/graphql`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: "Bearer cop_a" },
        body: `{"query": ${JSON.stringify(create("$v"))}, "variables": {"v": {"a": [${number}]}}}`,
      })
      const { errors } = (await response.json()) as { errors: { message: string; extensions: { code: string } }[] }
      expect(errors).toMatchObject([
        { message: expect.stringMatching(/\$v.*2\^53/), extensions: { code: "BAD_USER_INPUT" } },
      ])
      expect(upstream.requests).toEqual([])
    },
  )

  /** Sends these variables as they are written, of which the gateway sends nothing to Code Ocean. */
  async function refused(query: string, variables: string, code: string) {
    const upstream = await startFaultyUpstream(() => ({ body: `{${asset}}` }))
    const url = await startGatewayOn(upstream.url).gateway.listen()
    const response = await fetch(`${url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: "Bearer cop_a" },
      body: `{"query": ${JSON.stringify(query)}, "variables": ${variables}}`,
    })
    const { errors } = (await response.json()) as {
      errors: { message: string; locations: unknown; extensions: object }[]
    }
    expect(upstream.requests).toEqual([])
    expect(errors).toMatchObject([{ locations: [{ line: 1 }], extensions: { code } }])
    return errors[0]?.message
  }

  test.each([
    ["query ($v: ID!) { capsule(id: $v) { name } }", `{"v": ${digits}}`, "v"],
    ["query ($v: [ID!]!) { capsules(ids: $v) { name } }", `{"v": ["a", ${digits}]}`, "v[1]"],
    [
      "mutation ($v: DeleteDataAssetInput!) { deleteDataAsset(input: $v) { __typename } }",
      `{"v": {"id": ${digits}}}`,
      "v.id",
    ],
    [
      "query ($a: Int, $v: [SearchFilterInput!]) { searchCapsules(first: $a, filters: $v) { nodes { id } } }",
      `{"v": [{"key": "k", "range": {"max": ${digits}}}]}`,
      "v[0].range.max",
    ],
    [
      "query ($v: [_Any!]!) { _entities(representations: $v) { __typename } }",
      `{"v": [{"__typename": "Capsule", "id": ${digits}}]}`,
      "v[0].id",
    ],
  ])("a variable's number that was rounded is named with its place: %s", async (query, variables, place) => {
    expect(await refused(query, variables, "BAD_USER_INPUT")).toBe(
      `Variable "$v" got invalid value ${Number(digits)}${place === "v" ? "" : ` at "${place}"`}; A number beyond 2^53 in a variable is not exact. Write it into the document as a literal, or send a string.`,
    )
  })

  test.each([
    ["9007199254740993", "exactly. The nearest number is 9007199254740992."],
    ["-1700000000123456789", "exactly. The nearest number is -1700000000123456768."],
    ["1e400", "exactly."],
  ])("the literal %s of a range, which a double cannot hold, is an error", async (number, end) => {
    const query = `{ searchCapsules(filters: [{ key: "k", range: { min: ${number} } }]) { nodes { id } } }`
    expect(await refused(query, "{}", "GRAPHQL_VALIDATION_FAILED")).toBe(
      `Argument "filters" of "searchCapsules" got an invalid value at "filters[0].range.min"; Float cannot represent ${number} ${end}`,
    )
    const withDefault = `query ($x: Float = ${number}) { searchCapsules(filters: [{ key: "k", range: { min: $x } }]) { nodes { id } } }`
    expect(await refused(withDefault, "{}", "GRAPHQL_VALIDATION_FAILED")).toContain(`Float cannot represent ${number}`)
  })

  test.each(["9007199254740992", "1e300", "1700000000000000000", "0.1", "-0.0", "1.0"])(
    "the literal %s of a range goes to Code Ocean",
    async (number) => {
      const { ask, upstream } = await answering({ "/capsules/search": `{"results": []}` })
      const { errors } = await ask(
        `{ searchCapsules(filters: [{ key: "k", range: { max: ${number} } }]) { nodes { id } } }`,
      )
      expect(errors).toBeUndefined()
      expect(JSON.parse(upstream.requests[0]?.body ?? "").filters).toEqual([
        { key: "k", range: { max: Number(number) + 0 } },
      ])
    },
  )

  test("a rounded number without a variable in the operation is ignored", async () => {
    const { ask } = await answering({ "/capsules/search": `{"results": []}` })
    expect((await ask("{ searchCapsules { nodes { id } } }", { unused: 2 ** 60 })).errors).toBeUndefined()
  })

  test("a filter's literal is sent to Code Ocean with its own digits", async () => {
    const { ask, upstream } = await answering({ "/data_assets/search": `{"results": []}` })
    const { errors } = await ask(
      `{ searchDataAssets(filters: [{ key: "a", value: ${digits} }, { key: "b", values: [1, ${digits}] }]) { nodes { id } } }`,
    )
    expect(errors).toBeUndefined()
    expect(upstream.requests[0]?.body).toContain(`{"key":"a","value":${digits}},{"key":"b","values":[1,${digits}]}`)
  })
})

test("the digits of any integer are kept, and every double stays a number", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }), (integer) => {
      const value = exactNumber(String(integer))
      expect(JSON.stringify(value).includes("e") ? BigInt(value as number) : BigInt(JSON.stringify(value))).toBe(
        integer,
      )
    }),
    { examples: [[2n ** 53n], [2n ** 53n + 1n], [-(2n ** 53n) - 1n], [0n]] },
  )
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (double) => {
      expect(exactNumber(JSON.stringify(double))).toBe(double === 0 ? 0 : double)
    }),
  )
  expect(parseExactly('{"a": [1, 0.5, 9007199254740992, 9007199254740993]}')).toEqual({
    a: [1, 0.5, 2 ** 53, exactNumber("9007199254740993")],
  })
})
