import { isIP } from "node:net"
import { type Dispatcher, EnvHttpProxyAgent, Pool } from "undici"
import { ProxyError, unreachableReason } from "./unreachable.ts"

/** The proxies of the environment. */
export interface Proxies {
  /** For https addresses. If undefined, `http` is for these too. */
  https: URL | undefined
  http: URL | undefined
  /** The hosts that are reached without a proxy, separated by commas. */
  except: string
}

/**
 * Creates an agent that connects through the proxies, always by CONNECT. So a proxy cannot read requests to https, and a response
 * of the proxy is never mistaken for one of upstream. No header of a request reaches the proxy, and no credential of the proxy
 * appears in an error.
 * @param options.settings of the connections, as for `Agent`. `connect` is for connections without a proxy.
 * @param options.resolve returns the host to request from the proxy in place of this one. Rejects if it is forbidden.
 */
export function createProxyAgent(options: {
  proxies: Proxies
  connectTimeoutMs: number
  settings: Omit<EnvHttpProxyAgent.Options, "clientFactory" | "proxyTunnel">
  resolve?: (host: string) => Promise<string>
}): EnvHttpProxyAgent {
  const { proxies, connectTimeoutMs, settings, resolve } = options
  return new EnvHttpProxyAgent({
    ...settings,
    // Without these, undici would read them from the environment itself.
    httpProxy: proxies.http?.href ?? "",
    httpsProxy: proxies.https?.href ?? "",
    noProxy: proxies.except,
    proxyTunnel: true,
    connectTimeout: connectTimeoutMs,
    clientFactory: (proxy, clientOptions) => createTunnels(proxy, clientOptions, connectTimeoutMs, resolve),
  })
}

/** The connections to a proxy. A tunnel that is not made rejects with a ProxyError. */
function createTunnels(
  proxy: URL,
  clientOptions: object,
  connectTimeoutMs: number,
  resolve: ((host: string) => Promise<string>) | undefined,
): Pool {
  // A proxy that accepts connections and never answers fails in time too.
  const pool = new Pool(proxy.origin, { ...clientOptions, headersTimeout: connectTimeoutMs, allowH2: false })
  const connect: (tunnel: Dispatcher.ConnectOptions) => Promise<Dispatcher.ConnectData> = pool.connect.bind(pool)
  // For a proxy by its IP address, undici asks for TLS with that address as the server's name, which Node rejects.
  const withoutServerName = isIP(proxy.hostname.replace(/^\[(.*)\]$/, "$1")) > 0 ? { servername: "" } : {}
  const openTunnel = async (tunnel: Dispatcher.ConnectOptions) => {
    const [, host = "", port = ""] = /^(.*):(\d+)$/.exec(tunnel.path) ?? []
    const path = resolve === undefined ? tunnel.path : `${await resolve(host)}:${port}`
    const data = await connect({ ...tunnel, ...withoutServerName, path }).catch((error: unknown) => {
      throw new ProxyError(proxy.host, `the proxy ${problemOf(error)}`, error)
    })
    // With bytes that no request has asked for, undici would connect again and again, hundreds of times a second.
    const isTunnel = data.statusCode === 200 && data.socket.readableLength === 0
    if (isTunnel) return data
    data.socket.on("error", () => {}).destroy()
    throw new ProxyError(
      proxy.host,
      `the proxy ${refusals[data.statusCode] ?? "refuses the connection"} (${data.statusCode})`,
    )
  }
  return Object.assign(pool, { connect: openTunnel })
}

const refusals: Readonly<Record<number, string>> = {
  200: "sends a response of its own in place of the connection",
  403: "does not allow the connection",
  407: "requires a user name and password, or does not accept the given ones",
  502: "can't reach it",
  503: "can't reach it",
  504: "got no response from it",
}

function problemOf(error: unknown): string {
  const { code = "" } = error as NodeJS.ErrnoException
  if (/TIMEOUT/.test(code)) return "does not answer in time"
  const reason = unreachableReason(error)
  return reason === undefined ? "can't be reached" : `can't be reached: ${reason}`
}
