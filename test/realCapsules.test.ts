import { existsSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { expect, test } from "vitest"
import { compare, compared, type Wire } from "./support/compare.ts"
import { startGateway } from "./support/gateway.ts"

const folder = fileURLToPath(new URL("../../shared/real-capsules", import.meta.url))
const absent = !existsSync(folder)
if (absent) console.warn(`Skipped: there are no real capsules in ${folder}.`)
const withRealCapsules = test.skipIf(absent)

const read = <T>(file: string): T => JSON.parse(readFileSync(`${folder}/${file}.json`, "utf8"))

const parameterFields =
  "name type category paramName description helpText valueType defaultValue required hidden minimum maximum pattern valueOptions"
const categoryFields = "id name description helpText"
const panelFields = `
  general { title instructions helpText }
  dataAssets { id mount name description helpText kind accessible dataAsset { ...asset } }
  categories { ${categoryFields} }
  parameters { ${parameterFields} }
  results { fileName }
  processes { name categories { ${categoryFields} } parameters { ${parameterFields} } }`
const assetFragment =
  "fragment asset on DataAsset { id created name mount lastUsed owner state type tags size fileCount description }"
const runnableFields = `
  id created name status owner slug ownerEmail lastAccessed description field tags clonedFromUrl
  article { url id doi citation state name journalName publishTime }
  versions { majorVersion } submission { commit } originalCapsule { id } releaseCapsule { id }
  appPanel { ${panelFields} }`

/** Walks a search to its end in pages, and gives its nodes by id. */
async function walk(ask: Awaited<ReturnType<typeof startGateway>>["ask"], search: string): Promise<Map<string, Wire>> {
  const nodes = new Map<string, Wire>()
  for (let after: string | null = null; ; ) {
    const { data, errors } = await ask(
      `query ($after: String) { ${search}(first: 20, after: $after) { nodes { ${runnableFields} } pageInfo { hasNextPage endCursor } } } ${assetFragment}`,
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

    const before = compared()
    let withPanel = 0
    for (const runnable of wire) {
      const node = nodes.get(runnable.id) as Wire
      compare(runnable, node, runnable.name)
      const panel = wirePanels[runnable.id]
      if (panel === undefined) {
        expect(node.appPanel, runnable.name).toBeNull()
        continue
      }
      withPanel += 1
      // A panel that names no data assets shows those that are attached.
      const attached = node.appPanel.dataAssets?.map(({ id, mount }: Wire) => ({ id, mount })) ?? null
      if (panel.data_assets === undefined) expect(attached, runnable.name).toEqual(attachments[runnable.id] ?? null)
      compare(
        panel,
        panel.data_assets ? node.appPanel : { ...node.appPanel, dataAssets: null },
        `${runnable.name} panel`,
      )
      for (const { id, dataAsset } of node.appPanel.dataAssets ?? []) {
        compare(wireAssets.get(id) as Wire, dataAsset, `${runnable.name} asset ${id}`)
      }
    }
    expect(withPanel).toBe(panels)
    expect(compared() - before).toBeGreaterThan(file === "capsules" ? 2_000 : 300)
  },
)

withRealCapsules("every value of all 238 real data assets comes out", async () => {
  const { ask } = await startGateway({ sandbox: { dataFolder: folder } })
  const wire = read<Wire[]>("data_assets")
  const { data, errors } = await ask(`query ($ids: [ID!]!) { dataAssets(ids: $ids) { ...asset } } ${assetFragment}`, {
    ids: wire.map(({ id }) => id),
  })
  expect(errors).toBeUndefined()
  expect(wire).toHaveLength(238)
  const before = compared()
  for (const [index, asset] of wire.entries()) compare(asset, data.dataAssets[index], asset.name)
  expect(compared() - before).toBeGreaterThan(238 * 8)
})
