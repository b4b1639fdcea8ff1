/*
 * Requests share the responses of upstream, so no code may change them. In tests they are frozen, and a change throws.
 */
const parse = JSON.parse

/** For the many texts that are certainly not upstream's, such as the lines of the log: to find out who parses costs more than to parse. */
export const parseUnfrozen: typeof JSON.parse = parse

JSON.parse = (text: string, reviver?: Parameters<typeof parse>[1]): unknown => {
  const value = parse(text, reviver)
  return callerOf(JSON.parse)?.includes("/src/upstream/") ? frozen(value) : value
}

/**
 * The file that called the function. Every parsed JSON needs it, so it reads one call site and not the stack's text: for
 * that, vitest looks up each of up to 100 frames in the source maps, which took a third of some tests' time.
 */
function callerOf(called: object): string | null | undefined {
  const { prepareStackTrace, stackTraceLimit } = Error
  Error.stackTraceLimit = 1
  Error.prepareStackTrace = (_error, [caller]) => caller?.getFileName()
  const holder: { stack?: string | null } = {}
  Error.captureStackTrace(holder, called as () => void)
  const { stack } = holder
  Object.assign(Error, { prepareStackTrace, stackTraceLimit })
  return stack
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
