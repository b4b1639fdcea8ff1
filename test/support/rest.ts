import { onTestFinished } from "vitest"
import type { SandboxOptions } from "../../sandbox/options.ts"
import { tokens } from "../../sandbox/seed.ts"
import { type Sandbox, startSandbox } from "../../sandbox/server.ts"

export interface RestAnswer {
  status: number
  headers: Headers
  text: string
  /** The parsed JSON; undefined if the text is not JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: the wire is what these tests are about
  json: any
}

export interface RestCall {
  query?: Record<string, string>
  body?: unknown
  token?: string | undefined
  headers?: Record<string, string>
  signal?: AbortSignal
}

export type Rest = (methodAndPath: string, call?: RestCall) => Promise<RestAnswer>

/** Plain HTTP to a deployment: `rest("GET /capsules/ID")`, authorized as by the client libraries. */
export function restAt(url: string, defaultToken: string): Rest {
  return async (methodAndPath, { query = {}, body, token = defaultToken, headers = {}, signal } = {}) => {
    const [method, path] = methodAndPath.split(" ", 2) as [string, string]
    const search = Object.keys(query).length > 0 ? `?${new URLSearchParams(query)}` : ""
    const response = await fetch(`${url}/api/v1${path}${search}`, {
      method,
      headers: {
        ...(token === "" ? {} : { authorization: `Basic ${btoa(`${token}:`)}` }),
        "content-type": "application/json",
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
      ...(signal === undefined ? {} : { signal }),
    })
    const text = await response.text()
    return { status: response.status, headers: response.headers, text, json: parsed(text) }
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** A sandbox that ends with the test, and plain HTTP to it as Ada. */
export async function startRest(options?: SandboxOptions): Promise<{ sandbox: Sandbox; rest: Rest }> {
  const sandbox = await startSandbox(options)
  onTestFinished(() => sandbox.close())
  return { sandbox, rest: restAt(sandbox.url, tokens.ada) }
}
