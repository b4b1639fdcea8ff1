import { registerHooks } from "node:module"

/*
 * Requests share the responses of upstream, so no code may change them. In tests they are frozen, and a change throws. The files of
 * `src/upstream/` are loaded with another function in the place of JSON.parse, so that no other JSON is frozen.
 */
const upstream = new URL("../../src/upstream/", import.meta.url).href

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context)
    if (!url.startsWith(upstream)) return loaded
    const text = new TextDecoder().decode(loaded.source as Uint8Array)
    return { ...loaded, source: text.replaceAll("JSON.parse(", "parseFrozen(") }
  },
})

const parseFrozen: typeof JSON.parse = (text, reviver) => frozen(JSON.parse(text, reviver))
Object.assign(globalThis, { parseFrozen })

function frozen(value: unknown): unknown {
  const left = [value]
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    if (typeof next !== "object" || next === null) continue
    Object.freeze(next)
    for (const inner of Object.values(next)) if (inner !== undefined) left.push(inner)
  }
  return value
}
