import { describe, expect, test } from "vitest"
import { seed } from "../sandbox/seed.ts"
import { maxResponseBytes } from "../src/upstream/transport.ts"
import { startFaultyUpstream } from "./support/faultyUpstream.ts"
import { startGateway, startGatewayOn } from "./support/gateway.ts"

type Entry = { path: string } | null

/** A gateway on an upstream whose only folder holds these items. */
async function startFolder(items: unknown) {
  const upstream = await startFaultyUpstream(({ method }) => ({ body: method === "POST" ? { items } : { id: "r1" } }))
  const { ask } = startGatewayOn(upstream.url)
  return {
    upstream,
    ask,
    entries: (args: string, fields = "path") =>
      ask(`{ computation(id: "r1") { results(path: "top") { entries${args} { ${fields} } } } }`),
  }
}

describe("pages of a folder", () => {
  test("pages of a folder lead through a run's results without a gap or a repetition", async () => {
    const { ask } = await startGateway()
    const page = async (args: string): Promise<Entry[]> => {
      const { data, errors } = await ask(
        `{ computation(id: "${seed.countedCells}") { results { entries${args} { path } } } }`,
      )
      expect(errors).toBeUndefined()
      return data.computation.results.entries
    }
    const all = await page("")
    expect(all.length).toBeGreaterThan(2)
    const walked: Entry[] = []
    for (let entries = await page("(first: 2)"); entries.length > 0; ) {
      expect(entries.length).toBeLessThanOrEqual(2)
      walked.push(...entries)
      entries = await page(`(first: 2, after: ${JSON.stringify(walked.at(-1)!.path)})`)
    }
    expect(walked).toEqual(all)
  })

  test("pages of a folder lead through the files of a data asset, and several of one request cost one call", async () => {
    const { ask, sandbox } = await startGateway()
    const { data } = await ask(`{ dataAsset(id: "${seed.sortedSpikes}") { files {
      all: entries { path } one: entries(first: 1) { path } rest: entries(first: 1000) { path } } } }`)
    const { all, one, rest } = data.dataAsset.files
    expect(one).toEqual(all.slice(0, 1))
    expect(rest).toEqual(all)
    expect(sandbox.requests.filter(({ path }) => path.endsWith("/files"))).toHaveLength(1)
  })

  test("pages of a folder keep the place of an entry that can't be read, and go on behind it", async () => {
    const { entries } = await startFolder([{ name: "a" }, null, { name: "b", type: "folder" }, { path: "top/c" }])
    const first = await entries("(first: 2)")
    expect(first.data.computation.results.entries).toEqual([{ path: "top/a" }, null])
    expect(first.errors).toMatchObject([{ path: ["computation", "results", "entries", 1] }])
    expect((await entries('(first: 2, after: "/top/b/")')).data.computation.results.entries).toEqual([
      { path: "top/c" },
    ])
    expect((await entries('(after: "top/c")')).data.computation.results.entries).toEqual([])
  })

  test("pages of a folder do not start after a path of several entries, which would leave some out", async () => {
    const { entries } = await startFolder([{ name: "a" }, { name: "b" }, { name: "a", type: "folder" }, { name: "c" }])
    const all = await entries("(first: 4)", "__typename path")
    expect(all.errors).toBeUndefined()
    expect(all.data.computation.results.entries).toHaveLength(4)
    const { data, errors } = await entries('(first: 1, after: "top/a")')
    expect(data.computation.results.entries).toBeNull()
    expect(errors).toMatchObject([
      {
        message: expect.stringContaining('several entries with the path "top/a"'),
        extensions: { code: "UPSTREAM_INVALID_RESPONSE" },
      },
    ])
    expect((await entries('(after: "top/b")')).data.computation.results.entries).toHaveLength(2)
  })

  test("pages of a folder distinguish folders from files whatever the case of their type", async () => {
    const types = ["folder", "Folder", "FOLDER", "file", "File", { toString: 1 }, null]
    const { entries } = await startFolder(types.map((type, index) => ({ name: `${index}`, type })))
    const { data, errors } = await entries("", "__typename")
    expect(errors).toBeUndefined()
    expect(data.computation.results.entries.map((entry: { __typename: string }) => entry.__typename)).toEqual([
      "Folder",
      "Folder",
      "Folder",
      "File",
      "File",
      "File",
      "File",
    ])
  })

  test.each([
    ["(first: 0)", /`first` must be from 1 to 1000/],
    ["(first: 1001)", /`first` must be from 1 to 1000/],
    ['(after: "top/gone")', /not the path of an entry/],
    ['(after: "")', /not the path of an entry/],
  ])("pages of a folder with the arguments %s are BAD_USER_INPUT", async (args, sentence) => {
    const { entries } = await startFolder([{ name: "a" }, {}])
    const { data, errors } = await entries(args)
    expect(data.computation.results.entries).toBeNull()
    expect(errors![0]!.message).toMatch(sentence)
    expect(errors![0]!.extensions.code).toBe("BAD_USER_INPUT")
  })
})

describe("a folder listing that is too large says so, and how to ask for less", () => {
  test.each([
    ["bytes", [{ name: "x".repeat(maxResponseBytes) }], `${maxResponseBytes} bytes`],
    ["entries", Array(250_001).fill(0), "250000 items"],
  ])("a folder listing with too many or too large %s says so, and how to ask for less", async (_what, items, limit) => {
    const { entries } = await startFolder(items)
    const { data, errors } = await entries("(first: 1)")
    expect(data.computation.results.entries).toBeNull()
    expect(errors![0]!.message).toContain(`more than ${limit}`)
    expect(errors![0]!.message).toContain("Request a folder below it")
    expect(errors![0]!.extensions).toMatchObject({
      code: "UPSTREAM_INVALID_RESPONSE",
      upstream: { endpoint: "POST /computations/{id}/results" },
    })
  })

  test("any other response of Code Ocean that is too large names the limit", async () => {
    const upstream = await startFaultyUpstream(({ path }) => ({
      body: path === "/capsules/c1" ? { id: "c1", name: "One" } : "x".repeat(maxResponseBytes + 1),
    }))
    const { data, errors } = await startGatewayOn(upstream.url).ask(
      `{ capsule(id: "c1") { name computations { nodes { id } } } }`,
    )
    expect(data.capsule).toEqual({ name: "One", computations: null })
    expect(errors![0]!.message).toBe(`Code Ocean sent an invalid response: it has more than ${maxResponseBytes} bytes.`)
  })
})
