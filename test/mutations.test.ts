import { describe, expect, test } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { startGateway } from "./support/gateway.ts"

const refusal = "... on MutationRefused { code message details }"
const as = (token: string) => ({ authorization: `Bearer ${token}` })

/** The mutations of capsules, and of pipelines, which differ only in names. */
const kinds = [
  {
    kind: "capsules",
    one: "capsule",
    archive: "archiveCapsule",
    delete: "deleteCapsule",
    attach: "attachDataAssets",
    detach: "detachDataAssets",
    search: "searchCapsules",
    target: seed.spikeSorting,
    archived: seed.archivedNotebook,
    foreign: seed.graceNotebook,
    shared: seed.driftCorrection,
    released: seed.releasedCellCounter,
  },
  {
    kind: "pipelines",
    one: "pipeline",
    archive: "archivePipeline",
    delete: "deletePipeline",
    attach: "attachPipelineDataAssets",
    detach: "detachPipelineDataAssets",
    search: "searchPipelines",
    target: seed.ecephysPipeline,
    archived: seed.archivedPipeline,
    foreign: seed.gracePipeline,
    shared: seed.imagingPipeline,
    released: seed.ecephysPipeline,
  },
] as const

const payload = (mutation: string) => `${mutation.charAt(0).toUpperCase()}${mutation.slice(1)}Payload`

describe.each(kinds)("$kind", (names) => {
  const { one, target } = names
  const archive = (id: string, archived: boolean, selection = "{ id name }") =>
    `${names.archive}(input: {id: "${id}", archived: ${archived}}) { __typename ... on ${payload(names.archive)} { ${one} ${selection} } ${refusal} }`
  const remove = (id: string) =>
    `${names.delete}(input: {id: "${id}"}) { __typename ... on ${payload(names.delete)} { deleted${one === "capsule" ? "Capsule" : "Pipeline"}Id } ${refusal} }`
  const attach = (
    assets: string,
    selection = `${one} { appPanel { dataAssets { dataAssetId mount } } } results { dataAssetId mount dataAsset { name } }`,
  ) =>
    `${names.attach}(input: {${one}Id: "${target}", dataAssets: ${assets}}) { __typename ... on ${payload(names.attach)} { ${selection} } ${refusal} }`
  const detach = (ids: string, selection = `${one} { appPanel { dataAssets { dataAssetId } } }`) =>
    `${names.detach}(input: {${one}Id: "${target}", dataAssetIds: ${ids}}) { __typename ... on ${payload(names.detach)} { ${selection} } ${refusal} }`

  test("objects can be archived and taken out of the archive", async () => {
    const { ask, sandbox } = await startGateway()
    const isFound = async () =>
      (await ask(`{ ${names.search}(query: "id:${target}", archived: true) { nodes { id } } }`)).data[names.search]
        .nodes.length === 1
    const { data } = await ask(`mutation { ${archive(target, true)} }`)
    expect(data[names.archive][one].id).toBe(target)
    expect(sandbox.requestsTo(`PATCH /${names.kind}/${target}/archive`)[0]?.query).toEqual({ archive: "true" })
    expect(await isFound()).toBe(true)
    await ask(`mutation { ${archive(target, false)} }`)
    expect(await isFound()).toBe(false)
  })

  test("a change costs one call if only the id is selected in its payload", async () => {
    const { ask, sandbox } = await startGateway()
    await ask(`mutation { ${archive(target, true, "{ __typename id }")} }`)
    expect(sandbox.requests.map(({ method }) => method)).toEqual(["PATCH"])
  })

  test("archived objects can be deleted for good", async () => {
    const { ask } = await startGateway()
    const { data } = await ask(`mutation { ${remove(names.archived)} }`)
    expect(Object.values(data[names.delete])).toContain(names.archived)
    expect((await ask(`{ ${one}(id: "${names.archived}") { id } }`)).data[one]).toBeNull()
  })

  test("objects that are not archived are not deleted, and Code Ocean's message says why", async () => {
    const { ask } = await startGateway()
    await ask(`mutation { ${archive(names.archived, false)} }`)
    const { data, errors } = await ask(`mutation { ${remove(names.archived)} }`)
    expect(errors).toBeUndefined()
    expect(data[names.delete]).toMatchObject({ __typename: "MutationRefused", code: "FORBIDDEN", details: null })
    expect(data[names.delete].message).toMatch(/archive/)
  })

  test("changes of other users' objects, or with a read-only token, are refused as data", async () => {
    const { ask } = await startGateway()
    const foreign = await ask(`mutation { ${archive(names.foreign, true)} }`)
    expect(foreign.data[names.archive]).toMatchObject({ __typename: "MutationRefused", code: "NOT_FOUND" })
    const readOnly = await ask(`mutation { ${archive(target, true)} }`, {}, as(tokens.readOnly))
    expect(readOnly.data[names.archive]).toMatchObject({ __typename: "MutationRefused", code: "FORBIDDEN" })
  })

  test("data assets can be attached and detached, and each payload shows the state after its own change", async () => {
    const { ask } = await startGateway()
    const { data, errors } = await ask(`mutation {
      first: ${attach(`[{id: "${seed.sortedSpikes}", mount: "spikes"}, {id: "${seed.oldAsset}"}]`)}
      second: ${detach(`["${seed.sortedSpikes}"]`)}
    }`)
    expect(errors).toBeUndefined()
    const attachedIds = data.first[one].appPanel.dataAssets.map(
      ({ dataAssetId }: { dataAssetId: string }) => dataAssetId,
    )
    expect(attachedIds).toEqual(expect.arrayContaining([seed.sortedSpikes, seed.oldAsset]))
    expect(data.first.results[0]).toMatchObject({
      dataAssetId: seed.sortedSpikes,
      mount: "spikes",
      dataAsset: { name: expect.any(String) },
    })
    const leftIds = data.second[one].appPanel.dataAssets.map(({ dataAssetId }: { dataAssetId: string }) => dataAssetId)
    expect(leftIds).toEqual(attachedIds.filter((id: string) => id !== seed.sortedSpikes))
  })

  test("an attachment whose payload shows only ids makes no further call", async () => {
    const { ask, sandbox } = await startGateway()
    const ids = `${one} { id } results { dataAssetId mount ready dataAsset { id } }`
    const { data, errors } = await ask(`mutation {
      ${attach(`[{id: "${seed.oldAsset}", mount: "x"}]`, ids)}
      ${detach(`["${seed.oldAsset}"]`, `${one} { __typename id }`)}
    }`)
    expect(errors).toBeUndefined()
    expect(data[names.attach].results).toEqual([
      { dataAssetId: seed.oldAsset, mount: "x", ready: true, dataAsset: { id: seed.oldAsset } },
    ])
    expect(sandbox.requests.map(({ method, rawPath, body }) => [method, rawPath, body])).toEqual([
      ["POST", `/api/v1/${names.kind}/${target}/data_assets`, [{ id: seed.oldAsset, mount: "x" }]],
      ["DELETE", `/api/v1/${names.kind}/${target}/data_assets/`, [seed.oldAsset]],
    ])
  })

  test.each([
    ["that has no mount of its own", seed.looseFiles, "BAD_USER_INPUT", "reads lane 7"],
    ["whose creation failed", seed.failedImport, "BAD_USER_INPUT", "import-2025-11"],
    ["that the caller may not open", seed.graceLocked, "FORBIDDEN", "reference drift"],
  ])("an attachment of a data asset %s is refused by name, and nothing is attached", async (_why, id, code, name) => {
    const { ask, sandbox } = await startGateway()
    const { data, errors } = await ask(`mutation { ${attach(`[{id: "${seed.oldAsset}"}, {id: "${id}"}]`)} }`)
    expect(errors).toBeUndefined()
    expect(data[names.attach]).toMatchObject({ code, details: { datasets: [{ id, name }] } })
    expect(sandbox.requests.map(({ method }) => method)).toEqual(["POST"])
    const again = await ask(`mutation { ${attach(`[{id: "${seed.oldAsset}"}]`)} }`)
    expect(again.data[names.attach].__typename).toBe(payload(names.attach))
  })

  test("a data asset that is not attached can't be detached", async () => {
    const { ask } = await startGateway()
    const { data, errors } = await ask(`mutation { ${detach(`["${seed.oldAsset}"]`)} }`)
    expect(errors).toBeUndefined()
    expect(data[names.detach]).toMatchObject({ code: "NOT_FOUND", message: expect.stringContaining(seed.oldAsset) })
  })

  test("mutations run one after the other, and one that is refused does not stop the next", async () => {
    const { ask, sandbox } = await startGateway()
    const { data, errors } = await ask(`mutation {
      a: ${archive(target, true)}
      b: ${archive(names.foreign, true)}
      c: ${archive(target, false)}
    }`)
    expect(errors).toBeUndefined()
    expect([data.a, data.b, data.c].map(({ __typename }) => __typename)).toEqual([
      payload(names.archive),
      "MutationRefused",
      payload(names.archive),
    ])
    const calls = sandbox.requests.map(({ method, query }) => (method === "PATCH" ? query.archive : method))
    expect(calls).toEqual(["true", "GET", "true", "false", "GET"])
  })

  test("changes of objects that only others own are refused with Code Ocean's message", async () => {
    const { ask } = await startGateway()
    const { data } = await ask(`mutation { ${archive(names.shared, true)} ${remove(names.shared)} }`)
    for (const name of [names.archive, names.delete]) {
      expect(data[name]).toMatchObject({ code: "FORBIDDEN", message: expect.stringContaining("only the owner") })
    }
  })

  test("released objects are not deleted, archived or not", async () => {
    const { ask } = await startGateway()
    const { data } = await ask(`mutation { ${archive(names.released, true)} ${remove(names.released)} }`)
    expect(data[names.delete]).toMatchObject({ code: "FORBIDDEN", message: expect.stringContaining("released") })
  })

  test("an attachment of a data asset that is already attached is refused by name", async () => {
    const { ask } = await startGateway()
    await ask(`mutation { ${attach(`[{id: "${seed.sortedSpikes}"}]`)} }`)
    const { data } = await ask(`mutation { ${attach(`[{id: "${seed.sortedSpikes}"}]`)} }`)
    expect(data[names.attach]).toMatchObject({ __typename: "MutationRefused", code: "BAD_USER_INPUT" })
    expect(data[names.attach].details.datasets[0].id).toBe(seed.sortedSpikes)
  })

  test.each(["null", '""'])("a mount of %s is not sent", async (mount) => {
    const { ask, sandbox } = await startGateway()
    await ask(`mutation { ${attach(`[{id: "${seed.sortedSpikes}", mount: ${mount}}]`)} }`)
    expect(sandbox.requestsTo(`POST /${names.kind}/*/data_assets`)[0]?.body).toEqual([{ id: seed.sortedSpikes }])
  })

  const many = JSON.stringify(Array.from({ length: 1001 }, (_, index) => `asset-${index}`))
  test.each([
    ["no data asset to attach", attach("[]"), /empty/],
    ["a data asset to attach twice", attach('[{id: "a"}, {id: "a", mount: "x"}]'), /"a" more than once/],
    ["1,001 data assets to attach", attach(many.replace(/"([^"]+)"/g, '{id: "$1"}')), /1001 entries; at most 1000/],
    ["no data asset to detach", detach("[]"), /empty/],
    ["a data asset to detach twice", detach('["a", "b", "a"]'), /"a" more than once/],
    ["1,001 data assets to detach", detach(many), /1001 entries; at most 1000/],
    ["an id that would climb out of its path", archive("..", true), /^`input.id` is "..", which is not an id/],
    ["an id with a slash", remove("a/b"), /^`input.id` is "a\/b", which is not an id/],
    ["an empty id", remove(""), /^`input.id` is empty/],
  ])("a mutation with %s is refused before anything is sent", async (_name, mutation, sentence) => {
    const { ask, sandbox } = await startGateway()
    const { errors } = await ask(`mutation { ${mutation} }`)
    expect(errors?.[0]?.message).toMatch(sentence)
    expect(errors?.[0]?.extensions.code).toBe("BAD_USER_INPUT")
    expect(sandbox.requests).toHaveLength(0)
  })

  test("1,000 data assets can be detached in one call", async () => {
    const { ask, sandbox } = await startGateway()
    const ids = Array.from({ length: 1000 }, (_, index) => `asset-${index}`)
    await ask(`mutation { ${detach(JSON.stringify(ids), "__typename")} }`)
    expect(sandbox.requests[0]?.body).toEqual(ids)
  })

  test("a change that can't be read again is reported as done", async () => {
    const { ask, sandbox } = await startGateway()
    sandbox.failNext(`GET /${names.kind}/${target}`, { status: 500 })
    const { data, errors } = await ask(`mutation { ${archive(target, true)} }`)
    expect(data[names.archive]).toEqual({ __typename: payload(names.archive), [one]: null })
    expect(errors?.[0]?.path).toEqual([names.archive, one])
  })
})

test("an attached draft is not ready, and its result names the job that mounts it", async () => {
  const { ask } = await startGateway()
  const { data, errors } = await ask(`mutation {
    attachDataAssets(input: {capsuleId: "${seed.cellCounter}", dataAssets: [{id: "${seed.draftRecording}"}]}) {
      ... on AttachDataAssetsPayload { results { dataAssetId mount mountState jobId external ready dataAsset { name state } } }
    }
  }`)
  expect(errors).toBeUndefined()
  expect(data.attachDataAssets.results).toEqual([
    {
      dataAssetId: seed.draftRecording,
      mount: "ecephys_730946",
      mountState: "pending",
      jobId: expect.any(String),
      external: false,
      ready: false,
      dataAsset: { name: "ecephys_730946", state: "DRAFT" },
    },
  ])
})

test("a mutation with a token that Code Ocean does not know is an error, not a MutationRefused", async () => {
  const { ask } = await startGateway()
  const { errors } = await ask(
    `mutation { archiveCapsule(input: {id: "${seed.cellCounter}", archived: true}) { __typename } }`,
    {},
    as("cop_unknown"),
  )
  expect(errors?.map(({ extensions }) => extensions.code)).toEqual(["UNAUTHENTICATED"])
})
