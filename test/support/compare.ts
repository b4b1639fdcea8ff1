import { expect } from "vitest"

/** An object as the wire has it, or as the graph shows it. */
// biome-ignore lint/suspicious/noExplicitAny: objects of any shape are walked key by key.
export type Wire = Record<string, any>

const camel = (key: string) => key.replace(/_(\w)/g, (_match, letter: string) => letter.toUpperCase())
const times = new Set([
  "created",
  "last_used",
  "last_accessed",
  "last_transferred",
  "publish_time",
  "release_time",
  "timestamp",
  "verified_timestamp",
])
/** Times at which 0 means never. */
const neverAtZero = new Set(["last_used", "last_accessed"])
const enums = new Set(["status", "state", "type", "kind", "end_status", "origin"])
/** Texts in which "" is a value; in all others it means that there is none. */
const emptyTexts = new Set(["default_value", "value"])
/** Bare ids that the graph shows as the objects they name. */
const edges = new Map([
  ["capsule_id", "capsule"],
  ["release_capsule", "releaseCapsule"],
  ["verification_capsule", "verificationCapsule"],
  ["capsule", "capsule"],
  ["computation", "computation"],
])

/** The value as the graph must show it. */
function shown(key: string, value: unknown): unknown {
  if (value === null || (value === "" && !emptyTexts.has(key))) return null
  if (neverAtZero.has(key) && value === 0) return null
  if (key === "size") return Number(value)
  if (key === "run_time") return Math.trunc(Number(value))
  if (edges.has(key)) return { id: value }
  if (times.has(key)) return new Date(Number(value) * 1000).toISOString()
  if (enums.has(key)) return String(value).toUpperCase()
  return value
}

let count = 0

/** How many values were compared so far, so that a comparison can't silently shrink to nothing. */
export function compared(): number {
  return count
}

/** Compares everything that the wire's object holds with the graph's, and what it lacks with null. */
export function compare(wire: Wire, graph: Wire, path: string): void {
  for (const [key, value] of Object.entries(wire)) {
    const at = `${path}.${key}`
    const answer = graph[edges.get(key) ?? camel(key)]
    if (key === "custom_metadata" && value) {
      expect(Object.fromEntries(answer.map((entry: Wire) => [entry.key, entry.value])), at).toEqual(value)
      count += 1
    } else if (key === "data_assets" && typeof value?.[0] === "string") {
      expect(answer, at).toEqual(value.map((id: string) => ({ id })))
      count += 1
    } else if (Array.isArray(value) && typeof value[0] === "object") {
      expect(answer, at).toHaveLength(value.length)
      for (const [index, item] of value.entries()) compare(item, answer[index], `${at}[${index}]`)
    } else if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      compare(value, answer, at)
    } else {
      expect(answer, at).toEqual(shown(key, value))
      count += 1
    }
  }
  const sent = new Set(Object.keys(wire).map((key) => edges.get(key) ?? camel(key)))
  for (const [key, value] of Object.entries(graph)) {
    // What the gateway adds to an object: its panel, and what a listed id leads to.
    if (!sent.has(key) && !["appPanel", "dataAsset", "capsule"].includes(key))
      expect(value, `${path}.${key}`).toBeNull()
  }
}
