import { isIPv6 } from "node:net"
import { safeParse } from "valibot"
import { isOneEditAway } from "../collections/text.ts"
import type { Manifest } from "../operation/persisted/manifest.ts"
import { shown } from "./kinds.ts"
import { clients, operations } from "./limits.ts"
import { outsideProduction, type Row, type Rows, type Values } from "./row.ts"
import {
  agents,
  cache,
  essential,
  features,
  groups,
  network,
  removed,
  replicas,
  settings,
  upstream,
} from "./settings.ts"

type Environment = Readonly<Record<string, string | undefined>>

export interface OperationLimits extends Values<typeof operations> {}

/** The settings in force. Times are milliseconds. The table has the meaning of each. */
export interface Config
  extends Values<typeof essential>,
    Values<typeof features>,
    Values<typeof agents>,
    Values<typeof network>,
    Values<typeof clients>,
    Values<typeof upstream>,
    Values<typeof replicas>,
    Values<typeof cache> {
  readonly limits: OperationLimits
  /** The content of `persistedOperationsFile`. */
  readonly persistedOperations: Manifest | undefined
}

/** Host names of this machine that other machines cannot reach. */
export const loopback = /^(localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])$/

/** Whether only programs on this machine can connect to the gateway. */
export function listensLocally({ host }: Pick<Config, "host">): boolean {
  return host === "::1" || loopback.test(host)
}

/** Returns a sentence for each setting that is valid but may be a mistake. */
export function warningsOf(config: Config, environment: Environment): string[] {
  const warnings: string[] = []
  if (config.codeoceanToken !== undefined && !listensLocally(config)) {
    warnings.push(
      `CODEOCEAN_TOKEN is set and HOST is ${config.host}: everyone who reaches port ${config.port} acts as that token. If this is not intended, remove CODEOCEAN_TOKEN or set HOST=127.0.0.1.`,
    )
  }
  if (config.explorer && config.sessionSecrets === undefined) {
    warnings.push("EXPLORER is true, but nobody can sign in to the explorer: set SESSION_SECRETS.")
  }
  const set = withoutEmpty(environment)
  const ignored = Object.keys(removed).filter((name) => set[name] !== undefined)
  if (ignored.length > 0) {
    warnings.push(
      `These variables are no longer settings and are ignored (the values that are used are in parentheses): ${ignored.map((name) => `${name} (${removed[name]})`).join(", ")}. Remove them.`,
    )
  }
  if (config.mcp && !listensLocally(config) && config.allowedHosts.length === 0) {
    warnings.push(
      `MCP is set, HOST is ${config.host}, and ALLOWED_HOSTS is empty: requests of other machines to /mcp are rejected. Set ALLOWED_HOSTS to the host names by which they reach the gateway.`,
    )
  }
  const unreadable = config.noProxy.split(/[,\s]+/).filter((entry) => entry !== "" && !isNoProxyEntry(entry))
  if (unreadable.length > 0) {
    warnings.push(
      `NO_PROXY contains ${unreadable.map(shown).join(", ")}, which is ignored: ranges of addresses, patterns and URLs are not supported. Write hosts, such as example.org or 10.1.2.3.`,
    )
  }
  for (const [name, meant] of misspelt(set)) {
    warnings.push(`The variable ${name} is not a setting and is ignored. Did you mean ${meant}?`)
  }
  return warnings
}

/** Whether NO_PROXY can hold this entry: all hosts, a host, its subdomains alone, or an IPv6 address; each may have a port. */
function isNoProxyEntry(entry: string): boolean {
  const [, inBrackets] = /^\[([^\]]*)\](:\d+)?$/.exec(entry) ?? []
  const host = entry.replace(/^\*?\./, "")
  return /^\*(:\d+)?$/.test(entry) || /^[^/*:[\]]+(:\d+)?$/.test(host) || isIPv6(inBrackets ?? entry)
}

/** The variables whose names are nearly that of a setting, with the name of the setting. */
function misspelt(set: Environment): [name: string, meant: string][] {
  return Object.keys(set).flatMap((name) => {
    const meant = settingMeantBy(name)
    return meant === undefined ? [] : [[name, meant]]
  })
}

/** Settings of other programs that only look like misspelt ones. */
const otherPrograms: ReadonlySet<string> = new Set(["HOSTS", "POST", "PORTS", "COST", "SORT"])

/** Prefixes with which a setting may be written by mistake. Kubernetes itself sets such variables that end with HOST and PORT. */
const mistakenPrefix = /^(CODE_?OCEAN|GATEWAY|CODE_?OCEAN_GATEWAY)_(?!(HOST|PORT)$)/

/** The setting whose name differs from this variable's name only by one letter, by case, or by a prefix. */
function settingMeantBy(name: string): string | undefined {
  if (isKnown(name) || Object.hasOwn(removed, name) || otherPrograms.has(name)) return undefined
  const capitals = name.toUpperCase()
  const unprefixed = capitals.replace(mistakenPrefix, "")
  const names = settings.map((setting) => setting.name)
  return (
    names.find((known) => known === capitals || known === unprefixed) ??
    names.find((known) => isOneEditAway(known, capitals))
  )
}

function isKnown(name: string): boolean {
  return groups.some(([, rows]) => Object.values(rows).some((row) => row.name === name || row.alias === name))
}

/** Checks rules between settings. It reads the environment, so that a malformed setting does not hide other problems. */
function problemsBetween(env: Environment): string[] {
  const problems: string[] = []
  if (env.PERSISTED_OPERATIONS_ONLY === "true" && env.PERSISTED_OPERATIONS === undefined) {
    problems.push("PERSISTED_OPERATIONS_ONLY would reject every operation: set PERSISTED_OPERATIONS to a file")
  }
  if (env.METRICS_PORT !== undefined && env.METRICS_PORT !== "0" && env.METRICS_PORT === (env.PORT ?? "4000")) {
    problems.push("METRICS_PORT must be another port than PORT")
  }
  if (env.NODE_ENV !== "production") return problems
  const url = URL.parse(env.CODEOCEAN_URL ?? "")
  if (url?.protocol === "http:" && !loopback.test(url.hostname)) {
    problems.push("CODEOCEAN_URL must be https in production, otherwise tokens would be sent unencrypted")
  }
  if (env.REDIS_URL !== undefined && /[1-9]/.test(env.CACHE_TTL_SECONDS ?? "") && env.CACHE_SECRET === undefined) {
    problems.push("CACHE_SECRET is required in production if CACHE_TTL_SECONDS keeps responses in Redis")
  }
  if (env.CODEOCEAN_TOKEN !== undefined && env.CODEOCEAN_TOKEN_IN_PRODUCTION !== "true") {
    problems.push(
      "CODEOCEAN_TOKEN lets everyone who reaches the gateway act as that token: remove it, or set CODEOCEAN_TOKEN_IN_PRODUCTION=true if this is intended",
    )
  }
  return problems
}

/** Thrown by readConfig. Each of the `problems` is a sentence that begins with the variable's name. */
export class ConfigError extends Error {
  readonly problems: readonly string[]
  constructor(problems: readonly string[]) {
    super(`The settings can't be used:\n${problems.map((problem) => `  - ${problem}`).join("\n")}`)
    this.name = "ConfigError"
    this.problems = problems
  }
}

/**
 * Reads the settings from environment variables. An empty value counts as unset.
 * @param readManifest reads the file of persisted operations; throws an Error whose message follows the setting's name
 * @throws ConfigError that names every problem at once; no message repeats a token
 */
export function readConfig(
  environment: Environment,
  readManifest: (path: string) => Manifest = () => {
    throw new Error("cannot be read here: readConfig was called without readManifest")
  },
): Config {
  const env = withoutEmpty(environment)
  const problems: string[] = []
  const values = <Group extends Rows>(rows: Group) => valuesOf(rows, env, problems)
  const config = {
    ...values(essential),
    ...values(features),
    ...values(agents),
    ...values(network),
    ...values(clients),
    ...values(upstream),
    ...values(replicas),
    ...values(cache),
    limits: values(operations),
  }
  const persistedOperations = manifestIn(config.persistedOperationsFile, readManifest, problems)
  problems.push(...problemsBetween(env))
  if (problems.length > 0) {
    // The missing setting may be the misspelt one.
    for (const [name, meant] of misspelt(env))
      problems.push(`${name} is not a setting and is ignored. Did you mean ${meant}?`)
    throw new ConfigError(problems)
  }
  return { ...config, persistedOperations }
}

function withoutEmpty(environment: Environment): Environment {
  return Object.fromEntries(Object.entries(environment).filter(([, value]) => value?.trim()))
}

/** The group's part of Config. It is complete only if no problem was added. */
function valuesOf<Group extends Rows>(rows: Group, env: Environment, problems: string[]): Values<Group> {
  const values: Record<string, unknown> = {}
  for (const [key, { name: usualName, alias, kind, default: byDefault }] of Object.entries<Row>(rows)) {
    const name = alias !== undefined && env[alias] !== undefined ? alias : usualName
    const text = env[name] ?? (byDefault === outsideProduction ? env.NODE_ENV !== "production" : byDefault)?.toString()
    const { output, issues = [] } = safeParse(kind, text)
    values[key] = output
    for (const { message } of issues) problems.push(`${name} ${message}`)
  }
  return values as Values<Group>
}

function manifestIn(
  path: string | undefined,
  readManifest: (path: string) => Manifest,
  problems: string[],
): Manifest | undefined {
  if (path === undefined) return undefined
  try {
    return readManifest(path)
  } catch (error) {
    problems.push(`PERSISTED_OPERATIONS ${(error as Error).message}`)
    return undefined
  }
}
