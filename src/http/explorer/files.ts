import { existsSync, readdirSync, readFileSync } from "node:fs"
import { extname, join } from "node:path"

/** The encodings that the build writes beside each file, the smallest first. */
export const fileEncodings = ["br", "gzip"] as const

export type FileEncoding = (typeof fileEncodings)[number] | "identity"

export interface ExplorerFile {
  contentType: string
  bodies: Readonly<Record<FileEncoding, Buffer>>
}

export interface ExplorerFiles {
  /** The page, with places for the nonce, the settings and the way to the root. */
  page: string
  /** All other files by their path below the explorer. Their names contain a digest of their content. */
  assets: ReadonlyMap<string, ExplorerFile>
}

/** Where `npm run build` in `explorer/` puts its files. */
export const builtExplorer = join(import.meta.dirname, "../../../explorer/dist")

const contentTypes: Readonly<Record<string, string>> = {
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
}

/** Reads all files of the built explorer, about 2 MB with their compressed forms. Throws if it is not built. */
export function readExplorer(folder: string): ExplorerFiles {
  const page = join(folder, "index.html")
  if (!existsSync(page)) {
    throw new Error(
      `EXPLORER is true, but the explorer is not built: ${page} is missing. Build it with: npm run explorer`,
    )
  }
  const assets = new Map<string, ExplorerFile>()
  for (const name of readdirSync(join(folder, "assets"))) {
    const contentType = contentTypes[extname(name)]
    if (contentType === undefined) continue
    const read = (suffix: string) => readFileSync(join(folder, "assets", name + suffix))
    assets.set(`assets/${name}`, { contentType, bodies: { identity: read(""), gzip: read(".gz"), br: read(".br") } })
  }
  return { page: readFileSync(page, "utf8"), assets }
}
