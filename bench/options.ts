import { parseArgs } from "node:util"
import { growth, type Query, queries } from "./queries.ts"

/** A mistake on the command line. Only its message is printed. */
export class OptionError extends Error {}

export const serverNames = ["limit", "sockets", "gateway", "mercurius", "apollo", "yoga", "hive"] as const

export interface Options {
  /** The git revision to compare with. */
  compare?: string
  servers: string[]
  queries: Query[]
  rounds: number
  seconds: number
  /** Minutes. */
  soak?: number
  /** Variants of Node's flags to measure the gateway with. */
  flags?: string[]
  /** The `Accept-Encoding` header of the requests. */
  acceptEncoding?: string
}

export function readOptions(args: string[]): Options {
  const values = parse(args)
  const { compare } = values
  if (compare === "") throw new OptionError("--compare is empty: give it a git revision, such as main or HEAD~1")
  if (compare !== undefined && values.soak !== undefined)
    throw new OptionError("--compare and --soak can't be combined: leave one of them out")
  if (values.flags !== undefined && (compare ?? values.soak) !== undefined)
    throw new OptionError("--flags can't be combined with --compare or --soak: leave one of them out")
  const servers = listed("--servers", values.servers ?? (compare === undefined ? serverNames.join() : "gateway"))
  for (const name of servers) {
    if (!(serverNames as readonly string[]).includes(name))
      throw new OptionError(`--servers: no server "${name}". There are ${serverNames.join(", ")}.`)
  }
  const known = [...queries, ...growth]
  const asked = listed(
    "--queries",
    values.queries ?? (compare === undefined ? queries.map(({ name }) => name).join() : "Q1,Q2,Q3,Q4"),
  )
  const least = compare !== undefined ? 2 : values.flags !== undefined ? 1 : 0
  return {
    ...(compare !== undefined && { compare }),
    servers: values.soak === undefined ? servers : ["gateway"],
    queries: asked.map((name) => {
      const query = known.find((one) => one.name === name)
      if (query !== undefined) return query
      throw new OptionError(`--queries: no query "${name}". There are ${known.map((one) => one.name).join(", ")}.`)
    }),
    rounds: rounds(values.rounds ?? (compare === undefined ? "5" : "9"), least),
    seconds: amount("--seconds", values.seconds ?? "1"),
    ...(values["accept-encoding"] !== undefined && { acceptEncoding: values["accept-encoding"] }),
    ...(values.soak !== undefined && { soak: amount("--soak", values.soak) }),
    ...(values.flags !== undefined && { flags: values.flags }),
  }
}

function parse(args: string[]) {
  try {
    const string = { type: "string" } as const
    return parseArgs({
      args,
      options: {
        "accept-encoding": string,
        compare: string,
        flags: { ...string, multiple: true },
        queries: string,
        rounds: string,
        seconds: string,
        servers: string,
        soak: string,
      },
    }).values
  } catch (error) {
    throw new OptionError((error as Error).message)
  }
}

function listed(option: string, value: string): string[] {
  const names = [...new Set(value.split(",").map((name) => name.trim()))].filter((name) => name !== "")
  if (names.length === 0) throw new OptionError(`${option} is empty: give it names, separated by commas`)
  return names
}

function rounds(value: string, least: number): number {
  if (/^\d+$/.test(value) && Number(value) >= least) return Number(value)
  const why = least > 1 ? " in a comparison, which needs them for a confidence interval" : ""
  throw new OptionError(`--rounds must be a whole number of at least ${least}${why}, not "${value}"`)
}

function amount(option: string, value: string): number {
  const number = Number(value)
  if (value.trim() !== "" && Number.isFinite(number) && number >= 0) return number
  throw new OptionError(`${option} must be a number of at least 0, not "${value}"`)
}
