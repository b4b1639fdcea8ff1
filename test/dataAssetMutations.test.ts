import { describe, expect, test } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { startGateway, type World } from "./support/gateway.ts"

const refused = "... on MutationRefused { code message details }"
const create = `mutation ($input: CreateDataAssetInput!) {
  createDataAsset(input: $input) { __typename ... on CreateDataAssetPayload { dataAsset { id name state type } } ${refused} }
}`
const base = { name: "New", tags: ["fresh"], mount: "new" }

/** A data asset as the sandbox has it. */
async function onTheWire(world: World, id: string) {
  const headers = { authorization: `Basic ${btoa(`${tokens.ada}:`)}` }
  return (await fetch(`${world.sandbox.url}/api/v1/data_assets/${id}`, { headers })).json()
}

describe("a data asset is created", () => {
  test.each([
    [
      "of an S3 bucket",
      { aws: { bucket: "b", prefix: "p", keepOnExternalStorage: true, endpointName: "e", public: false } },
      {
        source: {
          aws: { bucket: "b", prefix: "p", keep_on_external_storage: true, endpoint_name: "e", public: false },
        },
      },
    ],
    [
      "of a Google bucket",
      { gcp: { bucket: "b", clientId: "c", clientSecret: "s" } },
      { source: { gcp: { bucket: "b", client_id: "c", client_secret: "s" } } },
    ],
    [
      "of a run's results",
      { computation: { id: seed.countedCells, path: "figures" } },
      { source: { computation: { id: seed.countedCells, path: "figures" } } },
    ],
    [
      "of a cloud workstation",
      { cloudWorkstation: { id: seed.workstation, path: "out", runScript: "run.sh" } },
      { source: { cloud_workstation: { id: seed.workstation, path: "out", run_script: "run.sh" } } },
    ],
    ["of other data assets", { combined: { dataAssetIds: [seed.cellImages] } }, { data_asset_ids: [seed.cellImages] }],
  ])("a data asset is created %s", async (_name, source, wire) => {
    const { ask, sandbox } = await startGateway()
    const { data, errors } = await ask(create, { input: { ...base, source } })
    expect(errors).toBeUndefined()
    expect(data.createDataAsset.dataAsset).toMatchObject({ name: "New", state: "DRAFT" })
    expect(sandbox.requestsTo("POST /data_assets")[0]?.body).toEqual({ ...base, ...wire })
    expect(sandbox.requests).toHaveLength(1)
    sandbox.clock.advance(11)
    const { data: later } = await ask(`{ dataAsset(id: "${data.createDataAsset.dataAsset.id}") { state created } }`)
    expect(later.dataAsset).toEqual({ state: "READY", created: expect.any(String) })
  })

  test.each([400, 500])(
    "the secret of a bucket is not repeated from a %i of Code Ocean, nor is it in the log",
    async (status) => {
      const { ask, sandbox, lines } = await startGateway()
      const clientSecret = "GOOG1/hmac+secret"
      const echo = `no access with ${clientSecret} (${encodeURIComponent(clientSecret)})`
      sandbox.failNext("POST /data_assets", {
        status,
        body: { message: echo, source: { client_secret: clientSecret } },
      })
      const result = await ask(create, { input: { ...base, source: { gcp: { bucket: "b", clientSecret } } } })
      const failed = () => lines.some(({ msg }) => msg === "upstream call failed")
      await expect.poll(failed).toBe(true)
      const texts = JSON.stringify([result, lines])
      expect(texts).toContain("no access with [redacted] ([redacted])")
      expect(texts).not.toContain("hmac")
    },
  )

  test("a data asset is created of results that were made elsewhere, with what made them", async () => {
    const { ask, sandbox } = await startGateway()
    const resultsInfo = {
      capsuleId: seed.cellCounter,
      commit: "abc",
      dataAssetIds: [seed.cellImages],
      parameters: [{ paramName: "stain", value: "DAPI" }],
      processes: [{ name: "p", capsuleId: "c" }],
    }
    const { data } = await ask(create, {
      input: {
        ...base,
        source: { aws: { bucket: "b" } },
        resultsInfo,
        target: { aws: { bucket: "t" } },
        customMetadata: [{ key: "subject id", value: "1" }],
      },
    })
    expect(data.createDataAsset.dataAsset.type).toBe("RESULT")
    expect(sandbox.requestsTo("POST /data_assets")[0]?.body).toEqual({
      ...base,
      source: { aws: { bucket: "b" } },
      target: { aws: { bucket: "t" } },
      custom_metadata: { "subject id": "1" },
      results_info: {
        capsule_id: seed.cellCounter,
        commit: "abc",
        data_assets: [seed.cellImages],
        parameters: [{ param_name: "stain", value: "DAPI" }],
        processes: [{ name: "p", capsule_id: "c" }],
      },
    })
  })

  test("parameters of results that were made elsewhere are sent with the names that they have", async () => {
    const { ask, sandbox } = await startGateway()
    const parameters = [
      { name: "Stain", value: "DAPI" },
      { name: "Threshold", paramName: "threshold", value: "" },
      { name: null, paramName: "trace", value: "x" },
    ]
    const resultsInfo = { parameters, processes: [{ name: "p", parameters }] }
    const source = { aws: { bucket: "b" } }
    const { data, errors } = await ask(create.replace("state", "state appParameters { name paramName value }"), {
      input: { ...base, source, resultsInfo },
    })
    expect(errors).toBeUndefined()
    const sent = [
      { name: "Stain", value: "DAPI" },
      { name: "Threshold", param_name: "threshold", value: "" },
      { param_name: "trace", value: "x" },
    ]
    expect(sandbox.requestsTo("POST /data_assets")[0]?.body).toMatchObject({
      results_info: { parameters: sent, processes: [{ name: "p", parameters: sent }] },
    })
    expect(data.createDataAsset.dataAsset.appParameters).toEqual([
      { name: "Stain", paramName: null, value: "DAPI" },
      { name: "Threshold", paramName: null, value: "" },
      { name: "trace", paramName: null, value: "x" },
    ])
  })

  test.each([
    ["two sources", { source: { aws: { bucket: "b" }, gcp: { bucket: "b" } } }, /exactly one/i],
    ["no source", { source: {} }, /exactly one/i],
    ["a blank name", { name: " ", source: { aws: { bucket: "b" } } }, /`name` is empty/],
    ["an empty mount", { mount: "", source: { aws: { bucket: "b" } } }, /`mount` is empty/],
    ["nothing to combine", { source: { combined: { dataAssetIds: [] } } }, /`dataAssetIds` is empty/],
    [
      "a metadata key twice",
      { source: { aws: { bucket: "b" } }, customMetadata: [1, 2].map((value) => ({ key: "k", value })) },
      /"k" is given twice/,
    ],
    [
      "results of a run that were made elsewhere",
      { source: { computation: { id: "x" } }, resultsInfo: {} },
      /must be `aws` or `gcp`/,
    ],
    [
      "a parameter of its run that has no name",
      { source: { aws: { bucket: "b" } }, resultsInfo: { parameters: [{ name: "a", value: "1" }, { value: "2" }] } },
      /`resultsInfo\.parameters\[1\]` has no name/,
    ],
    [
      "a parameter of a process that has no name",
      {
        source: { gcp: { bucket: "b" } },
        resultsInfo: {
          processes: [{ name: "p" }, { name: "q", parameters: [{ name: " ", paramName: null, value: "1" }] }],
        },
      },
      /`resultsInfo\.processes\[1\]\.parameters\[0\]` has no name/,
    ],
  ])("a data asset is not created with %s", async (_name, input, sentence) => {
    const { ask, sandbox } = await startGateway()
    const { errors } = await ask(create, { input: { ...base, ...input } })
    expect(errors?.[0]?.message).toMatch(sentence)
    expect(sandbox.requests).toHaveLength(0)
  })

  test("custom metadata that the deployment's schema refuses is refused as data", async () => {
    const { ask } = await startGateway()
    const customMetadata = [{ key: "nonsense", value: 1 }]
    const { data } = await ask(create, { input: { ...base, source: { aws: { bucket: "b" } }, customMetadata } })
    expect(data.createDataAsset).toMatchObject({ code: "BAD_USER_INPUT", message: expect.stringContaining("nonsense") })
  })

  test("a data asset whose bucket can't be read fails, and says why", async () => {
    const { ask, sandbox } = await startGateway()
    const { data } = await ask(create, { input: { ...base, source: { aws: { bucket: "missing-bucket" } } } })
    sandbox.clock.advance(11)
    const later = await ask(`{ dataAsset(id: "${data.createDataAsset.dataAsset.id}") { state failureReason } }`)
    expect(later.data.dataAsset).toEqual({ state: "FAILED", failureReason: expect.stringContaining("missing-bucket") })
  })
})

describe("a data asset is changed", () => {
  const update = (fields: string) => `mutation { updateDataAsset(input: {id: "${seed.cellImages}", ${fields}}) {
    ... on UpdateDataAssetPayload { dataAsset { name description tags mount customMetadata { key value } } } ${refused} } }`

  test("an update changes what is given, and keeps the rest although upstream empties what is not sent", async () => {
    const world = await startGateway()
    const before = await onTheWire(world, seed.cellImages)
    const { data, errors } = await world.ask(update('description: "New words"'))
    expect(errors).toBeUndefined()
    expect(data.updateDataAsset.dataAsset).toMatchObject({
      name: before.name,
      description: "New words",
      tags: before.tags,
      mount: before.mount,
    })
    expect(await onTheWire(world, seed.cellImages)).toEqual({ ...before, description: "New words" })
    expect(world.sandbox.requests.slice(1, 3).map(({ method }) => method)).toEqual(["GET", "PUT"])
  })

  test("an update empties what is given as empty", async () => {
    const world = await startGateway()
    await world.ask(update("description: null, tags: [], customMetadata: []"))
    const after = await onTheWire(world, seed.cellImages)
    expect(after).not.toHaveProperty("description")
    expect(after).toMatchObject({ tags: [], custom_metadata: {} })
  })

  test.each([
    ['name: ""', /`name` is empty/],
    ["name: null", /`name` can't be removed/],
    ["mount: null", /`mount` can't be removed/],
  ])("an update to %s is refused", async (fields, sentence) => {
    const { ask, sandbox } = await startGateway()
    const { errors } = await ask(update(fields))
    expect(errors?.[0]?.message).toMatch(sentence)
    expect(sandbox.requests).toHaveLength(0)
  })

  test("a data asset can be archived, transferred by an admin, and deleted", async () => {
    const { ask, sandbox } = await startGateway()
    const admin = { authorization: `Bearer ${tokens.admin}` }
    await ask(`mutation { archiveDataAsset(input: {id: "${seed.cellImages}", archived: true}) { __typename } }`)
    expect(sandbox.requestsTo("PATCH /data_assets/*/archive")[0]?.query).toEqual({ archive: "true" })
    const transfer = `mutation { transferDataAsset(input: {id: "${seed.cellImages}", target: {aws: {bucket: "far"}}, force: true}) {
      ... on TransferDataAssetPayload { dataAsset { lastTransferred sourceBucket { bucket } } } ${refused} } }`
    expect((await ask(transfer)).data.transferDataAsset).toMatchObject({ code: "FORBIDDEN" })
    const { data } = await ask(transfer, {}, admin)
    expect(data.transferDataAsset.dataAsset).toEqual({
      lastTransferred: expect.any(String),
      sourceBucket: { bucket: "far" },
    })
    expect(sandbox.requestsTo("POST /data_assets/*/transfer")[0]?.body).toEqual({
      target: { aws: { bucket: "far" } },
      force: true,
    })
    const deleted = await ask(
      `mutation { deleteDataAsset(input: {id: "${seed.cellImages}"}) { ... on DeleteDataAssetPayload { deletedDataAssetId } } }`,
    )
    expect(deleted.data.deleteDataAsset.deletedDataAssetId).toBe(seed.cellImages)
    expect((await ask(`{ dataAsset(id: "${seed.cellImages}") { id } }`)).data.dataAsset).toBeNull()
  })
})

describe("many data assets are edited at once", () => {
  const bulk = `mutation ($input: UpdateDataAssetsInput!) {
    updateDataAssets(input: $input) {
      ... on UpdateDataAssetsPayload {
        changed failed
        items { dataAssetId status before { tags customMetadata { key value } } after { tags } failure { code message outcomeUnknown } dataAsset { tags } }
      } ${refused}
    }
  }`
  const ids = [seed.cellImages, seed.sortedSpikes]

  test("a data asset is read again after a change of the same request whose outcome is unknown", async () => {
    const { ask, sandbox } = await startGateway()
    const asset = seed.cellImages
    sandbox.failNext(`PUT /data_assets/${asset}`, { status: 500 })
    const { data, errors } = await ask(`mutation {
    one: updateDataAsset(input: {id: "${asset}", description: "new"}) { __typename }
    two: renameComputation(input: {id: "${seed.countedCells}", name: "new"}) {
      ... on RenameComputationPayload { computation { dataAssets { dataAsset { id name } } } }
    }
  }`)
    expect(errors?.map(({ path }) => path)).toEqual([["one"]])
    expect(data.two.computation.dataAssets).toContainEqual({ dataAsset: { id: asset, name: expect.any(String) } })
    expect(sandbox.requestsTo(`GET /data_assets/${asset}`)).toHaveLength(2)
  })

  test.each([
    ["archiveDataAsset", `{id: "${seed.cellImages}", archived: true}`, "PATCH", "archive"],
    ["updateDataAssetPermissions", `{dataAssetId: "${seed.cellImages}", everyone: VIEWER}`, "POST", "permissions"],
  ])("%s costs no more than its estimate if it is refused", async (name, input, method, path) => {
    const { ask, sandbox } = await startGateway()
    sandbox.failNext(`${method} /data_assets/${seed.cellImages}/${path}`, { status: 403 })
    const headers = { authorization: `Bearer ${tokens.ada}`, "x-upstream-cost": "1" }
    const { data, extensions } = await ask(
      `mutation { ${name}(input: ${input}) { ... on MutationRefused { code } } }`,
      {},
      headers,
    )
    expect(data[name]).toEqual({ code: "FORBIDDEN" })
    const { estimatedUpstreamCalls, upstreamCalls } = extensions.cost
    expect(upstreamCalls).toBe(estimatedUpstreamCalls)
  })

  test("a dry run says what would change, and changes nothing", async () => {
    const world = await startGateway()
    const before = await onTheWire(world, seed.cellImages)
    const { data, errors } = await world.ask(bulk, { input: { ids, addTags: ["checked"], dryRun: true } })
    expect(errors).toBeUndefined()
    expect(data.updateDataAssets.changed).toBe(2)
    expect(data.updateDataAssets.items[0]).toMatchObject({
      status: "WOULD_CHANGE",
      after: { tags: [...before.tags, "checked"] },
      dataAsset: { tags: before.tags },
    })
    expect(await onTheWire(world, seed.cellImages)).toEqual(before)
    expect(world.sandbox.requests.every(({ method }) => method === "GET")).toBe(true)
  })

  test("an edit changes just what its dry run says, and never loses a field", async () => {
    const world = await startGateway()
    const before = await Promise.all(ids.map((id) => onTheWire(world, id)))
    const removed = before[0].tags[0]
    const { data } = await world.ask(bulk, {
      input: {
        ids,
        addTags: ["checked"],
        removeTags: [removed],
        setCustomMetadata: [{ key: "data level", value: "derived" }],
      },
    })
    expect(data.updateDataAssets).toMatchObject({ changed: 2, failed: 0 })
    for (const [index, id] of ids.entries()) {
      expect(await onTheWire(world, id)).toEqual({
        ...before[index],
        tags: [...(before[index].tags ?? []).filter((tag: string) => tag !== removed), "checked"],
        custom_metadata: { ...before[index].custom_metadata, "data level": "derived" },
      })
    }
  })

  test("an edit of tags adds no metadata to a data asset without any", async () => {
    const world = await startGateway()
    const before = await onTheWire(world, seed.probeGeometry)
    expect(before).not.toHaveProperty("custom_metadata")
    await world.ask(bulk, { input: { ids: [seed.probeGeometry], addTags: ["checked"] } })
    expect(await onTheWire(world, seed.probeGeometry)).toEqual({ ...before, tags: [...(before.tags ?? []), "checked"] })
  })

  test("a data asset that already is as requested is not written", async () => {
    const { ask, sandbox } = await startGateway()
    await ask(bulk, { input: { ids, addTags: ["checked"] } })
    const { data } = await ask(bulk, { input: { ids, addTags: ["checked"] } })
    expect(data.updateDataAssets.items.map(({ status }: { status: string }) => status)).toEqual([
      "UNCHANGED",
      "UNCHANGED",
    ])
    expect(sandbox.requestsTo("PUT /data_assets/*")).toHaveLength(2)
  })

  test("a data asset that fails does not stop the others, and its failure says what is known", async () => {
    const { ask, sandbox } = await startGateway()
    sandbox.failNext(`PUT /data_assets/${seed.cellImages}`, { afterwards: "reset" })
    const missing = "00000000-0000-4000-8000-000000000000"
    const { data, errors } = await ask(bulk, { input: { ids: [...ids, missing], addTags: ["checked"] } })
    const [lost, done, gone] = data.updateDataAssets.items
    expect(lost).toMatchObject({ status: "FAILED", failure: { code: "UPSTREAM_UNAVAILABLE", outcomeUnknown: true } })
    expect(done.status).toBe("CHANGED")
    expect(gone).toMatchObject({
      status: "FAILED",
      failure: { code: "NOT_FOUND", outcomeUnknown: false },
      dataAsset: null,
    })
    expect(data.updateDataAssets).toMatchObject({ changed: 1, failed: 2 })
    expect(errors).toHaveLength(1)
    expect(sandbox.requestsTo(`PUT /data_assets/${seed.cellImages}`)).toHaveLength(1)
  })

  test("an edit can name its data assets by a search", async () => {
    const { ask, sandbox } = await startGateway()
    const search = { filters: [{ key: "subject id", value: "730945" }], type: "RESULT" }
    const { data, errors } = await ask(bulk, { input: { search, addTags: ["checked"] } })
    expect(errors).toBeUndefined()
    expect(data.updateDataAssets.items.map(({ dataAssetId }: { dataAssetId: string }) => dataAssetId)).toEqual([
      seed.sortedSpikes,
    ])
    expect(sandbox.requestsTo("POST /data_assets/search")[0]?.body).toEqual({ ...search, type: "result", limit: 1000 })
  })

  test("a search that finds more than a thousand changes nothing", async () => {
    const { ask, sandbox } = await startGateway()
    const search = (results: object[]) =>
      sandbox.failNext("POST /data_assets/search", { status: 200, body: { has_more: true, results } })
    const edit = () => ask(bulk, { input: { search: { query: "x" }, addTags: ["checked"] } })
    search(Array.from({ length: 1000 }, (_, index) => ({ id: `d${index}` })))
    expect((await edit()).errors).toMatchObject([
      { message: expect.stringContaining("more than 1000"), extensions: { code: "BAD_USER_INPUT" } },
    ])
    search([])
    expect((await edit()).errors).toMatchObject([{ extensions: { code: "UPSTREAM_INVALID_RESPONSE" } }])
    expect(sandbox.requests.every(({ path }) => path.endsWith("/search"))).toBe(true)
  })

  test.each([
    [{ addTags: ["a"] }, /either `ids` or `search`/],
    [{ ids, search: {}, addTags: ["a"] }, /either `ids` or `search`/],
    [{ search: {}, addTags: ["a"] }, /no condition/],
    [{ ids: [], addTags: ["a"] }, /empty/],
    [{ ids }, /There is nothing to change/],
    [{ ids, addTags: ["a"], removeTags: ["a"] }, /"a" is in `addTags` and in `removeTags`/],
    [{ ids, addTags: [" "] }, /`addTags\[0\]` is empty/],
  ])("an edit with %j is refused before anything is sent", async (input, sentence) => {
    const { ask, sandbox } = await startGateway()
    const { errors } = await ask(bulk, { input })
    expect(errors?.[0]?.message).toMatch(sentence)
    expect(sandbox.requests).toHaveLength(0)
  })

  test("an edit of many works on no more than eight data assets at once", async () => {
    const { ask, sandbox } = await startGateway({ sandbox: { generate: 1 } })
    const { data } = await ask("{ searchDataAssets(first: 30) { nodes { id } } }")
    const many = data.searchDataAssets.nodes.map(({ id }: { id: string }) => id)
    const before = sandbox.requests.length
    const hold = sandbox.hold()
    const answer = ask(bulk, { input: { ids: many, addTags: ["checked"] } })
    await hold.waitFor(8)
    // Any further call would have been sent before another request is answered.
    await ask("{ __typename }")
    expect(sandbox.requests).toHaveLength(before + 8)
    hold.end()
    expect((await answer).data.updateDataAssets.items).toHaveLength(30)
  })
})

describe("a result is captured", () => {
  const capture = `mutation ($input: CaptureResultInput!) {
    captureResult(input: $input) {
      __typename
      ... on CaptureResultPayload { complete steps { step status failure { code message outcomeUnknown } } dataAsset { id name tags provenance { computation { id } } } }
      ${refused}
    }
  }`
  const input = {
    computationId: seed.countedCells,
    name: "Counts",
    tags: ["counts"],
    mount: "counts",
    customMetadata: [{ key: "subject id", value: "730945" }],
  }
  const permissions = { users: [{ email: "grace@example.org", role: "VIEWER" }], everyone: "NONE" }

  test("a result is captured with metadata, and its permissions are set when it is ready", async () => {
    const { ask, sandbox } = await startGateway()
    await ask(capture, { input })
    sandbox.clock.advance(11)
    const { data, errors } = await ask(capture, { input: { ...input, permissions } })
    expect(errors).toBeUndefined()
    expect(data.captureResult).toMatchObject({
      complete: true,
      steps: [
        { step: "CREATE", status: "ALREADY_DONE" },
        { step: "SET_PERMISSIONS", status: "DONE" },
      ],
      dataAsset: { name: "Counts", provenance: { computation: { id: seed.countedCells } } },
    })
    const grace = { authorization: `Bearer ${tokens.grace}` }
    const seen = await ask(
      `{ dataAsset(id: "${data.captureResult.dataAsset.id}") { name customMetadata { key value } } }`,
      {},
      grace,
    )
    expect(seen.data.dataAsset).toEqual({ name: "Counts", customMetadata: [{ key: "subject id", value: "730945" }] })
  })

  test("a result without permissions is captured in one call", async () => {
    const { ask, sandbox } = await startGateway()
    const { data } = await ask(capture, { input })
    expect(data.captureResult).toMatchObject({ complete: true, steps: [{ step: "CREATE" }] })
    expect(sandbox.requestsTo("POST /data_assets")).toHaveLength(1)
  })

  test("a capture whose permissions are refused says which steps succeeded", async () => {
    const { ask, sandbox } = await startGateway()
    await ask(capture, { input })
    sandbox.clock.advance(11)
    sandbox.failNext("POST /data_assets/*/permissions", { status: 403, body: { message: "no sharing today" } })
    const { data, errors } = await ask(capture, { input: { ...input, permissions } })
    expect(errors).toBeUndefined()
    expect(data.captureResult).toMatchObject({
      complete: false,
      steps: [
        { step: "CREATE", status: "ALREADY_DONE", failure: null },
        {
          step: "SET_PERMISSIONS",
          status: "FAILED",
          failure: { code: "FORBIDDEN", message: "no sharing today", outcomeUnknown: false },
        },
      ],
      dataAsset: { name: "Counts" },
    })
  })

  test("a capture of a run without results is refused as data, and nothing is created", async () => {
    const { ask } = await startGateway()
    const { data } = await ask(capture, { input: { ...input, computationId: seed.stoppedCount, permissions } })
    expect(data.captureResult).toMatchObject({ __typename: "MutationRefused", code: "BAD_USER_INPUT" })
  })

  test("nothing is created if the given permissions are invalid", async () => {
    const { ask, sandbox } = await startGateway()
    const twice = { users: ["VIEWER", "EDITOR"].map((role) => ({ email: "grace@example.org", role })) }
    const { errors } = await ask(capture, { input: { ...input, permissions: twice } })
    expect(errors?.[0]?.extensions.code).toBe("BAD_USER_INPUT")
    expect(sandbox.requests).toHaveLength(0)
  })
})

test("data assets that a search finds are attached in one mutation", async () => {
  const { ask, sandbox } = await startGateway()
  const { data, errors } = await ask(`mutation {
    attachDataAssets(input: {capsuleId: "${seed.ecephysQuality}", search: {query: "name:sorted", type: RESULT}}) {
      ... on AttachDataAssetsPayload { results { dataAssetId } } ${refused}
    }
  }`)
  expect(errors).toBeUndefined()
  expect(data.attachDataAssets.results.length).toBeGreaterThan(0)
  expect(sandbox.requests).toHaveLength(2)
})
