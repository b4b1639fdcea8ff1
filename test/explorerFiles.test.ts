import { beforeAll, expect, test } from "vitest"
import { buildExplorer } from "../tools/explorer.ts"
import { startGateway } from "./support/gateway.ts"

// Builds nothing if the explorer is built.
beforeAll(() => buildExplorer(), 300_000)

async function start(config: { explorer?: boolean } = { explorer: true }) {
  const { gateway, sandbox } = await startGateway({ config, explorerToken: "cop_</script><script>alert(1)</script>" })
  return { url: await gateway.listen(), sandbox }
}

const get = (url: string, headers: Record<string, string> = {}, method = "GET") =>
  fetch(url, { method, headers, redirect: "manual" })

const assetsOf = (html: string) => [...html.matchAll(/(?:src|href)="([^":]+)"/g)].map(([, path]) => path as string)

test("every path of the explorer gets its page, with a nonce of its own, a strict policy, and no cache", async () => {
  const { url } = await start()
  const nonces = new Set<string>()
  for (const path of ["", "search?q=x", "capsules/1d08ef13", "a/b/c"]) {
    const response = await get(`${url}/explorer/${path}`)
    expect(response.status).toBe(200)
    const policy = response.headers.get("content-security-policy") ?? ""
    const [, nonce = ""] = /script-src 'nonce-([^']{20,})'; style-src 'nonce-\1'/.exec(policy) ?? []
    nonces.add(nonce)
    expect(policy).toMatch(/^default-src 'none'; /)
    expect(policy).toContain("frame-ancestors 'none'")
    expect(policy).not.toContain("unsafe")
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "content-type": "text/html; charset=utf-8",
      "cache-control": "no-store",
      "referrer-policy": "no-referrer",
      "x-content-type-options": "nosniff",
    })
    const html = await response.text()
    expect(html).not.toContain("NONCE")
    for (const [tag] of html.matchAll(/<(?:script|link)[^>]*(?:src|href)="[^>]*>/g)) {
      if (!tag.includes("data:")) expect(tag).toContain(`nonce="${nonce}"`)
    }
    for (const asset of assetsOf(html)) expect((await get(new URL(asset, response.url).href)).status).toBe(200)
  }
  expect(nonces.size).toBe(4)
})

test("what the page is told can't end its block of JSON", async () => {
  const { url, sandbox } = await start()
  const html = await (await get(`${url}/explorer/`)).text()
  const [, json = ""] = /<script[^>]*id="settings"[^>]*>(.*?)<\/script>/.exec(html) ?? []
  expect(JSON.parse(json)).toEqual({
    graphiql: true,
    codeoceanUrl: `${new URL(sandbox.url).origin}/`,
    deadlineMs: 30_000,
    token: "cop_</script><script>alert(1)</script>",
  })
})

test("the explorer's files are immutable and compressed", async () => {
  const { url } = await start()
  const assets = assetsOf(await (await get(`${url}/explorer/`)).text())
  expect(assets.length).toBeGreaterThanOrEqual(2)
  for (const asset of assets) {
    const address = new URL(asset, `${url}/explorer/`).href
    const bodies: Record<string, Buffer> = {}
    for (const encoding of ["identity", "gzip", "br"]) {
      const response = await get(address, { "accept-encoding": encoding })
      expect(Object.fromEntries(response.headers)).toMatchObject({
        "cache-control": "public, max-age=31536000, immutable",
        "content-type": expect.stringMatching(/^text\/(css|javascript); charset=utf-8$/),
        "x-content-type-options": "nosniff",
        vary: "accept-encoding",
      })
      expect(response.headers.get("content-encoding")).toBe(encoding === "identity" ? null : encoding)
      bodies[encoding] = Buffer.from(await response.arrayBuffer())
    }
    // fetch has decoded them.
    expect(bodies.gzip!.equals(bodies.identity!)).toBe(true)
    expect(bodies.br!.equals(bodies.identity!)).toBe(true)
    const head = await get(address, { "accept-encoding": "br" }, "HEAD")
    const length = Number(head.headers.get("content-length"))
    expect(length).toBeLessThan(bodies.identity!.length / (bodies.identity!.length > 10_000 ? 2 : 1))
  }
})

test("a file of an earlier build is 404, and not the page", async () => {
  const { url } = await start()
  for (const name of ["index-00000000.js", "", "../../package.json", "%2e%2e/index.html"]) {
    const response = await get(`${url}/explorer/assets/${name}`)
    if (new URL(response.url).pathname.startsWith("/explorer/assets/")) expect(response.status, name).toBe(404)
    else expect([200, 404], name).toContain(response.status)
    expect(await response.text()).not.toContain('"dependencies"')
  }
})

test("/explorer leads to /explorer/, also below another path", async () => {
  const { url } = await start()
  const response = await get(`${url}/explorer`)
  expect(response.status).toBe(308)
  expect(new URL(response.headers.get("location") ?? "", "https://portal.example/codeocean/explorer").pathname).toBe(
    "/codeocean/explorer/",
  )
})

test("only reads are allowed, and without EXPLORER there is no explorer", async () => {
  const { url } = await start()
  const post = await get(`${url}/explorer/`, {}, "POST")
  expect(post.status).toBe(405)
  expect(post.headers.get("allow")).toBe("GET, HEAD")
  expect(await (await get(`${url}/explorer/`, {}, "HEAD")).text()).toBe("")
  expect((await get(`${url}/explorers`)).status).toBe(404)
  const { url: without } = await start({})
  for (const path of ["/explorer", "/explorer/"]) expect((await get(without + path)).status).toBe(404)
})
