export interface SandboxOptions {
  /** 0, the default, picks a free one. */
  port?: number
  host?: string
  /** Every API response waits this long. */
  latencyMs?: number
  /** Share of API requests that fail with a 500, a 503, a 429, a reset or half a response; the same ones in every run. */
  faultRate?: number
  /** Share of API requests that take half a second longer; the same ones in every run. */
  slowRate?: number
  /** How many capsules to generate beside the seeded ones, with their runs and data assets. */
  generate?: number
  /** How many data assets of a provenance graph to generate, with their runs. */
  lineage?: number
  /** Serves this folder's objects instead of the seeded ones. */
  dataFolder?: string
  /** The platform's version, which clients' Min-Server-Version is compared with. Default: 4.8.0 */
  version?: string
  /** Leaves out the seeded objects with undocumented values, on which the official client fails. */
  documentedOnly?: boolean
}

/** All problems of the sandbox's settings, with their variables. */
export class SandboxOptionsError extends Error {
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(problems.join("\n"))
    this.name = "SandboxOptionsError"
    this.problems = problems
  }
}

/**
 * Reads SANDBOX_PORT (4100 if unset), SANDBOX_HOST, SANDBOX_DATA, SANDBOX_GENERATE, SANDBOX_LATENCY_MS, SANDBOX_FAULT_RATE and
 * SANDBOX_SLOW_RATE from an environment record; an empty value counts as unset. A sandbox that is started with these has
 * documented values only. Throws SandboxOptionsError.
 */
export function sandboxOptions(env: Record<string, string | undefined>): SandboxOptions {
  const problems: string[] = []
  const number = (name: string, fallback: number, maximum: number, whole = true) => {
    const text = env[name]?.trim()
    if (!text) return fallback
    const value = Number(text)
    const fits = /^\d+(\.\d+)?$/.test(text) && value <= maximum && (!whole || Number.isInteger(value))
    if (!fits) problems.push(`${name} must be a ${whole ? "whole " : ""}number from 0 to ${maximum}, not "${text}"`)
    return value
  }
  const dataFolder = env.SANDBOX_DATA?.trim()
  const options: SandboxOptions = {
    port: number("SANDBOX_PORT", 4100, 65_535),
    host: env.SANDBOX_HOST?.trim() || "127.0.0.1",
    generate: number("SANDBOX_GENERATE", 0, 1_000_000),
    latencyMs: number("SANDBOX_LATENCY_MS", 0, 600_000),
    faultRate: number("SANDBOX_FAULT_RATE", 0, 1, false),
    slowRate: number("SANDBOX_SLOW_RATE", 0, 1, false),
    documentedOnly: true,
    ...(dataFolder ? { dataFolder } : {}),
  }
  if (problems.length > 0) throw new SandboxOptionsError(problems)
  return options
}
