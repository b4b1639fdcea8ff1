import { beforeAll, expect, test } from "vitest"
import { buildExplorer } from "../tools/explorer.ts"
import { startGateway } from "./support/gateway.ts"
import { startPathProxy } from "./support/proxy.ts"

beforeAll(() => buildExplorer(), 300_000)

const pages = [
  "/",
  "/graphql",
  "/graphql/",
  "/explorer",
  "/explorer?runs=failed",
  "/explorer/",
  "/explorer/search",
  "/explorer/search/",
  "/explorer/capsules/1d08ef13",
  "/explorer/capsules/1d08ef13/",
  "/explorer/capsules/1d08ef13/runs/2/?file=x",
]

/** Sends what a browser sends when it opens a page. */
const navigate = (url: string) => fetch(url, { headers: { accept: "text/html" } })

test.each([
  [true, ""],
  [true, "/gateway"],
  [false, ""],
  [false, "/gateway"],
])("with GraphiQL %s, below the path “%s”, every link of every page leads somewhere", async (graphiql, folder) => {
  const { gateway } = await startGateway({ config: { explorer: true, graphiql } })
  const url = folder === "" ? await gateway.listen() : await startPathProxy(await gateway.listen(), folder)
  const followed = new Set<string>()
  const titles = new Set<string | undefined>()
  for (const path of pages) {
    const page = await navigate(url + path)
    expect(page.status, path).toBe(200)
    expect(new URL(page.url).search, path).toBe(new URL(url + path).search)
    const html = await page.text()
    titles.add(/<title>(.*?)<\/title>/.exec(html)?.[1])
    for (const [, link = ""] of html.matchAll(/(?:src|href|action)="([^"]+)"/g)) {
      const target = new URL(link, page.url)
      if (target.protocol === "data:" || followed.has(target.href)) continue
      followed.add(target.href)
      expect(target.href.startsWith(`${url}/`), `${link} in ${path}`).toBe(true)
      expect((await navigate(target.href)).status, `${link} in ${path}`).toBe(200)
    }
  }
  const graphiqlPage = graphiql ? ["GraphiQL - Code Ocean GraphQL gateway"] : []
  expect(titles).toEqual(new Set(["Code Ocean GraphQL gateway", "Code Ocean explorer", ...graphiqlPage]))
  expect(followed.has(`${url}/explorer/`)).toBe(true)
  expect(followed.has(`${url}/graphql`)).toBe(graphiql)
})
