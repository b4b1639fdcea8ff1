import { describe, expect, test } from "vitest"
import { startAnswering, startFaultyUpstream } from "./support/faultyUpstream.ts"
import { type Result, startGatewayOn } from "./support/gateway.ts"
import { follow } from "./support/live.ts"

const capsule = { id: "c1", created: 1, name: "One", status: "release", owner: "u1", slug: "1" }
const asset = { id: "d1", created: 1, name: "One", state: "ready", type: "result" }
const run = { id: "r1", created: 1, name: "One", owner: "u1", run_time: 1, state: "completed" }

const executors = [
  ["the compiled executor", { fastPath: true, compiledExecutor: true }],
  ["graphql-js", { fastPath: false, compiledExecutor: false }],
] as const

/** Texts and other values that Code Ocean might send in place of an id. */
const bad: unknown[] = [
  " ",
  ".",
  "..",
  "a/b",
  "../d2",
  "a\\b",
  "a\nb",
  "a\u0000",
  "\ud800",
  "x".repeat(10_000),
  1e21,
  1.5,
  true,
  {},
]

/** Expects errors at these paths that blame Code Ocean, and no others. */
function expectBlamed({ errors = [] }: Result, paths: readonly string[]): void {
  expect(errors.map(({ path }) => path!.join(".")).sort()).toEqual([...paths].sort())
  for (const { message, extensions } of errors) {
    expect(extensions.code).toBe("UPSTREAM_INVALID_RESPONSE")
    expect(message.length).toBeLessThan(200)
  }
}

describe("unreadable ids of linked objects", () => {
  const places: [string, (id: unknown) => Record<string, unknown>, query: (fields: string) => string, path: string][] =
    [
      [
        "a release",
        (id) => ({ "/capsules/c1": { ...capsule, release_capsule: id } }),
        (fields) => `{ it: capsule(id: "c1") { name releaseCapsule { ${fields} } } }`,
        "it.releaseCapsule",
      ],
      [
        "an original",
        (id) => ({ "/pipelines/c1": { ...capsule, original_capsule: { id } } }),
        (fields) => `{ it: pipeline(id: "c1") { name originalCapsule { capsule { ${fields} } } } }`,
        "it.originalCapsule.capsule",
      ],
      [
        "a verification",
        (id) => ({ "/capsules/c1": { ...capsule, submission: { verification_capsule: id } } }),
        (fields) => `{ it: capsule(id: "c1") { name submission { verificationCapsule { ${fields} } } } }`,
        "it.submission.verificationCapsule",
      ],
      [
        "a release job's release",
        (id) => ({
          "/capsules/c1": capsule,
          "/capsules/c1/release/j1": { job_id: "j1", status: "completed", release_capsule: id },
        }),
        (fields) => `{ it: capsule(id: "c1") { name release(jobId: "j1") { releaseCapsule { ${fields} } } } }`,
        "it.release.releaseCapsule",
      ],
      [
        "a panel's data asset",
        (id) => ({ "/capsules/c1": capsule, "/capsules/c1/app_panel": { data_assets: [{ id }] } }),
        (fields) => `{ it: capsule(id: "c1") { name appPanel { dataAssets { dataAsset { ${fields} } } } } }`,
        "it.appPanel.dataAssets.0.dataAsset",
      ],
      [
        "a run's input",
        (id) => ({ "/computations/r1": { ...run, data_assets: [{ id }] } }),
        (fields) => `{ it: computation(id: "r1") { name dataAssets { dataAsset { ${fields} } } } }`,
        "it.dataAssets.0.dataAsset",
      ],
      [
        "a process's capsule",
        (id) => ({ "/computations/r1": { ...run, processes: [{ capsule_id: id }] } }),
        (fields) => `{ it: computation(id: "r1") { name processes { capsule { ${fields} } } } }`,
        "it.processes.0.capsule",
      ],
      ...(["capsule", "computation"] as const).map((key): (typeof places)[number] => [
        `a result's ${key}`,
        (id) => ({ "/data_assets/d1": { ...asset, provenance: { [key]: id } } }),
        (fields) => `{ it: dataAsset(id: "d1") { name provenance { ${key} { ${fields} } } } }`,
        `it.provenance.${key}`,
      ]),
      [
        "a result's input",
        (id) => ({ "/data_assets/d1": { ...asset, provenance: { data_assets: [id] } } }),
        (fields) => `{ it: dataAsset(id: "d1") { name provenance { dataAssets { ${fields} } } } }`,
        "it.provenance.dataAssets.0",
      ],
      [
        "a part",
        (id) => ({ "/data_assets/d1": { ...asset, contained_data_assets: [{ id }] } }),
        (fields) => `{ it: dataAsset(id: "d1") { name containedDataAssets { dataAsset { ${fields} } } } }`,
        "it.containedDataAssets.0.dataAsset",
      ],
    ]

  test.each(places)(
    "an unreadable id of a linked object loses the link alone: %s",
    async (_place, bodies, query, path) => {
      let answers: Record<string, unknown> = {}
      const upstream = await startFaultyUpstream(({ path }) => ({ body: answers[path] }))
      for (const [, options] of executors) {
        const { ask } = startGatewayOn(upstream.url, options)
        for (const id of bad) {
          answers = bodies(id)
          for (const fields of ["id name", "id"]) {
            const answer = await ask(query(fields))
            expect(answer.data.it.name).toBe("One")
            expectBlamed(answer, [path])
          }
        }
      }
    },
  )

  test.each(places)(
    "a number as the id of a linked object is read as its digits: %s",
    async (_place, bodies, query) => {
      const linked = { "/capsules/42": { ...capsule, id: 42 }, "/computations/42": { ...run, id: 42 } }
      const upstream = await startAnswering({ ...bodies(42), ...linked, "/data_assets/42": { ...asset, id: 42 } })
      const { data, errors } = await startGatewayOn(upstream.url).ask(query("id name"))
      expect(errors).toBeUndefined()
      expect(JSON.stringify(data)).toContain('{"id":"42","name":"One"}')
    },
  )
})

test("an empty or unreadable id in a provenance leaves the ids beside it", async () => {
  const upstream = await startAnswering({
    "/data_assets/d1": { ...asset, provenance: { data_assets: ["d1", "", null, 5, " ", "../d1", {}, "d1"] } },
    "/data_assets/5": { ...asset, id: 5 },
  })
  for (const [, options] of executors) {
    const answer = await startGatewayOn(upstream.url, options).ask(
      `{ dataAsset(id: "d1") { provenance { dataAssets { id name } } } }`,
    )
    const one = { id: "d1", name: "One" }
    expect(answer.data.dataAsset.provenance.dataAssets).toEqual([
      one,
      null,
      null,
      { id: "5", name: "One" },
      null,
      null,
      null,
      one,
    ])
    const path = "dataAsset.provenance.dataAssets"
    expectBlamed(
      answer,
      [1, 2, 4, 5, 6].map((index) => `${path}.${index}`),
    )
  }
})

describe("unreadable ids in a lineage", () => {
  const lineage = (direction: string) =>
    `{ dataAsset(id: "d1") { lineage(direction: ${direction}) { nodes { nodeId kind restricted } edges { from to relation } truncated } } }`

  test.each([
    ["ids that are none", { data_assets: ["d2", "", null, "../x", {}] }],
    ["a run's id that is none", { computation: "a/b", data_assets: ["d2"] }],
    ["a capsule's id that is none", { capsule: {}, data_assets: ["d2"] }],
  ])("a lineage has the readable sources beside %s", async (_what, provenance) => {
    const upstream = await startAnswering({
      "/data_assets/d1": { ...asset, provenance },
      "/data_assets/d2": { ...asset, id: "d2" },
    })
    const answer = await startGatewayOn(upstream.url).ask(lineage("UP"))
    const { nodes, edges, truncated } = answer.data.dataAsset.lineage
    const kind = "DATA_ASSET"
    expect(nodes.slice(0, 2)).toEqual([
      { nodeId: "d1", kind, restricted: false },
      { nodeId: "d2", kind, restricted: false },
    ])
    expect(nodes.slice(2).length).toBeGreaterThan(0)
    expect(edges).toEqual([{ from: "d2", to: "d1", relation: "INPUT" }])
    expect(truncated).toBe(false)
    const unreadable = nodes.slice(2).map((_node: null, index: number) => `dataAsset.lineage.nodes.${index + 2}`)
    expectBlamed(answer, unreadable)
  })

  test("a lineage has the readable inputs that a run lists beside unreadable ones", async () => {
    const upstream = await startAnswering({
      "/data_assets/d1": { ...asset, provenance: { computation: "r1" } },
      "/data_assets/d2": { ...asset, id: "d2" },
      "/computations/r1": { ...run, data_assets: [null, { id: {} }, { id: "" }, { id: "d2" }] },
    })
    const answer = await startGatewayOn(upstream.url).ask(lineage("UP"))
    const ids = answer.data.dataAsset.lineage.nodes.map((node: { nodeId: string } | null) => node?.nodeId ?? null)
    expect(ids).toEqual(["d1", "r1", "d2", null])
    expectBlamed(answer, ["dataAsset.lineage.nodes.3"])
  })

  test("a lineage has every product whose other inputs are unreadable, and says that it may lack more", async () => {
    const product = { ...asset, id: "d2", provenance: { data_assets: ["", "d1", {}] } }
    const upstream = await startAnswering({
      "/data_assets/d1": asset,
      "/data_assets/search": { results: [null, product, { ...asset, id: "d3", provenance: [] }] },
    })
    const { data } = await startGatewayOn(upstream.url).ask(lineage("DOWN"))
    const { nodes, truncated } = data.dataAsset.lineage
    expect(
      nodes.filter((node: object | null) => node !== null).map(({ nodeId }: { nodeId: string }) => nodeId),
    ).toEqual(["d1", "d2"])
    expect(truncated).toBe(true)
  })
})

test("an unreadable id of a new object is an error that says that the object was created", async () => {
  const upstream = await startAnswering({
    "/computations": { ...run, id: "a/b" },
    "/data_assets": { ...asset, id: "" },
    "/capsules/c1/app_panel": {},
  })
  const { ask } = startGatewayOn(upstream.url)
  const started = await ask(`mutation { runCapsule(input: { capsuleId: "c1" }) { __typename } }`)
  expectBlamed(started, ["runCapsule"])
  expect(started.errors![0]!.message).toContain("The change succeeded")
  const created = await ask(
    `mutation { createDataAsset(input: { name: "n", tags: [], mount: "m", source: { aws: { bucket: "b" } } }) { __typename } }`,
  )
  expectBlamed(created, ["createDataAsset"])
  expect(created.errors![0]!.message).toContain("The change succeeded")
})

test("the run of a result whose capsule's id is unreadable is shown, with a null runnable", async () => {
  const upstream = await startAnswering({
    "/data_assets/d1": { ...asset, provenance: { computation: "r1", capsule: "a/b" } },
    "/computations/r1": run,
  })
  const { data, errors } = await startGatewayOn(upstream.url).ask(
    `{ dataAsset(id: "d1") { provenance { computation { name runnable { name } } } } }`,
  )
  expect(errors).toBeUndefined()
  expect(data.dataAsset.provenance.computation).toEqual({ name: "One", runnable: null })
})

test("events of a subscription keep the fields beside an unreadable id", async () => {
  const upstream = await startAnswering({
    "/data_assets/d1": { ...asset, provenance: { capsule: "..", data_assets: ["", "d1"] } },
  })
  const url = await startGatewayOn(upstream.url).gateway.listen()
  const [event] = (await (
    await follow(url, `subscription { dataAsset(id: "d1") { provenance { capsule { id } dataAssets { id } } } }`)
  ).rest()) as Result[]
  expect(event!.data.dataAsset.provenance).toEqual({ capsule: null, dataAssets: [null, { id: "d1" }] })
  expectBlamed(event!, ["dataAsset.provenance.capsule", "dataAsset.provenance.dataAssets.0"])
})

test("an invalid id that a caller sends is BAD_USER_INPUT", async () => {
  const { ask } = startGatewayOn((await startAnswering({})).url)
  for (const id of ["a/b", "..", ""]) {
    const { errors } = await ask(`query ($id: ID!) { capsule(id: $id) { name } }`, { id })
    expect(errors?.map(({ extensions }) => extensions.code)).toEqual(["BAD_USER_INPUT"])
  }
})
