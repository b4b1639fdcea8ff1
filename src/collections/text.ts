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
