import { type Item, type Kind, kinds, type Right, type State } from "./modelUpstream.ts"
import type { Writer } from "./writer.ts"

export const callers = ["ada", "bob"]
export const rights: readonly Right[] = ["open", "found", "forbidden", "hidden"]
let worldNumber = 0

/** Objects that refer to each other, with rights of both callers. */
export function writeState(writer: Writer, at: number): State {
  worldNumber += 1
  const counts: Record<Kind, number> = { capsules: 5, pipelines: 3, computations: 4, data_assets: 5 }
  const idOf = (kind: Kind, index: number) =>
    `${worldNumber.toString(16).padStart(8, "0")}-000${kinds.indexOf(kind)}-4000-8000-${String(index).padStart(12, "0")}`
  const someId = (...of: Kind[]) => {
    const kind = writer.oneOf(writer.chance(95) ? of : kinds)
    return idOf(kind, writer.below(counts[kind] + (writer.chance(5) ? 1 : 0)))
  }
  const right = (): Right => (writer.chance(60) ? "open" : writer.oneOf(rights))
  const runOf = Array.from({ length: counts.computations }, () => someId("capsules", "pipelines"))
  const items = new Map<string, Item>()
  for (const kind of kinds) {
    for (let index = 0; index < counts[kind]; index++) {
      const id = idOf(kind, index)
      const run = writer.below(counts.computations)
      const of = kind === "computations" ? runOf[index] : runOf[run]
      const archived = writer.chance(20)
      items.set(id, {
        id,
        kind,
        slug: String(1_000_000 + items.size),
        links: {
          one: of as string,
          release: someId("capsules"),
          original: someId("capsules"),
          several: Array.from({ length: writer.below(4) }, () =>
            idOf("data_assets", writer.below(counts.data_assets + 1)),
          ),
          run: idOf("computations", run),
          of: of as string,
        },
        version: 1,
        archived,
        rights: Object.fromEntries(callers.map((caller) => [caller, right()])),
        index: { version: 1, archived, isThere: writer.chance(90) },
      })
    }
  }
  return { at, items, faultSeed: writer.below(1_000_000), faultPercent: writer.oneOf([0, 0, 5, 30]) }
}
