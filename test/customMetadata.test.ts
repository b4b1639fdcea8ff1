import { expect, test } from "vitest"
import { seed } from "../sandbox/seed.ts"
import { callsOf, startGateway, type World } from "./support/gateway.ts"

const path = "/custom_metadata"

const schemaQuery = `{
  customMetadata {
    fields { name type range { min max } allowedValues multiple units category required }
    categories
  }
}`

const answer = {
  fields: [
    { name: "subject id", type: "string", required: true, category: "Subject" },
    { name: "weight", type: "number", units: "g", range: { min: 5, max: "60.5" }, category: "Subject" },
    { name: "acquired", type: "date", range: { min: 1_577_836_800 }, allowed_values: [], multiple: false },
    { name: "probes", type: "vector", allowed_values: ["A", null, 2], multiple: true, units: "" },
  ],
  categories: ["Subject"],
}

/** The deployment's schema is this one, for the next call. */
function hasSchema({ sandbox }: World, body: unknown): void {
  sandbox.failNext(`GET ${path}`, { status: 200, body })
}

test("the deployment's custom metadata fields have all their properties, for one call", async () => {
  const world = await startGateway()
  hasSchema(world, answer)
  const { data, errors } = await world.ask(schemaQuery)
  expect(errors?.map(({ path }) => path?.join("."))).toEqual(["customMetadata.fields.3.allowedValues.1"])
  const nothing = { range: null, allowedValues: null, multiple: null, units: null, category: null, required: null }
  expect(data.customMetadata).toEqual({
    fields: [
      { ...nothing, name: "subject id", type: "STRING", required: true, category: "Subject" },
      { ...nothing, name: "weight", type: "NUMBER", units: "g", range: { min: 5, max: 60.5 }, category: "Subject" },
      {
        ...nothing,
        name: "acquired",
        type: "DATE",
        range: { min: 1_577_836_800, max: null },
        allowedValues: [],
        multiple: false,
      },
      { ...nothing, name: "probes", type: "UNRECOGNIZED", allowedValues: ["A", null, 2], multiple: true },
    ],
    categories: ["Subject"],
  })
  expect(callsOf(world.sandbox.requests)).toEqual({ [`GET ${path}`]: 1 })
})

test("a deployment without custom metadata fields has empty lists, and one without the endpoint has null", async () => {
  const world = await startGateway()
  hasSchema(world, {})
  expect(await world.ask(schemaQuery)).toEqual({ data: { customMetadata: { fields: [], categories: [] } } })
  world.sandbox.failNext(`GET ${path}`, { status: 404 })
  expect(await world.ask(schemaQuery)).toEqual({ data: { customMetadata: null } })
})

test("values of custom metadata have their type and unit, for one call for all of them", async () => {
  const { ask, sandbox } = await startGateway()
  const { data, errors } = await ask(`{
    dataAsset(id: "${seed.mouseRecording}") { customMetadata { key value type units } }
    again: dataAssets(ids: ["${seed.mouseRecording}", "${seed.sortedSpikes}"]) { customMetadata { key type } }
    customMetadata { fields { name type units } }
  }`)
  expect(errors).toBeUndefined()
  const fields = new Map(
    data.customMetadata.fields.map((field: { name: string; type: string; units: string | null }) => [
      field.name,
      field,
    ]),
  )
  expect(data.dataAsset.customMetadata.length).toBeGreaterThan(0)
  for (const { key, type, units } of data.dataAsset.customMetadata) {
    expect(fields.get(key)).toEqual({ name: key, type, units })
  }
  expect(callsOf(sandbox.requests)).toEqual({
    [`GET /data_assets/${seed.mouseRecording}`]: 1,
    [`GET /data_assets/${seed.sortedSpikes}`]: 1,
    [`GET ${path}`]: 1,
  })
})

test("custom metadata without type and unit costs no call for the schema", async () => {
  const { ask, sandbox } = await startGateway()
  await ask(`{ dataAsset(id: "${seed.mouseRecording}") { customMetadata { key value } } }`)
  expect(callsOf(sandbox.requests)).toEqual({ [`GET /data_assets/${seed.mouseRecording}`]: 1 })
})

test("a custom metadata value whose field is gone has neither type nor unit", async () => {
  const world = await startGateway()
  hasSchema(world, { fields: [{ name: "subject id", type: "string" }] })
  const { data, errors } = await world.ask(
    `{ dataAsset(id: "${seed.mouseRecording}") { customMetadata { key type units } } }`,
  )
  expect(errors).toBeUndefined()
  for (const { key, type, units } of data.dataAsset.customMetadata) {
    expect([key, type, units]).toEqual([key, key === "subject id" ? "STRING" : null, null])
  }
  expect(data.dataAsset.customMetadata.length).toBeGreaterThan(1)
})

test("a custom metadata schema that can't be read loses types and units, and nothing else", async () => {
  const { ask, sandbox } = await startGateway()
  sandbox.failNext(`GET ${path}`, { status: 500 })
  const { data, errors } = await ask(
    `{ dataAsset(id: "${seed.mouseRecording}") { name customMetadata { key value type } } }`,
  )
  expect(data.dataAsset.name).toBeTypeOf("string")
  for (const { key, value, type } of data.dataAsset.customMetadata) {
    expect(key).toBeTypeOf("string")
    expect(value).not.toBeNull()
    expect(type).toBeNull()
  }
  expect(new Set(errors?.map(({ extensions }) => extensions.code))).toEqual(new Set(["UPSTREAM_UNAVAILABLE"]))
  expect(sandbox.requestsTo(`GET ${path}`)).toHaveLength(1)
})
