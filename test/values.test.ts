import type { GraphQLScalarType } from "graphql"
import { describe, expect, test } from "vitest"
import { seed } from "../sandbox/seed.ts"
import { schema } from "../src/graph/schema.ts"
import { startAnswering, startFaultyUpstream } from "./support/faultyUpstream.ts"
import { type Result, startGateway, startGatewayOn } from "./support/gateway.ts"
import { fc } from "./support/properties.ts"

const codes = ({ errors }: Result) => errors?.map(({ extensions }) => extensions.code)
const capsule = { id: "c1", created: 1_700_000_000, name: "One", status: "release", owner: "u1", slug: "1" }
const asset = {
  id: "d1",
  created: 1_700_000_000,
  name: "Data",
  mount: "data",
  owner: "u1",
  state: "ready",
  type: "dataset",
}
const run = { id: "r1", created: 1_700_000_000, name: "Run 1", owner: "u1", run_time: 60, state: "completed" }

/** Selects fields of a capsule, an asset, a run or a panel that upstream sends with these keys added to a valid one. */
async function fieldsOf(
  kind: "capsule" | "dataAsset" | "computation" | "appPanel",
  wire: object | string,
  fields: string,
) {
  const sound = { capsule, dataAsset: asset, computation: run, appPanel: {} }[kind]
  const odd = typeof wire === "string" ? wire : { ...sound, ...wire }
  const upstream = await startAnswering({
    "/capsules/c1": kind === "capsule" ? odd : capsule,
    "/data_assets/d1": kind === "dataAsset" ? odd : asset,
    "/computations/r1": kind === "computation" ? odd : run,
    "/capsules/c1/app_panel": odd,
  })
  const { ask, lines } = startGatewayOn(upstream.url)
  const query = {
    capsule: `{ it: capsule(id: "c1") { ${fields} } }`,
    dataAsset: `{ it: dataAsset(id: "d1") { ${fields} } }`,
    computation: `{ it: computation(id: "r1") { ${fields} } }`,
    appPanel: `{ capsule(id: "c1") { it: appPanel { ${fields} } } }`,
  }[kind]
  const answer = await ask(query)
  return { it: answer.data?.it ?? answer.data?.capsule?.it ?? null, errors: answer.errors, lines, upstream }
}

/** Expects one field to fail alone, beside a field with a value. */
async function expectAlone(kind: "capsule" | "dataAsset" | "computation", wire: object, field: string, key: string) {
  const { it, errors } = await fieldsOf(kind, wire, `name odd: ${field}`)
  expect(it).toEqual({ name: expect.any(String), odd: null })
  expect(errors).toHaveLength(1)
  expect(errors![0]!.message).toContain(`Code Ocean sent an invalid response: "${key}" is `)
  expect(errors![0]!.path).toEqual(["it", "odd"])
  expect(errors![0]!.extensions).toEqual({ code: "UPSTREAM_INVALID_RESPONSE", requestId: expect.any(String) })
}

describe("empty values", () => {
  const optional: [string, object][] = [
    ["absent", {}],
    ["null", Object.fromEntries(optionalKeys().map((key) => [key, null]))],
    ["empty", Object.fromEntries(optionalKeys().map((key) => [key, ""]))],
  ]

  function optionalKeys() {
    const plain = "owner_email last_accessed description field tags cloned_from_url original_capsule release_capsule"
    return `${plain} submission versions article`.split(" ")
  }

  test.each(optional)("an optional field of a capsule is null if it is %s", async (_how, wire) => {
    const { it, errors } = await fieldsOf(
      "capsule",
      wire,
      `ownerEmail lastAccessed description field tags clonedFromUrl originalCapsule { capsuleId } releaseCapsule { name }
       submission { commit } versions { doi } article { name }`,
    )
    expect(errors).toBeUndefined()
    expect(new Set(Object.values(it))).toEqual(new Set([null]))
  })

  test.each([
    ["absent", undefined],
    ["null", null],
    ["empty", ""],
  ])("an optional field of a data asset is null if it is %s", async (_how, nothing) => {
    const keys = "mount owner owner_email created last_used files size description tags nextflow_profile failure_reason"
    const more =
      "transfer_error last_transferred provenance source_bucket custom_metadata app_parameters contained_data_assets"
    const wire = Object.fromEntries(`${keys} ${more}`.split(" ").map((key) => [key, nothing]))
    const { it, errors } = await fieldsOf(
      "dataAsset",
      wire,
      `mount owner ownerEmail created lastUsed fileCount size description tags nextflowProfile failureReason transferError
       lastTransferred provenance { commit } sourceBucket { origin } customMetadata { key } appParameters { name }
       containedDataAssets { dataAssetId }`,
    )
    expect(errors).toBeUndefined()
    expect(new Set(Object.values(it))).toEqual(new Set([null]))
  })

  test("an empty id inside a provenance makes no call", async () => {
    const provenance = { capsule: "", computation: null, data_assets: null, commit: "" }
    const { it, upstream } = await fieldsOf(
      "dataAsset",
      { provenance },
      "provenance { capsule { name } computation { name } dataAssets { name } commit }",
    )
    expect(it.provenance).toEqual({ capsule: null, computation: null, dataAssets: null, commit: null })
    expect(upstream.requests).toHaveLength(1)
  })

  test('the default "" of a parameter is a value, and the default null is none', async () => {
    const parameters = [{ name: "empty", default_value: "" }, { name: "null", default_value: null }, { name: "absent" }]
    const { it } = await fieldsOf("appPanel", { parameters }, "parameters { name defaultValue }")
    expect(it.parameters).toEqual([
      { name: "empty", defaultValue: "" },
      { name: "null", defaultValue: null },
      { name: "absent", defaultValue: null },
    ])
  })

  test("an empty name of a capsule stays an empty string", async () => {
    const { it, errors } = await fieldsOf("capsule", { name: "", owner: "", slug: "" }, "name owner slug")
    expect(it).toEqual({ name: "", owner: "", slug: "" })
    expect(errors).toBeUndefined()
  })

  test("lists and objects of a panel that are null stay null", async () => {
    const nothing = {
      general: null,
      data_assets: null,
      categories: "",
      parameters: null,
      results: null,
      processes: null,
    }
    const fields =
      "general { title } dataAssets { dataAssetId } categories { categoryId } parameters { name } results { fileName } processes { name }"
    const { it, errors } = await fieldsOf("appPanel", nothing, fields)
    expect(errors).toBeUndefined()
    expect(new Set(Object.values(it))).toEqual(new Set([null]))
  })

  test("empty values of older platforms in the sandbox are null", async () => {
    const { ask } = await startGateway()
    const { data, errors } = await ask(
      `{ capsule(id: "${seed.oldForms}") { tags releaseCapsule { id } } dataAsset(id: "${seed.oldAsset}") { tags lastUsed } }`,
    )
    expect(errors).toBeUndefined()
    expect(data).toEqual({ capsule: { tags: null, releaseCapsule: null }, dataAsset: { tags: null, lastUsed: null } })
  })
})

describe("numbers", () => {
  test("numbers that upstream sends as texts are read as numbers", async () => {
    const wire = { run_time: "60", exit_code: "1", created: "1700000000" }
    const { it, errors } = await fieldsOf("computation", wire, "runTime exitCode created")
    expect(errors).toBeUndefined()
    expect(it).toEqual({ runTime: 60, exitCode: 1, created: "2023-11-14T22:13:20.000Z" })
  })

  test("an integer field loses the fraction of its number", async () => {
    const { it } = await fieldsOf("computation", { run_time: 59.97, exit_code: -0.5 }, "runTime exitCode")
    expect(it.runTime).toBe(59)
    expect(it.exitCode === 0).toBe(true)
  })

  test("numbers of a panel keep their fraction, and 0 is a value", async () => {
    const parameters = [
      { minimum: "0.25", maximum: 1e-7 },
      { minimum: 0, maximum: "1e3" },
    ]
    const { it } = await fieldsOf("appPanel", { parameters }, "parameters { minimum maximum }")
    expect(it.parameters).toEqual([
      { minimum: 0.25, maximum: 1e-7 },
      { minimum: 0, maximum: 1000 },
    ])
  })

  test("numbers in place of texts are read as their digits", async () => {
    const { it, errors } = await fieldsOf(
      "capsule",
      { slug: 1048576, name: 7, description: false },
      "slug name description",
    )
    expect(errors).toBeUndefined()
    expect(it).toEqual({ slug: "1048576", name: "7", description: "false" })
  })

  test.each([
    ["a word", "abc"],
    ["white space", "  "],
    ["a list", [60]],
    ["an object", { seconds: 60 }],
    ["a truth value", true],
    ["beyond 32 bits", 2 ** 31],
    ["beyond every number", "1e999"],
  ])("a number that is %s fails its own field", async (_what, run_time) => {
    await expectAlone("computation", { run_time }, "runTime", "run_time")
  })

  test("the largest integer of 32 bits is accepted", async () => {
    const { it } = await fieldsOf("computation", { run_time: 2 ** 31 - 1, exit_code: -(2 ** 31) }, "runTime exitCode")
    expect(it).toEqual({ runTime: 2 ** 31 - 1, exitCode: -(2 ** 31) })
  })
})

describe("sizes", () => {
  test.each([
    [0, 0],
    ["0", 0],
    [2 ** 31, 2 ** 31],
    ["535129947980", 535_129_947_980],
    [2 ** 53 - 1, 2 ** 53 - 1],
    ["9007199254740991", 2 ** 53 - 1],
  ])("a size of %j bytes comes out exactly", async (size, expected) => {
    const { it, errors } = await fieldsOf(
      "dataAsset",
      { size, contained_data_assets: [{ id: "d2", size }] },
      "size containedDataAssets { size }",
    )
    expect(errors).toBeUndefined()
    expect(it).toEqual({ size: expected, containedDataAssets: [{ size: expected }] })
  })

  test.each([["9007199254740993"], [2 ** 53], ["1e30"], [-1], [0.5], ["3 GB"], [true], [[1]], [{}]])(
    "a size of %j bytes fails its own field",
    async (size) => {
      const { it, errors } = await fieldsOf("dataAsset", { size }, "name size")
      expect(it).toEqual({ name: "Data", size: null })
      expect(errors).toMatchObject([{ path: ["it", "size"], extensions: { code: "UPSTREAM_INVALID_RESPONSE" } }])
      expect(errors![0]!.message).toContain('"size"')
    },
  )

  test("a size beyond 2^53 that is written as a number is not rounded silently", async () => {
    const { it, errors } = await fieldsOf(
      "dataAsset",
      JSON.stringify({ ...asset, size: 0 }).replace('"size":0', '"size":9007199254740993'),
      "size",
    )
    expect(it).toEqual({ size: null })
    expect(errors![0]!.extensions.code).toBe("UPSTREAM_INVALID_RESPONSE")
  })
})

describe("times", () => {
  test.each([
    [1_700_000_000, "2023-11-14T22:13:20.000Z"],
    [1_700_000_000.25, "2023-11-14T22:13:20.250Z"],
    ["1700000000", "2023-11-14T22:13:20.000Z"],
    ["1700000000.5", "2023-11-14T22:13:20.500Z"],
    [1.7e9, "2023-11-14T22:13:20.000Z"],
    [-1, "1969-12-31T23:59:59.000Z"],
    [253_402_300_799, "9999-12-31T23:59:59.000Z"],
  ])("a time of %j comes out as %s", async (last_accessed, expected) => {
    const { it, errors } = await fieldsOf("capsule", { last_accessed }, "lastAccessed")
    expect(errors).toBeUndefined()
    expect(it.lastAccessed).toBe(expected)
  })

  test.each([0, "0", 0.0])("a time of %j means never", async (zero) => {
    const wire = { last_used: zero, last_transferred: zero, created: zero }
    expect((await fieldsOf("dataAsset", wire, "lastUsed lastTransferred created")).it).toEqual({
      lastUsed: null,
      lastTransferred: null,
      created: null,
    })
  })

  test.each([0, "0", -62_135_596_800])("a time of %j means never in every object", async (zero) => {
    const original_capsule = { created: zero }
    const submission = { timestamp: zero, verified_timestamp: zero }
    const wire = { created: zero, last_accessed: zero, original_capsule, submission, article: { publish_time: zero } }
    const { it, errors } = await fieldsOf(
      "capsule",
      { ...wire, versions: [{ release_time: zero }] },
      `created lastAccessed originalCapsule { created } submission { timestamp verifiedTimestamp }
       article { publishTime } versions { releaseTime }`,
    )
    expect(errors).toBeUndefined()
    expect(it).toEqual({
      created: null,
      lastAccessed: null,
      originalCapsule: { created: null },
      submission: { timestamp: null, verifiedTimestamp: null },
      article: { publishTime: null },
      versions: [{ releaseTime: null }],
    })
    expect((await fieldsOf("computation", { created: zero }, "created")).it).toEqual({ created: null })
  })

  test.each([1_700_000_000_000, "1700000000000", 253_402_300_800])(
    "a time of %j, which is not in seconds, fails its own field",
    async (last_accessed) => {
      await expectAlone("capsule", { last_accessed }, "lastAccessed", "last_accessed")
    },
  )

  test.each(["NaN", "Infinity", "-Infinity", " ", "soon"])("a time of %j fails its own field", async (created) => {
    await expectAlone("computation", { created }, "created", "created")
  })

  test.each([["2023-11-14T22:13:20Z"], [true], [{ seconds: 1 }], [[1]]])(
    "a value of %j fails its own field",
    async (last_accessed) => {
      await expectAlone("capsule", { last_accessed }, "lastAccessed", "last_accessed")
    },
  )

  test.each([1e20, "1e300"])(
    "a time of %j seconds, which no date can be, fails its own field",
    async (last_accessed) => {
      const { it, errors } = await fieldsOf("capsule", { last_accessed }, "name lastAccessed")
      expect(it).toEqual({ name: "One", lastAccessed: null })
      expect(errors).toMatchObject([{ extensions: { code: "UPSTREAM_INVALID_RESPONSE" } }])
    },
  )
})

describe("truth values", () => {
  test.each([
    [true, true],
    [false, false],
    ["true", true],
    ["False", false],
    [1, true],
    [0, false],
    ["1", true],
    ["0", false],
    ["", null],
    [null, null],
  ])("a truth value of %j comes out as %j", async (has_results, expected) => {
    const { it, errors } = await fieldsOf("computation", { has_results }, "hasResults")
    expect(errors).toBeUndefined()
    expect(it.hasResults).toBe(expected)
  })

  const untrue: unknown[] = [
    "maybe",
    "yes",
    2,
    [],
    [true],
    {},
    "constructor",
    "toString",
    "__proto__",
    { toString: "x" },
  ]
  test.each(untrue.map((value) => [value]))("a value of %j fails its own field", async (has_results) => {
    await expectAlone("computation", { has_results }, "hasResults", "has_results")
  })
})

describe("enums", () => {
  test("an unknown enum value comes out as UNRECOGNIZED and is logged once", async () => {
    const upstream = await startAnswering({
      "/data_assets/d1": { ...asset, state: "frozen", type: "hologram" },
      "/data_assets/d2": { ...asset, id: "d2", state: "frozen" },
    })
    const { ask, lines } = startGatewayOn(upstream.url)
    for (let times = 0; times < 2; times++) {
      const { data, errors } = await ask(`{ dataAssets(ids: ["d1", "d2"]) { state type } }`)
      expect(errors).toBeUndefined()
      expect(data.dataAssets).toEqual([
        { state: "UNRECOGNIZED", type: "UNRECOGNIZED" },
        { state: "UNRECOGNIZED", type: "DATASET" },
      ])
    }
    const warnings = lines.filter(({ level }) => level === "warn")
    expect(warnings.map((line) => [line.enum, line.value])).toEqual([
      ["DataAssetState", "frozen"],
      ["DataAssetType", "hologram"],
    ])
  })

  test.each([
    ["RELEASE", "RELEASE"],
    ["Non_Release", "NON_RELEASE"],
    ["non-published", "NON_RELEASE"],
    ["non_published", "NON_RELEASE"],
    ["Non-Published", "NON_RELEASE"],
    ["non-release", "NON_RELEASE"],
    ["submitted", "NON_RELEASE"],
    ["publishing", "NON_RELEASE"],
    ["published", "RELEASE"],
    ["VERIFIED", "RELEASE"],
    ["constructor", "UNRECOGNIZED"],
    ["__proto__", "UNRECOGNIZED"],
    ["UNRECOGNIZED", "UNRECOGNIZED"],
    [3, "UNRECOGNIZED"],
    [true, "UNRECOGNIZED"],
  ])("a status of %j is read as %s", async (status, expected) => {
    const { it, errors } = await fieldsOf("capsule", { status }, "name status")
    expect(errors).toBeUndefined()
    expect(it).toEqual({ name: "One", status: expected })
  })

  test.each([[{}], [["release"]]])(
    "a status of %j, which is no text, fails the object that must have one",
    async (status) => {
      const { it, errors } = await fieldsOf("capsule", { status }, "name status")
      expect(it).toBeNull()
      expect(errors).toMatchObject([{ path: ["it", "status"], extensions: { code: "UPSTREAM_INVALID_RESPONSE" } }])
    },
  )

  test("an unknown enum value of a million letters is shortened in the log", async () => {
    const { it, lines } = await fieldsOf("dataAsset", { state: "x".repeat(1_000_000) }, "state")
    expect(it.state).toBe("UNRECOGNIZED")
    expect(JSON.stringify(lines).length).toBeLessThan(5_000)
  })
})

describe("custom metadata", () => {
  test("custom metadata keeps the deployment's own keys and values as they are", async () => {
    const custom_metadata = {
      "subject id": "M-42",
      "data level": 3,
      "acquired on": 1_700_000_000,
      regions: ["V1", "CA3"],
      "": "",
      rest: null,
    }
    const { it } = await fieldsOf("dataAsset", { custom_metadata }, "customMetadata { key value }")
    expect(
      Object.fromEntries(it.customMetadata.map(({ key, value }: { key: string; value: unknown }) => [key, value])),
    ).toEqual(custom_metadata)
  })

  test("keys of custom metadata may be names that JavaScript knows", async () => {
    const wire = JSON.stringify({ ...asset, custom_metadata: 0 }).replace(
      '"custom_metadata":0',
      '"custom_metadata":{"__proto__":{"polluted":true},"constructor":"c","toString":1,"__typename":"Query"}',
    )
    const { it, errors } = await fieldsOf("dataAsset", wire, "__typename customMetadata { key value }")
    expect(errors).toBeUndefined()
    expect(it.__typename).toBe("DataAsset")
    expect(it.customMetadata).toEqual([
      { key: "__proto__", value: { polluted: true } },
      { key: "constructor", value: "c" },
      { key: "toString", value: 1 },
      { key: "__typename", value: "Query" },
    ])
    expect({}).not.toHaveProperty("polluted")
  })

  test.each([["none"], [[1]], [7]])("custom metadata that is %j fails its own field", async (custom_metadata) => {
    await expectAlone("dataAsset", { custom_metadata }, "customMetadata { key }", "custom_metadata")
  })
})

describe("a required field", () => {
  test.each(["name", "status", "owner", "slug"])(
    "a missing %s fails its capsule, and the page's others are whole",
    async (key) => {
      for (const nothing of [undefined, null]) {
        const upstream = await startFaultyUpstream(() => ({
          body: {
            has_more: false,
            results: [capsule, { ...capsule, id: "c2", [key]: nothing }, { ...capsule, id: "c3" }],
          },
        }))
        const { ask } = startGatewayOn(upstream.url)
        const { data, errors } = await ask(
          "{ searchCapsules { nodes { id created name status owner slug } pageInfo { hasNextPage } } }",
        )
        expect(data.searchCapsules.nodes.map((node: { id: string } | null) => node?.id)).toEqual([
          "c1",
          undefined,
          "c3",
        ])
        expect(data.searchCapsules.pageInfo).toEqual({ hasNextPage: false })
        expect(errors).toMatchObject([
          {
            message: `Code Ocean sent an invalid response: "${key}" is missing.`,
            path: ["searchCapsules", "nodes", 1, key],
            extensions: { code: "UPSTREAM_INVALID_RESPONSE" },
          },
        ])
      }
    },
  )

  test("a missing required field that is not selected is no error", async () => {
    const { it, errors } = await fieldsOf("capsule", '{"id":"c1"}', "id description")
    expect(errors).toBeUndefined()
    expect(it).toEqual({ id: "c1", description: null })
  })

  test("a required field that is missing in one edge of a page leaves its cursor and the other edges", async () => {
    const upstream = await startFaultyUpstream(() => ({
      body: { has_more: false, results: [{ id: "c1" }, { ...capsule, id: "c2" }] },
    }))
    const { data } = await startGatewayOn(upstream.url).ask("{ searchCapsules { edges { cursor node { name } } } }")
    expect(data.searchCapsules.edges).toEqual([
      { cursor: expect.any(String), node: null },
      { cursor: expect.any(String), node: { name: "One" } },
    ])
  })

  test("a required field that is missing in one run of a list leaves the other runs", async () => {
    const upstream = await startAnswering({ "/capsules/c1": capsule, "/capsules/c1/computations": [run, { id: "r2" }] })
    const { data, errors } = await startGatewayOn(upstream.url).ask(
      `{ capsule(id: "c1") { computations { nodes { name created state } } } }`,
    )
    expect(data.capsule.computations.nodes).toEqual([
      { name: "Run 1", created: "2023-11-14T22:13:20.000Z", state: "COMPLETED" },
      null,
    ])
    expect(new Set(errors!.map(({ extensions }) => extensions.code))).toEqual(new Set(["UPSTREAM_INVALID_RESPONSE"]))
  })
})

describe("older platforms' names", () => {
  test("older platforms' names for fields of a capsule are read", async () => {
    const upstream = await startAnswering({
      "/capsules/c1": {
        ...capsule,
        status: "published",
        keywords: ["old"],
        published_capsule: "c2",
        versions: [{ publish_time: 1_700_000_000 }],
      },
      "/capsules/c2": { ...capsule, id: "c2", name: "Published" },
    })
    const { data, errors } = await startGatewayOn(upstream.url).ask(
      `{ capsule(id: "c1") { status tags releaseCapsule { name } versions { releaseTime } } }`,
    )
    expect(errors).toBeUndefined()
    expect(data.capsule).toEqual({
      status: "RELEASE",
      tags: ["old"],
      releaseCapsule: { name: "Published" },
      versions: [{ releaseTime: "2023-11-14T22:13:20.000Z" }],
    })
  })

  test("older platforms' names for fields of a data asset are read", async () => {
    const wire = {
      state: "DATA_ASSET_STATE_READY",
      type: "DATA_ASSET_TYPE_DATASET",
      lastUsed: 1_700_000_000,
      sizeInBytes: "3000000000",
      keywords: ["old"],
    }
    const { it, errors } = await fieldsOf("dataAsset", wire, "state type lastUsed size tags")
    expect(errors).toBeUndefined()
    expect(it).toEqual({
      state: "READY",
      type: "DATASET",
      lastUsed: "2023-11-14T22:13:20.000Z",
      size: 3_000_000_000,
      tags: ["old"],
    })
  })

  test.each([
    ["state", "data_asset_state_failed", "FAILED"],
    ["state", "DATA_ASSET_STATE_DRAFT", "DRAFT"],
    ["type", "Data_Asset_Type_Combined", "COMBINED"],
    ["type", "DATA_ASSET_TYPE_MODEL", "MODEL"],
  ])("the older %s %j of a data asset is read, whatever its case", async (field, value, expected) => {
    const { it, errors } = await fieldsOf("dataAsset", { [field]: value }, field)
    expect(errors).toBeUndefined()
    expect(it).toEqual({ [field]: expected })
  })

  test("older names are read in the parts of a combined data asset", async () => {
    const wire = { contained_data_assets: [{ id: "d2", sizeInBytes: "3000000000" }] }
    const { it, errors } = await fieldsOf("dataAsset", wire, "containedDataAssets { size }")
    expect(errors).toBeUndefined()
    expect(it).toEqual({ containedDataAssets: [{ size: 3_000_000_000 }] })
  })

  test("current names of fields take precedence over those of older platforms, unless their values are empty", async () => {
    const both = { tags: ["new"], keywords: ["old"], last_used: 1_700_000_001, lastUsed: 1, size: 2, sizeInBytes: 1 }
    expect((await fieldsOf("dataAsset", both, "tags lastUsed size")).it).toEqual({
      tags: ["new"],
      lastUsed: "2023-11-14T22:13:21.000Z",
      size: 2,
    })
    const empty = { tags: null, keywords: ["old"], size: "", sizeInBytes: 1 }
    expect((await fieldsOf("dataAsset", empty, "tags size")).it).toEqual({ tags: ["old"], size: 1 })
  })
})

describe("a value of the wrong type", () => {
  const rows: ["capsule" | "dataAsset" | "computation", string, unknown, string][] = [
    ["capsule", "tags", "imaging", "tags"],
    ["capsule", "versions", "1.0", "versions { doi }"],
    ["capsule", "article", [], "article { name }"],
    ["capsule", "article", "Nature", "article { name }"],
    ["capsule", "original_capsule", 1, "originalCapsule { capsuleId }"],
    ["capsule", "submission", true, "submission { commit }"],
    ["capsule", "description", { text: "x" }, "description"],
    ["capsule", "owner_email", ["a@example.org"], "ownerEmail"],
    ["capsule", "release_capsule", { id: "c2" }, "releaseCapsule { name }"],
    ["computation", "data_assets", "d1", "dataAssets { dataAssetId }"],
    ["computation", "end_status", {}, "endStatus"],
    ["computation", "exit_code", "killed", "exitCode"],
    ["dataAsset", "provenance", "c1", "provenance { commit }"],
    ["dataAsset", "source_bucket", [], "sourceBucket { bucket }"],
    ["dataAsset", "files", "many", "fileCount"],
    ["dataAsset", "contained_data_assets", "d2", "containedDataAssets { dataAssetId }"],
  ]
  test.each(rows)(
    "a value of the wrong type in a %s (%s: %j) fails its field alone",
    async (kind, key, value, field) => {
      await expectAlone(kind, { [key]: value }, field, key)
    },
  )

  test("a nested value of the wrong type fails its own field alone", async () => {
    const article = { name: "Sound", state: [], publish_time: "soon", url: {} }
    const { it, errors } = await fieldsOf("capsule", { article }, "article { name state publishTime url doi }")
    expect(it.article).toEqual({ name: "Sound", state: null, publishTime: null, url: null, doi: null })
    expect(errors!.map(({ path }) => path!.at(-1)).sort()).toEqual(["publishTime", "state", "url"])
  })

  // In place of the id of another object.
  const links: ["capsule" | "dataAsset" | "computation", object, string][] = [
    ["capsule", { release_capsule: ["c2"] }, "releaseCapsule { name }"],
    ["capsule", { original_capsule: { id: {} } }, "originalCapsule { capsule { name } }"],
    ["capsule", { submission: { verification_capsule: [] } }, "submission { verificationCapsule { name } }"],
    ["computation", { data_assets: [{ id: {} }] }, "dataAssets { dataAsset { name } }"],
    ["computation", { processes: [{ capsule_id: {} }] }, "processes { capsule { name } }"],
    ["dataAsset", { provenance: { capsule: {} } }, "provenance { capsule { name } }"],
    ["dataAsset", { provenance: { computation: {} } }, "provenance { computation { name } }"],
    ["dataAsset", { provenance: { data_assets: [{}] } }, "provenance { dataAssets { name } }"],
    ["dataAsset", { contained_data_assets: [{ id: [] }] }, "containedDataAssets { dataAsset { name } }"],
  ]
  test.each(links)(
    "a value of the wrong type in place of a linked object's id (in a %s: %j) is no internal error",
    async (kind, wire, field) => {
      const { it, errors, lines } = await fieldsOf(kind, wire, `name ${field}`)
      expect(it.name).toEqual(expect.any(String))
      expect(codes({ errors: errors! })).toEqual(["UPSTREAM_INVALID_RESPONSE"])
      expect(lines.filter(({ level }) => level === "error")).toEqual([])
    },
  )

  test.each(links.map(([kind, wire, field]) => [kind, wire, field.replace("{ name }", "{ id }")] as const))(
    "a value of the wrong type in place of a linked object's id (in a %s: %j) is not shown as an id",
    async (kind, wire, field) => {
      const { errors, lines } = await fieldsOf(kind, wire, `name ${field}`)
      expect(codes({ errors: errors! })).toEqual(["UPSTREAM_INVALID_RESPONSE"])
      expect(lines.filter(({ level }) => level === "error")).toEqual([])
    },
  )

  const odd: [string, object][] = [
    ["without a state", { state: undefined }],
    ["whose state is a number", { state: 3 }],
    ["whose state is an object", { state: {} }],
    ["whose end_status is an object", { end_status: {} }],
    ["whose created is a word", { created: "soon" }],
    ["whose name is an object", { name: {} }],
    ["whose data_assets is an object", { data_assets: {} }],
    ["whose data_assets hold null", { data_assets: [null] }],
  ]
  test.each(odd)(
    "a value of the wrong type in one run (%s) does not keep filters from finding the others",
    async (_what, wire) => {
      const upstream = await startAnswering({
        "/capsules/c1": capsule,
        "/capsules/c1/computations": [
          { ...run, id: "r2", ...wire },
          { ...run, end_status: "succeeded", data_assets: [{ id: "d1" }] },
        ],
      })
      const { data, errors } = await startGatewayOn(upstream.url).ask(`{ capsule(id: "c1") {
      state: computations(filter: { state: [COMPLETED], name: "run 1" }) { nodes { id } }
      ending: computations(filter: { endStatus: [SUCCEEDED] }) { nodes { id } }
      input: computations(filter: { dataAssetId: "d1" }) { nodes { id } }
      time: computations(filter: { created: { from: "2020-01-01" } }) { nodes { id } }
    } }`)
      expect(errors).toBeUndefined()
      for (const part of ["state", "ending", "input", "time"])
        expect(data.capsule[part].nodes).toContainEqual({ id: "r1" })
    },
  )
})

describe("keys with a meaning in JavaScript or GraphQL", () => {
  const evil = `"__proto__":{"polluted":true,"name":"Inherited"},"constructor":{"prototype":{"polluted":true}},"__typename":"Query","toString":"x","then":"x"`

  test("keys that JavaScript or GraphQL know are harmless in a capsule", async () => {
    const { it, errors } = await fieldsOf(
      "capsule",
      `{${evil},"id":"c1","created":1,"name":"One","status":"release","owner":"u","slug":"1"}`,
      "__typename id name description",
    )
    expect(errors).toBeUndefined()
    expect(it).toEqual({ __typename: "Capsule", id: "c1", name: "One", description: null })
    expect({}).not.toHaveProperty("polluted")
  })

  test("inherited properties do not replace missing keys", async () => {
    const { it, errors } = await fieldsOf("capsule", `{${evil},"id":"c1"}`, "name")
    expect(it).toBeNull()
    expect(codes({ errors: errors! })).toEqual(["UPSTREAM_INVALID_RESPONSE"])
  })

  test("keys that JavaScript or GraphQL know are harmless in a page and its objects", async () => {
    const result = `{${evil},"id":"c1","name":"One"}`
    const upstream = await startFaultyUpstream(() => ({ body: `{${evil},"has_more":false,"results":[${result}]}` }))
    const { data, errors } = await startGatewayOn(upstream.url).ask(
      "{ searchPipelines { __typename nodes { __typename name } pageInfo { hasNextPage } } }",
    )
    expect(errors).toBeUndefined()
    expect(data.searchPipelines).toEqual({
      __typename: "PipelineConnection",
      nodes: [{ __typename: "Pipeline", name: "One" }],
      pageInfo: { hasNextPage: false },
    })
    expect({}).not.toHaveProperty("polluted")
  })

  test("keys that JavaScript or GraphQL know are harmless in nested objects", async () => {
    const { it, errors } = await fieldsOf(
      "appPanel",
      `{${evil},"general":{${evil},"title":"T"},"parameters":[{${evil},"name":"P"}]}`,
      "__typename general { __typename title helpText } parameters { __typename name }",
    )
    expect(errors).toBeUndefined()
    expect(it).toEqual({
      __typename: "AppPanel",
      general: { __typename: "AppPanelGeneral", title: "T", helpText: null },
      parameters: [{ __typename: "AppPanelParameter", name: "P" }],
    })
  })

  test("an id that JavaScript knows, such as __proto__, finds the object of that id", async () => {
    const upstream = await startAnswering({ "/capsules/__proto__": { ...capsule, id: "__proto__", name: "Odd" } })
    const { ask } = startGatewayOn(upstream.url)
    const { data } = await ask(`{ a: capsule(id: "__proto__") { name } b: capsule(id: "constructor") { name } }`)
    expect(data).toEqual({ a: { name: "Odd" }, b: null })
  })

  test("the last of two equal keys in a response is used", async () => {
    const { it } = await fieldsOf("capsule", `{"id":"c0","id":"c1","name":"First","name":"Second"}`, "id name")
    expect(it).toEqual({ id: "c1", name: "Second" })
  })
})

describe("texts", () => {
  test("texts of any language, with line breaks and control characters, come out as they are", async () => {
    const description = 'Zoë 🔬 \u202emirrored\u202c\n\ttab "quoted" <b>&amp;\u0000\u001b[31m\u2028end'
    expect((await fieldsOf("capsule", { description }, "description")).it.description).toBe(description)
  })

  test("a text of a megabyte comes out whole", async () => {
    const description = "é".repeat(1_000_000)
    expect((await fieldsOf("capsule", { description }, "description")).it.description).toBe(description)
  })

  test("a text whose characters arrive in pieces comes out whole", async () => {
    const bytes = Buffer.from(JSON.stringify({ ...capsule, name: "🔬 Zoë" }))
    const upstream = await startFaultyUpstream((_request, response) => {
      response.writeHead(200, { "content-type": "application/json" })
      const write = (at: number) => {
        if (at === bytes.length) response.end()
        else response.write(bytes.subarray(at, at + 1), () => setImmediate(write, at + 1))
      }
      write(0)
      return undefined
    })
    expect((await startGatewayOn(upstream.url).ask(`{ capsule(id: "c1") { name } }`)).data.capsule.name).toBe("🔬 Zoë")
  })
})

test("any time is formatted as Date.toISOString formats it", () => {
  const { serialize } = schema.getType("DateTime") as GraphQLScalarType
  const tenThousandYears = 253_402_300_800
  const moments = fc.oneof(
    fc.integer({ min: 0, max: tenThousandYears + 10 }),
    fc.integer({ min: -1e9, max: 2e9 }),
    fc.double({ min: 0, max: 2e9, noNaN: true }),
  )
  const written = (seconds: number) => {
    expect(serialize(seconds)).toBe(new Date(seconds * 1000).toISOString())
  }
  fc.assert(fc.property(moments, written), { numRuns: 12_000 })
  for (const seconds of [0, 1, 86_399, 86_400, tenThousandYears - 1, tenThousandYears, -1]) written(seconds)
})

describe("a DateTime as input", () => {
  const filtered = `query ($from: DateTime!) { capsule(id: "c1") { computations(filter: { created: { from: $from } }) { nodes { id } } } }`
  const literal = (value: string) => filtered.replace("($from: DateTime!)", "").replace("$from", value)
  const start = async () =>
    startGatewayOn((await startAnswering({ "/capsules/c1": capsule, "/capsules/c1/computations": [run] })).url)

  test.each([
    ["2023-11-14T22:13:20Z", true],
    ["2023-11-14T22:13:20.000Z", true],
    ["2023-11-14T22:13:20.001Z", false],
    ["2023-11-14T23:13:20+01:00", true],
    ["2023-11-14T23:13:21+01:00", false],
    ["2023-11-14T22:13Z", true],
    ["2023-11-14", true],
    ["2023-11-15", false],
    ["2020-02-29", true],
    ["0001-01-01", true],
    ["9999-12-31T23:59:59Z", false],
  ])("a DateTime argument of %s is read (a run of 22:13:20 is found: %j)", async (from, found) => {
    const { ask } = await start()
    for (const { data } of [await ask(filtered, { from }), await ask(literal(JSON.stringify(from)))])
      expect(data.capsule.computations.nodes).toEqual(found ? [{ id: "r1" }] : [])
  })

  test.each([
    "",
    "hello",
    "now",
    "1700000000",
    "2023-02-30",
    "2023-02-29T00:00:00Z",
    "2023-13-01",
    "2023-11-14T25:00:00Z",
    "2023-11-14T22:13:20",
    "2023-11-14 22:13:20Z",
    "14.11.2023",
    "2023-11-14T22:13:20+99:99",
    "+012023-11-14",
    "2023-11-14\n",
    1_700_000_000,
    true,
    [],
    {},
  ])("a DateTime argument of %j is BAD_USER_INPUT with a message, as variable and in the query", async (from) => {
    const { ask, lines } = await start()
    const written = JSON.stringify(from)
    for (const answer of [await ask(filtered, { from }), await ask(literal(written))]) {
      expect(answer.data ?? null).toBeNull()
      expect(codes(answer)).toEqual(["BAD_USER_INPUT"])
      expect(answer.errors![0]!.message).toContain("DateTime")
    }
    expect(lines.filter(({ level }) => level === "error")).toEqual([])
  })
})

describe("JSON as input", () => {
  const search = '{ searchDataAssets(filters: [{ key: "subject id", value: VALUE }]) { nodes { id } } }'
  const withVariable = `query ($value: JSON) ${search.replace("VALUE", "$value")}`

  test.each([
    ['"M-42"', "M-42"],
    ["42", 42],
    ["-0.5", -0.5],
    ['"with \\"quotes\\" and \\u00e9"', 'with "quotes" and é'],
    ['"""block"""', "block"],
    ['"__proto__"', "__proto__"],
  ])("a filter's JSON value of %s arrives upstream as it is, from the query or a variable", async (written, value) => {
    const { ask, sandbox } = await startGateway()
    await ask(search.replace("VALUE", written))
    await ask(withVariable, { value })
    const filters = [{ key: "subject id", value }]
    expect(sandbox.requests.map(({ body }) => body)).toMatchObject([{ filters }, { filters }])
  })

  test.each([
    ["{ a: 1 }", { a: 1 }],
    ["{ __proto__: { polluted: true } }", JSON.parse('{"__proto__":{"polluted":true}}')],
    ["[1, 2]", [1, 2]],
    ["true", true],
    ["null", null],
  ])(
    "a filter's JSON value of %s, which no filter takes, is BAD_USER_INPUT, and nothing is sent",
    async (written, value) => {
      const { ask, sandbox } = await startGateway()
      for (const answer of [await ask(search.replace("VALUE", written)), await ask(withVariable, { value })]) {
        expect(codes(answer)).toEqual(["BAD_USER_INPUT"])
        expect(answer.errors![0]!.message).toMatch(/the filter on "subject id"|the key `__proto__`/)
      }
      expect(sandbox.requests).toHaveLength(0)
      expect({}).not.toHaveProperty("polluted")
    },
  )

  test("an enum literal as JSON is refused with a hint at the quotes", async () => {
    const { ask, sandbox } = await startGateway()
    const { errors } = await ask(search.replace("VALUE", "mouse"))
    expect(errors![0]!.message).toBe(
      'Argument "filters" of "searchDataAssets" got an invalid value at "filters[0].value"; A JSON value cannot be the unquoted word mouse. Strings need quotes.',
    )
    expect(sandbox.requests).toHaveLength(0)
  })

  test("variables may be used inside a list literal of JSON", async () => {
    const { ask, sandbox } = await startGateway()
    const filters = '[{ key: "age", values: [1, $age, "old"] }]'
    await ask(`query ($age: JSON!) { searchDataAssets(filters: ${filters}) { nodes { id } } }`, { age: 2.5 })
    expect(sandbox.requests[0]!.body).toMatchObject({ filters: [{ key: "age", values: [1, 2.5, "old"] }] })
  })
})
