/*
 * Trimming in linear time. A pattern such as /\/+$/ is quadratic: it tries again at each slash in the middle of a text, which
 * takes seconds for 100 KB of slashes.
 */

/** Removes all repetitions of this character at the end. */
export function trimEnd(text: string, character: string): string {
  let end = text.length
  while (end > 0 && text[end - 1] === character) end -= 1
  return text.slice(0, end)
}

/** Removes all repetitions of this character at both ends. */
export function trim(text: string, character: string): string {
  let start = 0
  while (start < text.length && text[start] === character) start += 1
  return trimEnd(text.slice(start), character)
}

/** Whether one inserted, removed or replaced character, or two neighbours that change places, turns one text into the other. */
export function isOneEditAway(a: string, b: string): boolean {
  if (a === b || Math.abs(a.length - b.length) > 1) return false
  let start = 0
  while (start < a.length && a[start] === b[start]) start += 1
  const restsEqual = (skipA: number, skipB: number) => a.slice(start + skipA) === b.slice(start + skipB)
  return (
    restsEqual(1, 0) ||
    restsEqual(0, 1) ||
    restsEqual(1, 1) ||
    (a[start] === b[start + 1] && a[start + 1] === b[start] && restsEqual(2, 2))
  )
}
