/*
 * Requests share the responses of upstream, so no code may change them. In tests they are frozen, and a change throws.
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
