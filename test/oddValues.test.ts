import { isObjectType } from "graphql"
import { describe, expect, test } from "vitest"
import { seed } from "../sandbox/seed.ts"
import { makesCalls } from "../src/graph/cost.ts"
import { schema } from "../src/graph/schema.ts"
import { everyField } from "./support/everyField.ts"
import { startAnswering, startFaultyUpstream } from "./support/faultyUpstream.ts"
import { type Result, startGateway, startGatewayOn, type World } from "./support/gateway.ts"
import { differences, type Effect, independentGroups } from "./support/independentCalls.ts"
import { follow, hastyTime } from "./support/live.ts"
import { startRest } from "./support/rest.ts"
import { stopTime } from "./support/time.ts"

/** JSON values of unexpected types. `{ toString: 1 }` makes every implicit conversion throw. */
const oddValues: unknown[] = [null, 5, "", [], {}, { toString: 1 }, [null], [{ toString: 1 }]]

/** Fails if the gateway reported an odd value as an internal error. */
function expectHandled({ lines }: Pick<World, "lines">, answers: unknown): void {
  expect(JSON.stringify(answers)).not.toContain("INTERNAL_SERVER_ERROR")
  expect(lines.filter(({ level }) => level === "error" || level === "fatal")).toEqual([])
}

/** The paths of all places in JSON, of lists only those up to the first item. */
function placesIn(value: unknown, path: readonly (string | number)[] = []): (string | number)[][] {
  const inner = Array.isArray(value) ? Object.entries(value.slice(0, 1)) : isObject(value) ? Object.entries(value) : []
  return [
    [...path],
    ...inner.flatMap(([key, item]) => placesIn(item, [...path, Array.isArray(value) ? Number(key) : key])),
  ]
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null

/** A copy of the JSON with another value at this path. */
function replaced(json: unknown, [key, ...path]: readonly (string | number)[], value: unknown): unknown {
  if (key === undefined) return value
  if (Array.isArray(json)) return json.map((item, index) => (index === key ? replaced(item, path, value) : item))
  const parent = json as Record<string, unknown>
  return { ...parent, [key]: replaced(parent[key], path, value) }
}

const ids = {
  capsule: seed.cellCounter,
  pipeline: seed.ecephysPipeline,
  run: seed.countedCells,
  asset: seed.sortedSpikes,
  job: "j",
}

const folder = "entries { name path ... on File { size downloadUrl viewUrl text json } }"
const file = `file: ${"FILE"}(path: "output") { size downloadUrl viewUrl text head { text isWhole } part { text nextOffset size matches(text: "a") { offset text } } json }`
const permissions = "permissions { users { email role } groups { group role } everyone shareAssets }"
const metadataFields = "name type range { min max } allowedValues multiple units category required"
const page = (fields: string) =>
  `edges { cursor node { ${fields} } } nodes { ${fields} } pageInfo { hasNextPage startCursor endCursor }`
const runFields = `${everyField("Computation")} outcome outcomeReasons runnable { id }`
const runnableFields = (type: string) => `${everyField(type)} ${permissions} appPanel { ${everyField("AppPanel")} }
  release(jobId: "${ids.job}") { ${everyField("ReleaseJob")} }
  all: computations(first: 1) { ${page(runFields)} }
  some: computations(filter: { name: "a", state: [COMPLETED, FAILED], endStatus: [SUCCEEDED], dataAssetId: "x", created: { from: "2000-01-01" } }) { nodes { id } }`
const input = (type: string) =>
  `mutation ($input: ${type}Input!) { it: ${type.charAt(0).toLowerCase()}${type.slice(1)}(input: $input)`

/** Operations that use every response of upstream, with all its fields. */
const operations: Record<string, { query: string; variables?: Record<string, unknown> }> = {
  capsule: { query: `{ capsule(id: "${ids.capsule}") { ${runnableFields("Capsule")} } }` },
  pipeline: { query: `{ pipeline(id: "${ids.pipeline}") { ${runnableFields("Pipeline")} } }` },
  run: {
    query: `{ computation(id: "${ids.run}") { ${runFields} log tail: log(tail: 2) results { ${folder} }
      ${file.replace("FILE", "resultFile")} dataAssets { dataAsset { name } } processes { capsule { name } } }
      verdict: computation(id: "${ids.run}") { outcome outcomeReasons } }`,
  },
  asset: {
    query: `{ dataAsset(id: "${ids.asset}") { ${everyField("DataAsset")} customMetadata { type units } files { ${folder} }
      ${file.replace("FILE", "file")} ${permissions} attachedTo { nodes { id } } attachedToPipelines { nodes { id } }
      lineage { nodes { nodeId kind distance restricted node { id } } edges { from to relation } truncated }
      provenance { computation { runnable { id } } capsule { name } dataAssets { name } }
      containedDataAssets { dataAsset { name } } } }`,
  },
  others: {
    query: `{ customMetadata { fields { ${metadataFields} } categories } node(id: "${ids.asset}") { id ... on DataAsset { archived } }
      _entities(representations: [{ __typename: "Computation", id: "${ids.run}" }]) { ... on Computation { name } }
      capsules(ids: ["${ids.capsule}", "${ids.pipeline}"]) { name } pipelines(ids: ["${ids.pipeline}"]) { name }
      searchCapsules(first: 1) { ${page("name created")} } searchPipelines(first: 1) { ${page("name created")} }
      searchDataAssets(first: 1) { ${page("name created size")} } }`,
  },
  recentComputations: {
    query: `{ recentComputations(first: 1) { ${page("name state created")} } computation(id: "${ids.run}") { findRunnable { name } } }`,
  },
  runCapsule: {
    query: `${input("RunCapsule")} { ... on RunCapsulePayload { computation { ${runFields} } } } }`,
    variables: {
      input: { capsuleId: ids.capsule, parameters: ["1"], namedParameters: [{ paramName: "stain", value: "1" }] },
    },
  },
  runPipeline: {
    query: `${input("RunPipeline")} { ... on RunPipelinePayload { computation { id } } } }`,
    variables: {
      input: { pipelineId: ids.pipeline, processes: [{ name: "first", parameters: ["1"] }] },
    },
  },
  createDataAsset: {
    query: `${input("CreateDataAsset")} { ... on CreateDataAssetPayload { dataAsset { name } } } }`,
    variables: { input: { name: "n", tags: [], mount: "m", source: { aws: { bucket: "b" } } } },
  },
  updateDataAsset: {
    query: `${input("UpdateDataAsset")} { ... on UpdateDataAssetPayload { dataAsset { name } } } }`,
    variables: { input: { id: ids.asset, name: "New" } },
  },
  updateDataAssets: {
    query: `${input("UpdateDataAssets")} { ... on UpdateDataAssetsPayload { items { status before { tags customMetadata { key value type } } after { tags } failure { code } dataAsset { name } } } } }`,
    variables: { input: { search: { query: "x" }, addTags: ["new"], setCustomMetadata: [{ key: "a", value: "b" }] } },
  },
  attach: {
    query: `${input("AttachDataAssets")} { ... on AttachDataAssetsPayload { results { dataAssetId mount mountState jobId external ready dataAsset { name } } } } }`,
    variables: { input: { capsuleId: ids.capsule, search: { query: "x" } } },
  },
  share: {
    query: `${input("UpdateCapsulePermissions")} { ... on UpdateCapsulePermissionsPayload { ${permissions} missing { everyone groups { group role } } remaining { everyone users { email role } } } } }`,
    variables: { input: { capsuleId: ids.capsule, everyone: "VIEWER" } },
  },
  sync: {
    query: `${input("SyncCapsule")} { ... on SyncCapsulePayload { pushed pulled newBranch } } }`,
    variables: { input: { id: ids.capsule } },
  },
  release: {
    query: `${input("ReleaseCapsule")} { ... on ReleaseCapsulePayload { release { ${everyField("ReleaseJob")} } } } }`,
    variables: { input: { id: ids.capsule } },
  },
}

const changes = "{ isFirst removedIds added { name state } changed { name } unread { ... on Capsule { name } } }"

/** Subscriptions, each of which is followed until it completes, or for an event if it never does. */
const subscriptions: Record<string, string> = {
  run: `subscription { computation(id: "${ids.run}") { ${runFields} } }`,
  asset: `subscription { dataAsset(id: "${ids.asset}") { name state } }`,
  capture: `subscription { captureResult(input: { computationId: "${ids.run}", name: "n", tags: [], mount: "m", permissions: { everyone: VIEWER } }) {
    computation { outcome } dataAsset { name state } steps { status } complete refusal { message details } } }`,
  computations: `subscription { computations(runnableId: "${ids.capsule}") ${changes} }`,
  recentComputations: `subscription { recentComputations ${changes} }`,
  release: `subscription { release(capsuleId: "${ids.capsule}", jobId: "${ids.job}") { ${everyField("ReleaseJob")} } }`,
}

async function eventsOf(url: string, query: string): Promise<Result[]> {
  const following = await follow(url, query)
  if (!query.includes(changes)) return following.rest()
  const event = await following.next()
  following.leave()
  return event === undefined ? [] : [event]
}

test("every field that makes calls, mutations aside, is asked for with odd values in the responses", () => {
  const queries = [...Object.values(operations).map(({ query }) => query), ...Object.values(subscriptions)].join(" ")
  const asked = new Set(queries.match(/\w+/g))
  const types = Object.values(schema.getTypeMap()).filter((type) => isObjectType(type) && type.name !== "Mutation")
  const fields = types.flatMap((type) => (isObjectType(type) ? Object.values(type.getFields()) : []))
  expect(fields.filter((field) => makesCalls(field) && !asked.has(field.name)).map(({ name }) => name)).toEqual([])
})

/** The response of upstream to each call, with every documented key. */
async function soundAnswers(fileUrl: string): Promise<Map<string, unknown>> {
  const { rest } = await startRest()
  const of = async (call: string, body?: unknown) => (await rest(call, { ...(body !== undefined && { body }) })).json
  const capsule = await of(`GET /capsules/${ids.capsule}`)
  const pipeline = await of(`GET /pipelines/${ids.pipeline}`)
  const process = {
    name: "first",
    capsule_id: ids.capsule,
    version: 1,
    public: true,
    parameters: [{ name: "p", param_name: "p", value: "1" }],
  }
  const run = {
    ...(await of(`GET /computations/${ids.run}`)),
    owner_email: "a@b.c",
    nextflow_profile: "p",
    data_assets: [{ id: "x", mount: "m" }],
    processes: [process],
  }
  const asset = {
    ...(await of(`GET /data_assets/${ids.asset}`)),
    failure_reason: "f",
    transfer_error: "t",
    last_transferred: 1,
    custom_metadata: { "subject id": "1" },
    provenance: {
      commit: "c",
      run_script: "r",
      docker_image: "i",
      capsule: ids.capsule,
      computation: ids.run,
      data_assets: ["x"],
    },
    contained_data_assets: [{ id: "x", mount: "m", size: 1 }],
    source_bucket: { origin: "aws", bucket: "b", prefix: "p", external: false },
  }
  const items = {
    items: [
      { name: "output", path: "output", type: "file", size: 2 },
      { name: "f", type: "folder" },
    ],
  }
  const urls = { download_url: fileUrl, view_url: fileUrl }
  const shared = {
    users: [{ email: "a@b.c", role: "owner" }],
    groups: [{ group: "g", role: "viewer" }],
    everyone: "none",
    share_assets: true,
  }
  const found = (result: unknown) => ({ has_more: true, next_token: "t", results: [result] })
  const parameter = {
    name: "stain",
    type: "text",
    param_name: "stain",
    required: true,
    minimum: 0,
    maximum: 9,
    pattern: "[0-9]",
    value_options: ["1", "2"],
  }
  const job = {
    job_id: ids.job,
    status: "completed",
    started: 1,
    duration: 1,
    release_capsule: ids.capsule,
    release_version: { major_version: 1, minor_version: 0, release_time: 1, doi: "d" },
    error: "e",
  }
  const panel = await of(`GET /capsules/${ids.capsule}/app_panel`)
  return new Map<string, unknown>([
    [`GET /capsules/${ids.capsule}`, capsule],
    [`GET /capsules/${ids.capsule}/computations`, [run, { ...run, id: "r2" }]],
    [`GET /capsules/${ids.capsule}/app_panel`, { ...panel, parameters: [{ ...panel.parameters[0], ...parameter }] }],
    [`GET /capsules/${ids.capsule}/permissions`, shared],
    [`POST /capsules/${ids.capsule}/permissions`, {}],
    [
      `POST /capsules/${ids.capsule}/data_assets`,
      [{ id: "x", mount: "m", mount_state: "s", job_id: "j", external: true, ready: true }],
    ],
    [`POST /capsules/${ids.capsule}/sync`, { pushed: 1, pulled: 1, new_branch: true }],
    [`POST /capsules/${ids.capsule}/release`, job],
    [`GET /capsules/${ids.capsule}/release/${ids.job}`, job],
    [`GET /pipelines/${ids.pipeline}/release/${ids.job}`, job],
    [`GET /pipelines/${ids.pipeline}`, pipeline],
    [`GET /pipelines/${ids.pipeline}/computations`, [run]],
    [
      `GET /pipelines/${ids.pipeline}/app_panel`,
      { processes: [{ name: "first", categories: [], parameters: [parameter] }] },
    ],
    [`GET /pipelines/${ids.pipeline}/permissions`, shared],
    [`GET /computations/${ids.run}`, run],
    [`POST /computations/${ids.run}/results`, items],
    [`GET /computations/${ids.run}/results/urls`, urls],
    [`POST /computations`, run],
    [`GET /data_assets/${ids.asset}`, asset],
    [`PUT /data_assets/${ids.asset}`, asset],
    [`POST /data_assets`, asset],
    [`POST /data_assets/${ids.asset}/files`, items],
    [`GET /data_assets/${ids.asset}/files/urls`, urls],
    [`GET /data_assets/${ids.asset}/permissions`, shared],
    [`POST /data_assets/${ids.asset}/permissions`, {}],
    ["POST /capsules/search", found(capsule)],
    ["POST /pipelines/search", found(pipeline)],
    ["POST /data_assets/search", { ...found(asset), has_more: false }],
    ["GET /custom_metadata", await of("GET /custom_metadata")],
  ])
}

/** A gateway on an upstream whose responses are valid except for some calls. */
async function startFuzzing() {
  let odd: ReadonlyMap<string, unknown> = new Map()
  let called = new Set<string>()
  let sound = new Map<string, unknown>()
  const upstream = await startFaultyUpstream(({ method, path }) => {
    const call = `${method} ${path.replace(/\?.*/, "")}`
    called.add(call)
    if (path === "/file") return { body: "{}" }
    if (odd.has(call)) return { body: JSON.stringify(odd.get(call)) ?? "" }
    return sound.has(call) ? { body: sound.get(call) } : { status: 404, body: { message: "none" } }
  })
  sound = await soundAnswers(`${upstream.url}/api/v1/file`)
  const world = startGatewayOn(upstream.url, { clock: hastyTime(), leaseMs: 3_600_000 })
  /** The calls that were made during the work. */
  async function callsDuring(work: () => Promise<unknown>): Promise<string[]> {
    called = new Set()
    await work()
    return [...called].filter((call) => sound.has(call))
  }
  async function withOdd<T>(answers: ReadonlyMap<string, unknown>, work: () => Promise<T>): Promise<T> {
    odd = answers
    try {
      return await work()
    } finally {
      odd = new Map()
    }
  }
  return { ...world, sound, callsDuring, withOdd }
}

type Fuzzing = Awaited<ReturnType<typeof startFuzzing>>

const groupsOfQueries = new Map<string, string[][]>()

/** The calls of an operation in groups whose responses can be odd at the same time. Each call of a mutation or subscription is alone. */
async function groupsOf(
  world: Fuzzing,
  calls: readonly string[],
  query: string,
  ask: () => Promise<Result | Result[]>,
) {
  if (!query.startsWith("{")) return calls.map((call) => [call])
  const known = groupsOfQueries.get(query)
  if (known !== undefined) return known
  const dataOf = async () => [await ask()].flat().map(({ data }) => data)
  const before = await dataOf()
  const effects = new Map<string, Effect>()
  for (const call of calls) {
    const paths: string[] = []
    let made = new Set(calls)
    // A response that can't be decoded, and one whose keys are all missing.
    for (const body of [undefined, { toString: 1 }]) {
      const madeNow = await world.callsDuring(() =>
        world.withOdd(new Map([[call, body]]), async () => paths.push(...differences(before, await dataOf()))),
      )
      made = made.intersection(new Set(madeNow))
    }
    effects.set(call, { paths, calls: made })
  }
  const groups = independentGroups(effects)
  groupsOfQueries.set(query, groups)
  return groups
}

/** The response of a call to try, and its description. */
type Case = readonly [place: string, body: unknown]

/**
 * Finds the cases with a problem. Cases of independent calls are tried in one request: if that has a problem, or if one of the calls is
 * not made, then each of them is tried alone.
 * @param problemOf makes the request, and says what is wrong with the response
 */
async function problems(
  world: Fuzzing,
  groups: readonly string[][],
  casesOf: (call: string) => readonly Case[],
  problemOf: () => Promise<string | undefined>,
): Promise<string[]> {
  const found: string[] = []
  for (const group of groups) {
    const cases = group.map((call) => casesOf(call).map(([place, body]) => ({ call, place, body })))
    for (let index = 0; cases.some((ofCall) => index < ofCall.length); index++) {
      const together = cases.flatMap((ofCall) => ofCall.slice(index, index + 1))
      const problemWith = (some: typeof together) =>
        world.withOdd(new Map(some.map(({ call, body }) => [call, body])), problemOf)
      const describe = (some: typeof together, problem: string) =>
        found.push(`${some.map(({ call, place }) => `${call}: ${place}`).join(" and ")}: ${problem}`)
      let problem: string | undefined
      const called = await world.callsDuring(async () => {
        problem = await problemWith(together)
      })
      const isComplete = together.length === 1 || together.every(({ call }) => called.includes(call))
      if (problem === undefined && isComplete) continue
      const before = found.length
      if (together.length > 1) {
        for (const one of together) {
          const alone = await problemWith([one])
          if (alone !== undefined) describe([one], alone)
        }
      }
      if (problem !== undefined && found.length === before) describe(together, problem)
    }
  }
  return found
}

describe("odd values that a caller sends where any JSON is taken", () => {
  test.each([
    ["a reference", (value: unknown) => value],
    ["a reference's type", (value: unknown) => ({ __typename: value, id: "x" })],
    ["a reference's id", (value: unknown) => ({ __typename: "Capsule", id: value })],
  ])("odd values that a caller sends where any JSON is taken are refused as %s", async (_place, reference) => {
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

  test("odd values of custom metadata that a caller sends are compared with those of the data asset, and sent", async () => {
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

  test("odd values that a caller sends where any JSON is taken are searched for or refused as a filter's value", async () => {
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

/** The calls whose responses were odd in an operation of each kind. */
const tried = { query: new Set<string>(), mutation: new Set<string>(), subscription: new Set<string>() }
let turn = 0

/**
 * Each place gets the values for which most conversions fail, and one of the others, which alternate. All queries read a response with
 * the same functions, and so do all subscriptions: each place of a call that another of them has made gets only one value, in turn.
 * Mutations decide by what they read, each in its own way.
 */
function oddAnswers(call: string, sound: unknown, query: string): Case[] {
  const kind = query.startsWith("mutation") ? "mutation" : query.startsWith("subscription") ? "subscription" : "query"
  const most = kind !== "mutation" && tried[kind].has(call) ? [] : [{ toString: 1 }, [null]]
  tried[kind].add(call)
  return placesIn(sound).flatMap((path) =>
    [...most, oddValues[turn++ % oddValues.length]].map(
      (value): Case => [`${path.join(".")} = ${JSON.stringify(value)}`, replaced(sound, path, value)],
    ),
  )
}

/** Whether the response blames the gateway, or the caller of a query, for what upstream sent. */
function isMisjudged(text: string, query: string): boolean {
  return text.includes("INTERNAL_SERVER_ERROR") || (text.includes("BAD_USER_INPUT") && !query.startsWith("mutation"))
}

describe("odd values at every key of every response", () => {
  test.each(Object.entries(operations))(
    "odd values at every key of every response are never blamed on the caller: %s",
    async (_name, { query, variables }) => {
      const world = await startFuzzing()
      const ask = () => world.ask(query, variables)
      const calls = await world.callsDuring(async () => {
        const { data, errors } = await ask()
        expect(errors).toBeUndefined()
        expect(JSON.stringify(data)).not.toContain("MutationRefused")
      })
      const groups = await groupsOf(world, calls, query, ask)
      const casesOf = (call: string) => oddAnswers(call, world.sound.get(call), query)
      const misjudged = await problems(world, groups, casesOf, async () => {
        const text = JSON.stringify(await ask())
        return isMisjudged(text, query) ? text.slice(0, 300) : undefined
      })
      expect(misjudged).toEqual([])
      expectHandled(world, [])
    },
  )

  test.each(Object.entries(subscriptions))(
    "odd values at every key of every response end a subscription with an error or not at all: %s",
    async (_name, query) => {
      // A capture whose creation has an unknown outcome searches for as long as a call can take. Its lease must not expire then.
      const time = stopTime()
      const world = await startFuzzing()
      const url = await world.gateway.listen()
      const ask = () => time.passDuring(eventsOf(url, query))
      const calls = await world.callsDuring(async () => {
        const events = await ask()
        expect(events.length).toBeGreaterThan(0)
        expect(events.flatMap(({ errors }) => errors ?? [])).toEqual([])
      })
      const groups = calls.map((call) => [call])
      const casesOf = (call: string) => oddAnswers(call, world.sound.get(call), query)
      const misjudged = await problems(world, groups, casesOf, async () => {
        const text = JSON.stringify(await ask())
        return isMisjudged(text, query) ? text.slice(0, 300) : undefined
      })
      expect(misjudged).toEqual([])
      expectHandled(world, [])
    },
  )

  test("odd values are tested at every call that the gateway makes", async () => {
    const { sound } = await startFuzzing()
    expect([...sound.keys()].filter((call) => !Object.values(tried).some((calls) => calls.has(call)))).toEqual([])
  })
})

/** The paths of the lists in JSON that are not empty. */
function listsIn(value: unknown): (string | number)[][] {
  return placesIn(value).filter((path) => {
    const found = path.reduce<unknown>((at, key) => (at as Record<string | number, unknown>)[key], value)
    return Array.isArray(found) && found.length > 0
  })
}

/** Fields that depend on the number of items, or say that some are missing. */
const dependsOnItems = new Set(["cursor", "startCursor", "endCursor", "hasNextPage", "truncated"])

/** The paths of a response that are missing in another one. Lists may have additional items. */
function lostIn(before: unknown, after: unknown, path: string): string[] {
  if (Array.isArray(before) && Array.isArray(after)) {
    let from = 0
    return before.flatMap((item, index) => {
      const at = after.findIndex((other, at) => at >= from && lostIn(item, other, path).length === 0)
      if (at < 0) return [`${path}.${index}`]
      from = at + 1
      return []
    })
  }
  if (isObject(before) && isObject(after)) {
    return Object.keys(before).flatMap((key) =>
      dependsOnItems.has(key) ? [] : lostIn(before[key], after[key], `${path}.${key}`),
    )
  }
  return before === after ? [] : [path]
}

describe("odd items in every list of every response", () => {
  // A write that sends the tags of a data asset back never omits some of them.
  const reads = Object.entries(operations).filter(([name]) => !name.startsWith("updateDataAsset"))

  test.each([
    ...reads,
    ...Object.entries(subscriptions).map(([name, query]) => [`subscription ${name}`, { query }] as const),
  ])("odd items in every list of every response leave the items beside them in place: %s", async (_name, operation) => {
    const { query, variables }: (typeof operations)[string] = operation
    const world = await startFuzzing()
    const url = await world.gateway.listen()
    const ask = async (): Promise<Result[]> =>
      query.startsWith("subscription") ? eventsOf(url, query) : [await world.ask(query, variables)]
    let before: Result[] = []
    const calls = await world.callsDuring(async () => {
      // The first request creates the capture, and later ones find it.
      await ask()
      before = await ask()
    })
    const casesOf = (call: string) => {
      const sound = world.sound.get(call)
      return listsIn(sound).flatMap((path) => {
        const list = path.reduce<unknown>((at, key) => (at as Record<string | number, unknown>)[key], sound)
        return [null, "", {}, { toString: 1 }, [null]].map(
          (odd): Case => [
            `${path.join(".")} with ${JSON.stringify(odd)}`,
            replaced(sound, path, [...(list as unknown[]), odd]),
          ],
        )
      })
    }
    const lost = await problems(world, await groupsOf(world, calls, query, ask), casesOf, async () => {
      const after = await ask()
      const places = before.flatMap((result, index) => lostIn(result.data, after[index]?.data, ""))
      const codes = after.flatMap(({ errors }) => errors ?? []).map(({ extensions }) => extensions.code)
      const others = codes.filter((code) => code !== "UPSTREAM_INVALID_RESPONSE")
      return places.length + others.length > 0 ? [...places, ...others].join(" ") : undefined
    })
    expect(lost).toEqual([])
    expectHandled(world, [])
  })
})

test("a data asset that can't be read fails alone in an edit of many", async () => {
  const asset = (id: string, metadata: unknown) => ({
    id,
    name: id,
    state: "ready",
    type: "dataset",
    custom_metadata: metadata,
  })
  const upstream = await startAnswering({
    "/data_assets/d1": asset("d1", 5),
    "/data_assets/d2": asset("d2", { a: 1 }),
  })
  const { ask } = startGatewayOn(upstream.url)
  const { data, errors } = await ask(`mutation {
    updateDataAssets(input: { ids: ["d1", "d2"], addTags: ["new"], dryRun: true }) {
      ... on UpdateDataAssetsPayload { items { dataAssetId status failure { code } } }
    }
  }`)
  expect(errors).toBeUndefined()
  expect(data.updateDataAssets.items).toEqual([
    { dataAssetId: "d1", status: "FAILED", failure: { code: "UPSTREAM_INVALID_RESPONSE" } },
    { dataAssetId: "d2", status: "WOULD_CHANGE", failure: null },
  ])
})
