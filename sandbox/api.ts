import { type FileOwner, sealFile, signedForSeconds } from "./files.ts"
import { completeReleases } from "./releases.ts"
import { type Parsed, type RecordedRequest, segmentsOf } from "./request.ts"
import { type Answer, Refusal, type Route, refuse } from "./route.ts"
import type { Scope, World } from "./world.ts"

const scopeNames: Record<Scope, string> = {
  "capsules:read": "Capsule read",
  "capsules:write": "Capsule write",
  "datasets:read": "Data Asset read",
  "datasets:write": "Data Asset write",
}

/** The API of a world: its routes, behind the checks of version, token and scope. */
export function createApi(world: World, routes: Route[], { version, secret }: { version: string; secret: Buffer }) {
  const find = createRouter(routes.filter(({ since }) => since === undefined || !isOlder(version, since)))

  function respond(request: RecordedRequest, parsed: Parsed, origin: string): Answer {
    const needed = request.headers["min-server-version"]
    if (needed !== undefined) checkVersion(needed, version)
    const caller = world.access.get(tokenOf(request.headers.authorization) ?? "")
    if (!caller) return refuse(401, "a valid access token is required")
    const { route, params, allowed } = find(request.method, parsed.segments)
    if (!route) {
      if (allowed.length === 0) return { status: 404 }
      return { status: 405, headers: { allow: allowed.join(", ") } }
    }
    if (!caller.scopes.has(route.scope))
      return refuse(route.search ? 401 : 403, `the access token lacks the scope ${scopeNames[route.scope]}`)
    if (parsed.malformed) return refuse(400, "invalid request body")
    completeReleases(world)
    const sign = (owner: FileOwner, id: string, path: string, disposition: "attachment" | "inline") =>
      `${origin}/signed/${sealFile(secret, { owner, id, path, disposition, expires: world.clock.now() + signedForSeconds })}`
    if (route.method !== "GET" && !route.reads) world.revision += 1
    return route.handle({ world, caller, params, query: request.query, body: request.body, sign })
  }

  return {
    find,
    /** Carries out a request. A refusal is a response too. */
    carryOut(request: RecordedRequest, parsed: Parsed, origin: string): Answer {
      try {
        return respond(request, parsed, origin)
      } catch (error) {
        if (error instanceof Refusal) return { status: error.status, body: error.body }
        throw error
      }
    },
  }
}

function createRouter(routes: Route[]) {
  const compiled = routes.map((route) => ({ route, pattern: segmentsOf(route.path) }))
  return (method: string, segments: string[]) => {
    const fitting = compiled.filter(
      ({ pattern }) =>
        pattern.length === segments.length &&
        pattern.every((part, at) => (part.startsWith(":") ? segments[at] !== "" : part === segments[at])),
    )
    const found = fitting.find(({ route }) => route.method === method)
    const params: Record<string, string> = {}
    found?.pattern.forEach((part, at) => {
      if (part.startsWith(":")) params[part.slice(1)] = segments[at]!
    })
    return { route: found?.route, params, allowed: fitting.map(({ route }) => route.method) }
  }
}

/** The token is the user name of HTTP Basic, and the password stays empty. */
function tokenOf(authorization: string | undefined): string | undefined {
  const [, encoded] = /^basic ([a-z0-9+/=]+)$/i.exec(authorization ?? "") ?? []
  const credentials = encoded === undefined ? "" : Buffer.from(encoded, "base64").toString()
  return credentials.endsWith(":") ? credentials.slice(0, -1) : undefined
}

/** 412 to a client that needs a newer platform than this. */
function checkVersion(needed: string, version: string): void {
  if (!/^\d+(\.\d+){0,2}$/.test(needed)) refuse(400, "Min-Server-Version must be a version like 4.6.0")
  if (isOlder(version, needed)) refuse(412, `this server's version is ${version}, the client needs ${needed} or newer`)
}

/** Made once, because making it takes 11 µs. */
const versions = new Intl.Collator("en", { numeric: true })

function isOlder(version: string, needed: string): boolean {
  return versions.compare(version, needed) < 0
}
