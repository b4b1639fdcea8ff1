/*
 * What a pattern such as /\/+$/ would do, in linear time: a pattern tries again at each of many slashes in a text's middle,
 * which takes seconds for a text of 100 KB.
 */

/** The text without this character at its end, however often it stands there. */
export function trimEnd(text: string, character: string): string {
  let end = text.length
  while (end > 0 && text[end - 1] === character) end -= 1
  return text.slice(0, end)
}

/** The text without this character at both of its ends. */
export function trim(text: string, character: string): string {
  let start = 0
  while (start < text.length && text[start] === character) start += 1
  return trimEnd(text.slice(start), character)
}
