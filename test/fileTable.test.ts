import { expect, test } from "vitest"
import { csvOf, tableOf } from "../explorer/src/pages/readFile/tableOf.ts"

const item = (name: string, text: string, isWhole = true) => ({ id: `id of ${name}`, name, text, isWhole })

test("files that are JSON objects have a column for each value, and those without the value an empty cell", () => {
  const { columns, rows } = tableOf([
    item("first", '{"processing": {"name": "Sorting", "units": 214}, "tags": ["a", "b"]}'),
    item("second", '{"processing": {"name": "Counting"}, "note": null, "a": {"b": {"c": {"d": 1}}}}'),
  ])
  expect(columns).toEqual(["processing.name", "processing.units", "tags", "note", "a.b.c"])
  expect(rows.map(({ values }) => values)).toEqual([
    ["Sorting", "214", '["a","b"]', "", ""],
    ["Counting", "", "", "null", '{"d":1}'],
  ])
})

test.each([
  ["a text", item("other", "# Stained sections\n")],
  ["a JSON list", item("other", "[1, 2]")],
  ["an object that is cut off", item("other", '{"a": 1}', false)],
])("one file that is %s makes all of them texts", (_what, other) => {
  const { columns, rows } = tableOf([item("first", '{"a": 1}'), other])
  expect(columns).toEqual([])
  expect(rows.map(({ values }) => values)).toEqual([['{"a": 1}'], [other.text]])
})

test("names of values that every object inherits are columns like others", () => {
  const { columns, rows } = tableOf([item("first", '{"__proto__": 1, "constructor": "x"}'), item("second", "{}")])
  expect(columns).toEqual(["__proto__", "constructor"])
  expect(rows[1]?.values).toEqual(["", ""])
})

test("the CSV quotes every cell, and no text in it is a formula for a spreadsheet", () => {
  const table = tableOf([item('=HYPERLINK("x")', '{"a,b": "line\\nbreak", "n": -5, "f": "-5+cmd", "g": "@x"}')])
  expect(csvOf(table)).toBe(
    `"id","name","a,b","n","f","g"\r\n"id of =HYPERLINK(""x"")","'=HYPERLINK(""x"")","line\nbreak","-5","'-5+cmd","'@x"\r\n`,
  )
})
