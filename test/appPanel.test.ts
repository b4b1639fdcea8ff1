import { expect, test } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { asGraph, everyField, everyPlace, filledPlaces } from "./support/everyField.ts"
import { startGateway } from "./support/gateway.ts"
import { restAt } from "./support/rest.ts"

const panelTypes = ["AppPanelGeneral", "AppPanelDataAsset", "AppPanelCategory", "AppPanelParameter", "AppPanelProcess"]

test.each([
  ["capsule", seed.cellCounter],
  ["capsule", seed.releasedCellCounter],
  ["capsule", seed.spikeSorting],
  ["capsule", seed.driftCorrection],
  ["capsule", seed.ecephysQuality],
  ["capsule", seed.discoverableAtlas],
  ["pipeline", seed.ecephysPipeline],
] as const)("every field of the panel of the %s %s is what the REST API has", async (kind, id) => {
  const { ask, sandbox } = await startGateway()
  const { status, json } = await restAt(sandbox.url, tokens.ada)(`GET /${kind}s/${id}/app_panel`)
  const { data, errors } = await ask(`{ ${kind}(id: "${id}") { appPanel { ${everyField("AppPanel")} } } }`)
  expect(errors).toBeUndefined()
  expect(status).toBe(200)
  expect(data[kind].appPanel).toEqual(asGraph("AppPanel", json))
})

test("every field of a panel has the value that upstream sent", async () => {
  const { ask, sandbox } = await startGateway()
  const text = (name: string) => ({ name, description: `${name} description`, help_text: `${name} help` })
  const parameter = {
    ...text("parameter"),
    type: "text",
    category: "c",
    param_name: "p",
    value_type: "integer",
    default_value: "",
    required: false,
    hidden: true,
    minimum: -0.5,
    maximum: 1e10,
    pattern: '^\\d+\\s"é🔬"$',
    value_options: ["", "b", "b"],
  }
  const category = { ...text("category"), id: "c" }
  const wire = {
    general: { title: "t", instructions: "# i\n", help_text: "h" },
    data_assets: [
      { ...text("asset"), id: seed.cellImages, mount: "m", kind: "combined", accessible: false },
      { id: seed.looseFiles, mount: "n", name: "", kind: "mirrored", accessible: true },
    ],
    categories: [category],
    parameters: [parameter, { name: "list", type: "slider", value_options: [] }],
    results: [{ file_name: "a b/ü.csv" }],
    processes: [{ name: "p", categories: [category], parameters: [parameter] }, { name: "bare" }],
  }
  sandbox.failNext("GET /capsules/*/app_panel", { status: 200, body: wire })
  const { data, errors } = await ask(
    `{ capsule(id: "${seed.cellCounter}") { appPanel { ${everyField("AppPanel")} } } }`,
  )
  expect(errors).toBeUndefined()
  expect(data.capsule.appPanel).toEqual(asGraph("AppPanel", wire))
  expect(data.capsule.appPanel.parameters[0]).toMatchObject({ defaultValue: "", minimum: -0.5, maximum: 1e10 })
  expect(data.capsule.appPanel.parameters[1]).toMatchObject({ type: "UNRECOGNIZED", valueOptions: [], minimum: null })
  const filled = filledPlaces("AppPanel", data.capsule.appPanel)
  expect([...panelTypes, "AppPanelResult"].flatMap(everyPlace).filter((place) => !filled.includes(place))).toEqual([])
})

test("the panel of a release is that of the given version, the latest by default, and null for an unknown version", async () => {
  const { ask, sandbox } = await startGateway()
  const { data, errors } = await ask(`{ capsule(id: "${seed.releasedCellCounter}") {
    latest: appPanel { general { title } }
    first: appPanel(version: 1) { general { title } }
    second: appPanel(version: 2) { general { title } }
    ninth: appPanel(version: 9) { general { title } }
  } }`)
  expect(errors).toBeUndefined()
  expect(data.capsule).toEqual({
    latest: { general: { title: "Count cells" } },
    first: { general: { title: "Count cells (first release)" } },
    second: { general: { title: "Count cells" } },
    ninth: null,
  })
  const asked = sandbox.requestsTo("GET /capsules/*/app_panel").map(({ query }) => query.version)
  expect(asked.sort()).toEqual(["1", "2", "9", undefined])
})

test("an empty panel is an object, and a capsule or pipeline without a panel has null", async () => {
  const { ask } = await startGateway()
  const { data, errors } = await ask(`{
    empty: capsule(id: "${seed.ecephysQuality}") { appPanel { parameters { name } general { title } } }
    none: capsule(id: "${seed.spikeSortingCopy}") { appPanel { parameters { name } } }
    pipeline(id: "${seed.imagingPipeline}") { appPanel { parameters { name } } }
  }`)
  expect(errors).toBeUndefined()
  expect(data).toEqual({
    empty: { appPanel: { parameters: null, general: null } },
    none: { appPanel: null },
    pipeline: { appPanel: null },
  })
})

test("a panel that the caller may not see is null with FORBIDDEN, and the capsule's other fields stay", async () => {
  const { ask, sandbox } = await startGateway()
  sandbox.failNext("GET /capsules/*/app_panel", { status: 403, body: { message: "not allowed" } })
  const { data, errors } = await ask(`{ capsule(id: "${seed.cellCounter}") { name appPanel { general { title } } } }`)
  expect(data.capsule).toEqual({ name: "Cell Counter", appPanel: null })
  expect(errors?.map(({ path, extensions }) => [path, extensions.code])).toEqual([
    [["capsule", "appPanel"], "FORBIDDEN"],
  ])
})

test("an attached data asset that the caller may not open is null with FORBIDDEN, its entry and its neighbours stay", async () => {
  const { ask } = await startGateway()
  const { data, errors } = await ask(
    `{ capsule(id: "${seed.driftCorrection}") { appPanel { dataAssets { mount accessible dataAsset { name } } } } }`,
  )
  expect(data.capsule.appPanel.dataAssets).toEqual([
    { mount: "recording", accessible: true, dataAsset: { name: "ecephys_730945_2024-06-13" } },
    { mount: "reference", accessible: false, dataAsset: null },
  ])
  expect(errors?.map(({ path, extensions }) => [path, extensions.code])).toEqual([
    [["capsule", "appPanel", "dataAssets", 1, "dataAsset"], "FORBIDDEN"],
  ])
})
