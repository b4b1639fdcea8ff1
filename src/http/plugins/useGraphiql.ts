import { createHash, randomBytes } from "node:crypto"
import type { Plugin } from "graphql-yoga"
import { isNavigation } from "../accept.ts"
import { preferredEncoding } from "../compression.ts"
import { type Asset, type AssetName, assetEncodings, loadAssets } from "../graphiql/assets.ts"

/** An operation that GraphiQL opens in its own tab. The tab's title is the operation's name. */
export interface Example {
  query: string
  variables?: Record<string, unknown>
}

export interface GraphiqlOptions {
  /** The path of the GraphQL endpoint, which also serves the page. */
  endpoint: string
  examples: Example[]
  /** Whether a visitor can sign in. Otherwise the token is in the headers editor. */
  sessions?: boolean
  /** A token that everyone who can open the page is signed in with, or has in the headers editor. For the demo only. */
  token?: string | undefined
}

type Assets = Record<AssetName, Asset>

/**
 * Serves GraphiQL to browsers that navigate to the endpoint, and its scripts and styles below the endpoint. Other requests pass
 * through. The page loads nothing from other hosts. Yoga's own `graphiql` must be disabled.
 */
export function useGraphiql({ endpoint, examples, sessions = false, token = "" }: GraphiqlOptions): Plugin {
  const assetRoot = `${endpoint}/graphiql/`
  const settings = JSON.stringify({
    examples,
    sessions,
    token,
    storage: `codeocean-${digest(JSON.stringify(examples))}`,
  })
  let loading: Promise<Assets> | undefined
  const assets = () => {
    loading ??= loadAssets()
    return loading
  }

  return {
    onRequest({ request, url, fetchAPI, endResponse }) {
      if (request.method !== "GET" && request.method !== "HEAD") return
      const respond = ({ status, headers, body }: PageResponse) =>
        endResponse(new fetchAPI.Response(request.method === "HEAD" ? null : body, { status, headers }))

      if (url.pathname.startsWith(assetRoot)) {
        const path = url.pathname.slice(assetRoot.length)
        return assets()
          .then((known) => assetResponse(known, path, request.headers))
          .then(respond)
      }
      const isEndpoint = url.pathname === endpoint || url.pathname === `${endpoint}/`
      if (isEndpoint && isNavigation(Object.fromEntries(request.headers))) {
        return assets().then((known) => respond(pageResponse(known, relativeRoot(url.pathname), settings)))
      }
    },
  }
}

interface PageResponse {
  status: number
  headers: Record<string, string>
  body: Uint8Array<ArrayBuffer> | string | null
}

/** Serves only paths in `assets`, so path traversal is impossible. */
async function assetResponse(assets: Assets, path: string, request: Headers): Promise<PageResponse> {
  const asset = Object.values(assets).find((asset) => asset.path === path)
  if (asset === undefined) return { status: 404, headers: { "cache-control": "no-store" }, body: null }

  const encoding = preferredEncoding(request.get("accept-encoding") ?? undefined, assetEncodings)
  const headers: Record<string, string> = {
    "cache-control": "public, max-age=31536000, immutable",
    etag: `"${asset.version}-${encoding}"`,
    vary: "accept-encoding",
  }
  if (isCached(request.get("if-none-match"), headers.etag ?? "")) return { status: 304, headers, body: null }

  const body = await asset.body(encoding)
  headers["content-type"] = asset.contentType
  headers["content-length"] = String(body.byteLength)
  headers["x-content-type-options"] = "nosniff"
  if (encoding !== "identity") headers["content-encoding"] = encoding
  return { status: 200, headers, body }
}

/** Whether an If-None-Match header has this tag. Proxies that compress or decompress mark tags as weak. */
function isCached(header: string | null, etag: string): boolean {
  if (header === null) return false
  return header.trim() === "*" || header.split(",").some((tag) => tag.trim().replace(/^W\//, "") === etag)
}

function pageResponse(assets: Assets, root: string, settings: string): PageResponse {
  const nonce = randomBytes(16).toString("base64")
  return {
    status: 200,
    headers: {
      "content-type": "text/html; charset=utf-8",
      "content-security-policy": contentSecurityPolicy(nonce),
      "cache-control": "no-store",
      "referrer-policy": "no-referrer",
      "x-content-type-options": "nosniff",
    },
    body: page(assets, root, settings, nonce),
  }
}

function contentSecurityPolicy(nonce: string): string {
  return [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    `style-src 'nonce-${nonce}'`,
    // GraphiQL's style sheet embeds its fonts and images, and the page its icon, as data URLs.
    "font-src data:",
    "img-src data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ")
}

const ICON =
  "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 8 8'><circle cx='4' cy='4' r='4' fill='%230a6bc9'/></svg>"

function page(assets: Assets, root: string, settings: string, nonce: string): string {
  const script = (name: AssetName) => `<script nonce="${nonce}" defer src="${root}${assets[name].path}"></script>`
  // Browsers do not execute a block of JSON. Only a `<` in its content could end the block.
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>GraphiQL - Code Ocean GraphQL gateway</title>
<link rel="icon" href="${ICON}">
<link nonce="${nonce}" rel="stylesheet" href="${root}${assets["graphiql.css"].path}">
<style nonce="${nonce}">body { margin: 0 } #graphiql { height: 100vh; height: 100dvh }</style>
<script id="settings" type="application/json">${settings.replaceAll("<", "\\u003c")}</script>
${script("react.js")}
${script("react-dom.js")}
${script("graphiql.js")}
${script("browser.js")}
</head>
<body>
<div id="graphiql"><noscript>GraphiQL needs JavaScript.</noscript></div>
</body>
</html>
`
}

/** The assets' root relative to the page. A proxy may serve the endpoint under another prefix. */
function relativeRoot(pathname: string): string {
  return pathname.endsWith("/") ? "graphiql/" : `${pathname.slice(pathname.lastIndexOf("/") + 1)}/graphiql/`
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16)
}
