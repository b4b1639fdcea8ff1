import { seed } from "../../sandbox/seed.ts"
import { type RestAnswer, type RestCall, restAt } from "../support/rest.ts"

/** An operation, and what one caller must see. */
export interface Expectation {
  name: string
  query: string
  variables?: Record<string, unknown>
  data: unknown
  /** Paths that the caller may not see: null, with an error. */
  forbidden: string[]
  writes: boolean
}

// biome-ignore lint/suspicious/noExplicitAny: the wire's objects, of which this file picks what it needs.
type Wire = any

/** None of these has a run in progress during the soak. */
const capsuleIds = [
  seed.cellCounter,
  seed.driftCorrection,
  seed.privateNotebook,
  seed.graceNotebook,
  "00000000-0000-4000-8000-000000000000",
]
const dataAssetIds = [
  seed.mouseRecording,
  seed.probeGeometry,
  seed.cellImages,
  seed.sortedSpikes,
  seed.combinedRecordings,
]

/**
 * Computes the expected results of operations over several objects by plain REST, one call after the other, each repeated
 * until it succeeds. It shares nothing with the gateway.
 */
export async function expectationsOf(url: string, token: string, run: string): Promise<Expectation[]> {
  const rest = restAt(url, token)

  /** Faults are the sandbox's own: a call that is repeated succeeds. */
  async function ask(methodAndPath: string, call?: RestCall): Promise<RestAnswer> {
    for (;;) {
      const answer = await rest(methodAndPath, call).catch(() => undefined)
      if (answer !== undefined && answer.status < 500 && answer.status !== 429) return answer
    }
  }

  /** The response to the caller; undefined if the object is missing. A refusal is noted under its path in the data. */
  async function read(methodAndPath: string, place?: string, forbidden: string[] = []): Promise<Wire> {
    const { status, json } = await ask(methodAndPath)
    if (status === 200) return json
    if (place !== undefined && (status === 401 || status === 403)) forbidden.push(place)
    return undefined
  }

  async function capsule(id: string, place: string, forbidden: string[]): Promise<Wire> {
    const wire = await read(`GET /capsules/${id}`, place, forbidden)
    if (wire === undefined) return null
    const runs: Wire[] = await read(`GET /capsules/${id}/computations`)
    const newest = runs.toSorted((a, b) => b.created - a.created).slice(0, 3)
    const panel = await read(`GET /capsules/${id}/app_panel`)
    const inputs: Promise<Wire>[] | undefined = panel?.data_assets?.map(async ({ id, mount }: Wire, at: number) => ({
      mount,
      dataAsset: await dataAsset(id, `${place}.appPanel.dataAssets.${at}.dataAsset`, forbidden),
    }))
    const parameters = panel?.parameters?.map(({ name }: Wire) => ({ name })) ?? null
    return {
      id,
      name: wire.name,
      slug: wire.slug,
      ownerEmail: wire.owner_email ?? null,
      computations: { nodes: newest.map(({ id, name, run_time }) => ({ id, name, runTime: run_time ?? null })) },
      appPanel: panel === undefined ? null : { parameters, dataAssets: inputs ? await Promise.all(inputs) : null },
    }
  }

  async function dataAsset(id: string, place: string, forbidden: string[]): Promise<Wire> {
    const wire = await read(`GET /data_assets/${id}`, place, forbidden)
    if (wire === undefined) return null
    return { id, name: wire.name, mount: wire.mount, size: wire.size === undefined ? null : Number(wire.size) }
  }

  async function lookup(
    field: string,
    ids: string[],
    one: typeof capsule,
  ): Promise<Pick<Expectation, "data" | "forbidden">> {
    const forbidden: string[] = []
    const objects = await Promise.all(ids.map((id, at) => one(id, `${field}.${at}`, forbidden)))
    return { data: { [field]: objects }, forbidden }
  }

  const { json: found } = await ask("POST /capsules/search", { body: { query: "tag:ecephys", limit: 20 } })
  const { name } = await read(`GET /computations/${run}`)
  const reads: Omit<Expectation, "writes">[] = [
    {
      name: "capsules with runs and panels",
      query: `query ($ids: [ID!]!) { capsules(ids: $ids) {
        id name slug ownerEmail
        computations(first: 3) { nodes { id name runTime } }
        appPanel { parameters { name } dataAssets { mount dataAsset { id name mount size } } }
      } }`,
      variables: { ids: capsuleIds },
      ...(await lookup("capsules", capsuleIds, capsule)),
    },
    {
      // By itself: a search for several ids also finds objects that the caller may find but not open.
      name: "a capsule that Grace may find but not open",
      query: "query ($ids: [ID!]!) { capsules(ids: $ids) { id name } }",
      variables: { ids: [seed.discoverableAtlas] },
      ...(await lookup("capsules", [seed.discoverableAtlas], async (id, place, forbidden) => {
        const wire = await read(`GET /capsules/${id}`, place, forbidden)
        return wire === undefined ? null : { id, name: wire.name }
      })),
    },
    {
      name: "data assets",
      query: "query ($ids: [ID!]!) { dataAssets(ids: $ids) { id name mount size } }",
      variables: { ids: dataAssetIds },
      ...(await lookup("dataAssets", dataAssetIds, dataAsset)),
    },
    {
      name: "a search",
      query: `{ searchCapsules(first: 20, query: "tag:ecephys") { nodes { id name } pageInfo { hasNextPage } } }`,
      data: {
        searchCapsules: {
          nodes: found.results.map(({ id, name }: Wire) => ({ id, name })),
          pageInfo: { hasNextPage: found.has_more },
        },
      },
      forbidden: [],
    },
  ]
  const write = {
    name: "a mutation",
    query: `mutation ($input: RenameComputationInput!) {
      renameComputation(input: $input) { ... on RenameComputationPayload { computation { id name } } }
    }`,
    variables: { input: { id: run, name } },
    data: { renameComputation: { computation: { id: run, name } } },
    forbidden: [],
    writes: true,
  }
  return [...reads.map((expectation) => ({ ...expectation, writes: false })), write]
}

/** What upstream's faults may do to a field. */
export const faults: ReadonlySet<string> = new Set([
  "UPSTREAM_UNAVAILABLE",
  "UPSTREAM_TIMEOUT",
  "UPSTREAM_INVALID_RESPONSE",
  "RATE_LIMITED",
  "OVERLOADED",
])

export interface Result {
  data?: unknown
  errors?: { message: string; path?: (string | number)[]; extensions: { code: string; outcomeUnknown?: boolean } }[]
}

/**
 * What is wrong with a response; undefined if nothing is. It must be the expected one, except for fields that an upstream
 * fault has made null, each with its error.
 */
export function wrongIn(result: Result, expected: Expectation): string | undefined {
  const errors = (result.errors ?? []).map(({ path = [], extensions }) => ({ path: path.join("."), ...extensions }))
  const odd = errors.find(
    ({ path, code }) => !faults.has(code) && !(code === "FORBIDDEN" && expected.forbidden.includes(path)),
  )
  if (odd !== undefined) return `an error ${odd.code} at ${odd.path}`
  const lost = errors.filter(({ code }) => faults.has(code)).map(({ path }) => path)
  const silent = expected.forbidden.find((path) => !errors.some((error) => within(path, error.path)))
  if (silent !== undefined) return `no error at ${silent}`
  return difference(result.data ?? null, expected.data, "", lost)
}

/** Whether one of the paths is the beginning of the other: an error can null a parent of its field. */
const within = (a: string, b: string) =>
  `${a}.`.startsWith(b === "" ? "" : `${b}.`) || `${b}.`.startsWith(a === "" ? "" : `${a}.`)

function difference(actual: unknown, expected: unknown, path: string, lost: string[]): string | undefined {
  if (actual === null && expected !== null && lost.some((place) => within(place, path))) return undefined
  if (typeof expected !== "object" || expected === null || typeof actual !== "object" || actual === null) {
    return Object.is(actual, expected)
      ? undefined
      : `${path}: ${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}`
  }
  const keys = new Set([...Object.keys(actual), ...Object.keys(expected)])
  for (const key of keys) {
    const [a, b] = [actual, expected].map((object) => (object as Record<string, unknown>)[key])
    const problem = difference(a, b, path === "" ? key : `${path}.${key}`, lost)
    if (problem !== undefined) return problem
  }
  return undefined
}
