/**
 * Texts on which a careless pattern, split or search takes quadratic time or worse. Each ends with another character than
 * it begins with, so that a match fails at the end.
 */
export function hostileTexts(length: number): Record<string, string> {
  const units = {
    slashes: "/",
    suggestions: " Did you mean ",
    "questions in suggestions": " Did you mean ?",
    "nested quantifiers": "(a+)+$",
    letters: "a",
    quotes: '"',
    apostrophes: "'",
    backslashes: "\\",
    "line breaks": "\n",
    braces: "{[(",
    "combining characters": "e\u0301\u0323",
    emoji: "\u{1f52c}",
    "percent escapes": "%2e%2F",
    "parent folders": "../",
    digits: "1",
    spaces: " ",
    tabs: "\t",
    dots: ".",
    commas: ",",
    colons: ":",
    hyphens: "-",
    "base64 padding": "=",
    "control characters": "\u0000",
    "long s, which has two lower cases": "\u017f\u0130",
  }
  return Object.fromEntries(
    Object.entries(units).map(([name, unit]) => [name, `${unit.repeat(Math.floor(length / unit.length))}x`]),
  )
}
