/*
 * Patterns of app panels come from other people. Some of them take a browser exponential time, which would freeze the page: those
 * with a repetition inside a repetition, or with a back reference. They, and whatever else could be slow, are left to the gateway,
 * which checks every pattern in linear time before it starts a run, and whose problems stand at the same fields.
 */

const longestPattern = 500
const longestValue = 500
/** The time grows with the length of the value to the power of this. */
const mostRepetitions = 3

/** Whether the value certainly does not match. False if that is not known here. */
export function mismatches(pattern: string, value: string): boolean {
  if (value.length > longestValue || !isQuick(pattern)) return false
  try {
    return !new RegExp(pattern).test(value)
  } catch {
    return false
  }
}

/** Whether the time that a pattern takes is bounded by a small power of the length of the value. */
export function isQuick(pattern: string): boolean {
  if (pattern.length > longestPattern) return false
  let repetitions = 0
  let inClass = false
  /** For each open group, whether it has a repetition. */
  const groups = [false]
  for (let at = 0; at < pattern.length; at += 1) {
    const character = pattern[at]!
    let closed = false
    if (character === "\\") {
      at += 1
      if (!inClass && /[1-9k]/.test(pattern[at] ?? "")) return false
    } else if (inClass) {
      if (character !== "]") continue
      inClass = false
    } else if (character === "[") {
      inClass = true
      continue
    } else if (character === "(") {
      groups.push(false)
      continue
    } else if (character === ")") {
      closed = groups.pop() ?? false
      if (groups.length === 0) return false
      if (closed) groups[groups.length - 1] = true
    } else if ("*+?{|^$".includes(character)) continue
    const repeated = /^(?:[*+]|\{\d+(,\d*)?\})/.exec(pattern.slice(at + 1))?.[0]
    if (repeated === undefined) continue
    if (closed) return false
    groups[groups.length - 1] = true
    // A fixed number of times has one way to match.
    if (!/^\{\d+\}$/.test(repeated)) repetitions += 1
  }
  return repetitions <= mostRepetitions
}
