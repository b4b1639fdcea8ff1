import { createHash } from "node:crypto"
import { readFile } from "node:fs/promises"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { promisify } from "node:util"
import { brotliCompress, gzip, constants as zlib } from "node:zlib"

/** The encodings of assets besides `identity`, the smallest first. */
export const assetEncodings = ["br", "gzip"] as const

export type Encoding = (typeof assetEncodings)[number] | "identity"

export interface Asset {
  /** The path below the assets' root: a digest of the content and the file name. The content of a path never changes. */
  path: string
  contentType: string
  /** The digest in `path`. */
  version: string
  /** Encodes the content at the first use, off the event loop. The result is cached for the life of the process. */
  body(encoding: Encoding): Promise<Uint8Array<ArrayBuffer>>
}

export type AssetName = "react.js" | "react-dom.js" | "graphiql.js" | "graphiql.css" | "browser.js"

const require = createRequire(import.meta.url)

// React and GraphiQL do not export their browser builds, only their package.json.
const inPackage = (name: string, file: string) => join(dirname(require.resolve(`${name}/package.json`)), file)
const inExplorer = (file: string) => inPackage("@graphiql/plugin-explorer", `dist/${file}`)

const own = (file: string) => join(import.meta.dirname, "browser", file)

/** The files that each asset consists of. */
const SOURCES: Record<AssetName, () => string[]> = {
  "react.js": () => [inPackage("react", "umd/react.production.min.js")],
  "react-dom.js": () => [inPackage("react-dom", "umd/react-dom.production.min.js")],
  "graphiql.js": () => [inPackage("graphiql", "graphiql.min.js"), inExplorer("index.umd.js")],
  "graphiql.css": () => [inPackage("graphiql", "graphiql.min.css"), inExplorer("style.css"), own("page.css")],
  "browser.js": () => ["execute.js", "copyAs.js", "session.js", "page.js"].map(own),
}

/** Reads the files of the page, about 1.5 MB. Rejects if one of the packages is not installed. */
export async function loadAssets(): Promise<Record<AssetName, Asset>> {
  const names = Object.keys(SOURCES) as AssetName[]
  const entries = await Promise.all(names.map(async (name) => [name, await loadAsset(name)] as const))
  return Object.fromEntries(entries) as Record<AssetName, Asset>
}

async function loadAsset(name: AssetName): Promise<Asset> {
  const files = await Promise.all(SOURCES[name]().map((file) => readFile(file, "utf8")))
  const content = Buffer.from(files.join("\n"))
  const version = createHash("sha256").update(content).digest("hex").slice(0, 16)
  const bodies = new Map<Encoding, Promise<Uint8Array<ArrayBuffer>>>()
  return {
    path: `${version}/${name}`,
    contentType: name.endsWith(".css") ? "text/css; charset=utf-8" : "text/javascript; charset=utf-8",
    version,
    body(encoding) {
      const body = bodies.get(encoding) ?? compress(content, encoding)
      bodies.set(encoding, body)
      return body
    },
  }
}

async function compress(content: Buffer<ArrayBuffer>, encoding: Encoding): Promise<Uint8Array<ArrayBuffer>> {
  switch (encoding) {
    case "identity":
      return content
    case "gzip":
      return promisify(gzip)(content)
    case "br":
      // Quality 5 takes 50 ms for these files. The best, 11, takes two seconds and saves another 5 %.
      return promisify(brotliCompress)(content, {
        params: { [zlib.BROTLI_PARAM_QUALITY]: 5, [zlib.BROTLI_PARAM_SIZE_HINT]: content.length },
      })
  }
}
