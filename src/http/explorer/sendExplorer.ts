import { randomBytes } from "node:crypto"
import type { IncomingMessage, ServerResponse } from "node:http"
import { requestIdOf } from "../clientIdentity.ts"
import { preferredEncoding } from "../compression.ts"
import { sendText } from "../respond.ts"
import { fileEncodings, readExplorer } from "./files.ts"

/** What the page is told about its gateway. Everyone who can open the page can read it. */
export interface ExplorerSettings {
  /** Whether GraphiQL is at the GraphQL endpoint. */
  graphiql: boolean
  /** Code Ocean's own pages, to link to. */
  codeoceanUrl: string
  /** The longest time that a request takes. */
  deadlineMs: number
  /** A token that signs the visitor in. For the demo only. */
  token?: string
}

export type SendExplorer = (request: IncomingMessage, response: ServerResponse) => void

/** The path of the explorer. Its page is also the answer to every path below that is not a file: the script in it has the routes. */
export const explorerRoot = "/explorer/"

/**
 * Serves the explorer from memory. The page is made for each request, because its nonce must not be guessed. Its files never
 * change under their names.
 */
export function createExplorer(folder: string, settings: ExplorerSettings): SendExplorer {
  const { page, assets } = readExplorer(folder)
  // Browsers do not execute a block of JSON. Only a `<` in its content could end the block.
  const json = JSON.stringify(settings).replaceAll("<", "\\u003c")

  return (request, response) => {
    const url = request.url ?? ""
    const [path = ""] = url.split("?", 1)
    if (!path.startsWith(explorerRoot)) {
      // Relative, because a proxy may serve the gateway below a path of its own.
      const location = `.${explorerRoot}${url.slice(path.length)}`
      response.writeHead(308, { location, "cache-control": "no-store", "content-length": 0 }).end()
      return
    }
    const name = path.slice(explorerRoot.length)
    const asset = assets.get(name)
    if (asset !== undefined) {
      const encoding = preferredEncoding(request.headers["accept-encoding"], fileEncodings)
      const body = asset.bodies[encoding]
      response.writeHead(200, {
        "content-type": asset.contentType,
        "content-length": body.length,
        ...(encoding !== "identity" && { "content-encoding": encoding }),
        "cache-control": "public, max-age=31536000, immutable",
        "x-content-type-options": "nosniff",
        vary: "accept-encoding",
      })
      response.end(body)
    } else if (name.startsWith("assets/")) {
      sendText(request, response, { status: 404, message: "Not found. The explorer has been updated: load it again." })
    } else {
      const nonce = randomBytes(16).toString("base64")
      const root = "../".repeat(name.split("/").length - 1) || "./"
      const body = Buffer.from(
        page
          .replaceAll("./assets/", `${root}assets/`)
          .replaceAll("NONCE", nonce)
          .replace("{}", () => json),
      )
      response.writeHead(200, {
        "content-type": "text/html; charset=utf-8",
        "content-length": body.length,
        "content-security-policy": contentSecurityPolicy(nonce),
        "cache-control": "no-store",
        "cross-origin-opener-policy": "same-origin",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "x-request-id": requestIdOf(request.headers["x-request-id"]),
      })
      response.end(body)
    }
  }
}

function contentSecurityPolicy(nonce: string): string {
  return [
    "default-src 'none'",
    // Modules that a script with the nonce imports have it too.
    `script-src 'nonce-${nonce}'`,
    `style-src 'nonce-${nonce}'`,
    // Images of results are read with the session, which an address of an image could not send.
    "img-src 'self' data: blob:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ")
}
