import { describe, expect, test } from "vitest"
import { seed, tokens } from "../src/sandbox/seed.ts"
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
    selection = `${one} { appPanel { dataAssets { id mount } } } results { id mount dataAsset { name } }`,
  ) =>
    `${names.attach}(input: {${one}Id: "${target}", dataAssets: ${assets}}) { __typename ... on ${payload(names.attach)} { ${selection} } ${refusal} }`
  const detach = (ids: string, selection = `${one} { appPanel { dataAssets { id } } }`) =>
    `${names.detach}(input: {${one}Id: "${target}", dataAssetIds: ${ids}}) { __typename ... on ${payload(names.detach)} { ${selection} } ${refusal} }`

  test("go into the archive and come out of it", async () => {
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

  test("cost one call to change where only the id is asked for afterwards", async () => {
    const { ask, sandbox } = await startGateway()
    await ask(`mutation { ${archive(target, true, "{ __typename id }")} }`)
    expect(sandbox.requests.map(({ method }) => method)).toEqual(["PATCH"])
  })

  test("are deleted for good once they are archived", async () => {
    const { ask } = await startGateway()
    const { data } = await ask(`mutation { ${remove(names.archived)} }`)
    expect(Object.values(data[names.delete])).toContain(names.archived)
    expect((await ask(`{ ${one}(id: "${names.archived}") { id } }`)).data[one]).toBeNull()
  })

  test("that aren't archived aren't deleted, and Code Ocean's words say why", async () => {
    const { ask } = await startGateway()
    await ask(`mutation { ${archive(names.archived, false)} }`)
    const { data, errors } = await ask(`mutation { ${remove(names.archived)} }`)
    expect(errors).toBeUndefined()
    expect(data[names.delete]).toMatchObject({ __typename: "MutationRefused", code: "FORBIDDEN", details: null })
    expect(data[names.delete].message).toMatch(/archive/)
  })

  test("of others, or by a token that may only read, are refused as data", async () => {
    const { ask } = await startGateway()
    const foreign = await ask(`mutation { ${archive(names.foreign, true)} }`)
    expect(foreign.data[names.archive]).toMatchObject({ __typename: "MutationRefused", code: "NOT_FOUND" })
    const readOnly = await ask(`mutation { ${archive(target, true)} }`, {}, as(tokens.readOnly))
    expect(readOnly.data[names.archive]).toMatchObject({ __typename: "MutationRefused", code: "FORBIDDEN" })
  })

  test("take data assets and give them back, each payload showing the state after its own change", async () => {
    const { ask } = await startGateway()
    const { data, errors } = await ask(`mutation {
      first: ${attach(`[{id: "${seed.sortedSpikes}", mount: "spikes"}, {id: "${seed.oldAsset}"}]`)}
      second: ${detach(`["${seed.sortedSpikes}"]`)}
    }`)
    expect(errors).toBeUndefined()
    const attachedIds = data.first[one].appPanel.dataAssets.map(({ id }: { id: string }) => id)
    expect(attachedIds).toEqual(expect.arrayContaining([seed.sortedSpikes, seed.oldAsset]))
    expect(data.first.results[0]).toMatchObject({
      id: seed.sortedSpikes,
      mount: "spikes",
      dataAsset: { name: expect.any(String) },
    })
    const leftIds = data.second[one].appPanel.dataAssets.map(({ id }: { id: string }) => id)
    expect(leftIds).toEqual(attachedIds.filter((id: string) => id !== seed.sortedSpikes))
  })

  test("that have a data asset already are told which", async () => {
    const { ask } = await startGateway()
    await ask(`mutation { ${attach(`[{id: "${seed.sortedSpikes}"}]`)} }`)
    const { data } = await ask(`mutation { ${attach(`[{id: "${seed.sortedSpikes}"}]`)} }`)
    expect(data[names.attach]).toMatchObject({ __typename: "MutationRefused", code: "BAD_USER_INPUT" })
    expect(data[names.attach].details.datasets[0].id).toBe(seed.sortedSpikes)
  })

  test.each(["null", '""'])("never get a mount of %s: it is left out", async (mount) => {
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
    ["an id that would climb out of its path", archive("..", true), /is not an id/],
    ["an id with a slash", remove("a/b"), /is not an id/],
    ["an empty id", remove(""), /must not be empty/],
  ])("with %s are refused before anything is sent", async (_name, mutation, sentence) => {
    const { ask, sandbox } = await startGateway()
    const { errors } = await ask(`mutation { ${mutation} }`)
    expect(errors?.[0]?.message).toMatch(sentence)
    expect(errors?.[0]?.extensions.code).toBe("BAD_USER_INPUT")
    expect(sandbox.requests).toHaveLength(0)
  })

  test("attach exactly 1,000 data assets in one call", async () => {
    const { ask, sandbox } = await startGateway()
    const ids = Array.from({ length: 1000 }, (_, index) => `asset-${index}`)
    await ask(`mutation { ${detach(JSON.stringify(ids), "__typename")} }`)
    expect(sandbox.requests[0]?.body).toEqual(ids)
  })

  test("that changed but can't be read again are said to have changed", async () => {
    const { ask, sandbox } = await startGateway()
    sandbox.failNext(`GET /${names.kind}/${target}`, { status: 500 })
    const { data, errors } = await ask(`mutation { ${archive(target, true)} }`)
    expect(data[names.archive]).toEqual({ __typename: payload(names.archive), [one]: null })
    expect(errors?.[0]?.path).toEqual([names.archive, one])
  })
})

test("a released capsule isn't deleted, archived or not", async () => {
  const { ask } = await startGateway()
  const { data } = await ask(
    `mutation { deleteCapsule(input: {id: "${seed.archivedRelease}"}) { __typename ${refusal} } }`,
  )
  expect(data.deleteCapsule).toMatchObject({ code: "FORBIDDEN", message: expect.stringMatching(/released/) })
})
