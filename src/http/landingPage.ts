import { hash } from "node:crypto"
import type { IncomingMessage, ServerResponse } from "node:http"
import { requestIdOf } from "./clientIdentity.ts"

const style = "body { font: 16px/1.5 system-ui, sans-serif; margin: 3rem auto; max-width: 40rem; padding: 0 1rem }"

const headers = {
  "content-type": "text/html; charset=utf-8",
  "content-security-policy": `default-src 'none'; style-src 'sha256-${hash("sha256", style, "base64")}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  "cache-control": "no-store",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  vary: "Accept, Origin",
}

export type SendLandingPage = (request: IncomingMessage, response: ServerResponse) => void

/**
 * Creates the landing page for browsers. It says what this server is, but not its version.
 * @param graphiql whether GraphiQL is at the endpoint
 * @param explorer whether the explorer is served
 */
export function createLandingPage(endpoint: string, graphiql: boolean, explorer = false): SendLandingPage {
  const pageBelow = (root: string) =>
    Buffer.from(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Code Ocean GraphQL gateway</title>
<style>${style}</style>
</head>
<body>
<h1>Code Ocean GraphQL gateway</h1>
<p>This server answers GraphQL operations on the capsules, pipelines, runs and data assets of a Code Ocean deployment.
Programs send them by POST to <code>${endpoint}</code>, as JSON, with a Code Ocean access token in the header
<code>Authorization: Bearer</code>. Subscriptions are sent as server-sent events.</p>
${explorer ? `<p><a href="${root}explorer/">Open the explorer</a> to look at capsules, runs and data assets.</p>\n` : ""}${graphiql ? `<p><a href="${root}${endpoint.slice(1)}">Open GraphiQL</a> to try operations in the browser.</p>` : ""}
</body>
</html>
`)
  const page = pageBelow("./")
  const pageInFolder = pageBelow("../")
  return (request, response) => {
    // Links are relative, because a proxy may serve the gateway below a path of its own.
    const isFolder = request.url?.split("?", 1)[0]?.endsWith(`${endpoint}/`)
    const body = isFolder ? pageInFolder : page
    response.writeHead(200, {
      ...headers,
      "content-length": body.length,
      "x-request-id": requestIdOf(request.headers["x-request-id"]),
    })
    response.end(body)
  }
}
