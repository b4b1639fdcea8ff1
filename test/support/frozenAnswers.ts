/*
 * Requests share what upstream answered them, so nothing may ever write to it. In tests it is frozen: whoever does write to
 * it throws, in whatever test that happens.
 */
const parse = JSON.parse

JSON.parse = (text: string, reviver?: Parameters<typeof parse>[1]): unknown => {
  const value = parse(text, reviver)
  return new Error("where").stack?.includes("/src/upstream/") ? frozen(value) : value
}

function frozen(value: unknown): unknown {
  const left = [value]
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    if (typeof next !== "object" || next === null) continue
    Object.freeze(next)
    for (const inner of Object.values(next)) if (inner !== undefined) left.push(inner)
  }
  return value
}
