import { existsSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { expect, test } from "vitest"
import { asGraph, everyField, filledPlaces } from "./support/everyField.ts"
import { startGateway } from "./support/gateway.ts"

const folder = fileURLToPath(new URL("../../shared/real-capsules", import.meta.url))
const absent = !existsSync(folder)
if (absent) console.warn(`Skipped: there are no real capsules in ${folder}.`)
const withRealCapsules = test.skipIf(absent)

const read = <T>(file: string): T => JSON.parse(readFileSync(`${folder}/${file}.json`, "utf8"))

// biome-ignore lint/suspicious/noExplicitAny: the files' objects have any shape.
type Wire = Record<string, any>

const panel = `${everyField("AppPanel")} walked: dataAssets { dataAsset { ${everyField("DataAsset")} } }`

/** Walks a search to its end in pages, and returns its nodes by id. */
async function walk(ask: Awaited<ReturnType<typeof startGateway>>["ask"], search: string): Promise<Map<string, Wire>> {
  const nodes = new Map<string, Wire>()
  for (let after: string | null = null; ; ) {
    const { data, errors } = await ask(
      `query ($after: String) { ${search}(first: 20, after: $after) {
        nodes { ${everyField("Capsule")} appPanel { ${panel} } } pageInfo { hasNextPage endCursor }
      } }`,
      { after },
    )
    expect(errors).toBeUndefined()
    for (const node of data[search].nodes) {
      expect(nodes.has(node.id)).toBe(false)
      nodes.set(node.id, node)
    }
    if (!data[search].pageInfo.hasNextPage) return nodes
    after = data[search].pageInfo.endCursor
  }
}

withRealCapsules.each([
  { search: "searchCapsules", file: "capsules", count: 55, panels: 42 },
  { search: "searchPipelines", file: "pipelines", count: 14, panels: 12 },
])(
  "every value of all $count real $file, their app panels and data assets comes out",
  async ({ search, file, count, panels }) => {
    const { ask } = await startGateway({ sandbox: { dataFolder: folder } })
    const nodes = await walk(ask, search)
    const wire = read<Wire[]>(file)
    const wirePanels = read<Record<string, Wire>>("app_panels")
    const attachments = read<Record<string, Wire[]>>("attachments")
    const wireAssets = new Map(read<Wire[]>("data_assets").map((asset) => [asset.id, asset]))
    expect(wire).toHaveLength(count)
    expect([...nodes.keys()].sort()).toEqual(wire.map(({ id }) => id).sort())

    let withPanel = 0
    let values = 0
    for (const runnable of wire) {
      const { appPanel, ...node } = nodes.get(runnable.id) as Wire
      expect(node, runnable.name).toEqual(asGraph("Capsule", runnable))
      values += filledPlaces("Capsule", node).length
      if (wirePanels[runnable.id] === undefined) {
        expect(appPanel, runnable.name).toBeNull()
        continue
      }
      withPanel += 1
      const { walked, dataAssets, ...rest } = appPanel
      const { data_assets: named, ...wirePanel } = wirePanels[runnable.id] as Wire
      const { dataAssets: shownAssets, ...shownRest } = asGraph("AppPanel", { ...wirePanel, data_assets: named })
      expect(rest, runnable.name).toEqual(shownRest)
      // A panel that names no data assets shows those that are attached.
      const attached = dataAssets?.map(({ dataAssetId: id, mount }: Wire) => ({ id, mount })) ?? null
      if (named === undefined) expect(attached, runnable.name).toEqual(attachments[runnable.id] ?? null)
      else expect(dataAssets, runnable.name).toEqual(shownAssets)
      const shownAsset = ({ dataAssetId: id }: Wire) => ({
        dataAsset: asGraph("DataAsset", wireAssets.get(id) as Wire),
      })
      expect(walked, runnable.name).toEqual(dataAssets?.map(shownAsset) ?? null)
      values += filledPlaces("AppPanel", appPanel).length
    }
    expect(withPanel).toBe(panels)
    expect(values).toBeGreaterThan(file === "capsules" ? 3_000 : 400)
  },
)

withRealCapsules("every value of all 238 real data assets comes out", async () => {
  const { ask } = await startGateway({ sandbox: { dataFolder: folder } })
  const wire = read<Wire[]>("data_assets")
  const { data, errors } = await ask(`query ($ids: [ID!]!) { dataAssets(ids: $ids) { ${everyField("DataAsset")} } }`, {
    ids: wire.map(({ id }) => id),
  })
  expect(errors).toBeUndefined()
  expect(wire).toHaveLength(238)
  expect(data.dataAssets).toEqual(wire.map((asset) => asGraph("DataAsset", asset)))
  expect(data.dataAssets.flatMap((asset: Wire) => filledPlaces("DataAsset", asset)).length).toBeGreaterThan(238 * 8)
})
