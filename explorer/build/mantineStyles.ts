import { globSync, readdirSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import type { Plugin } from "vite"

/*
 * The styles of the components that are used. All of Mantine's would be 37 kB, compressed, of which most pages need a third. The
 * list is made from the imports in `src/`, so that nobody has to keep it.
 */

const name = "virtual:mantine.css"
const mantine = join(import.meta.dirname, "../node_modules/@mantine/core")
const always = ["default-css-variables", "baseline", "global"]

const read = (path: string): string => readFileSync(path, "utf8")
const classesIn = (text: string): string[] => text.match(/\bm_[0-9a-f]{6,8}\b/g) ?? []

export function mantineStyles(source: string): Plugin {
  return {
    name: "mantine-styles",
    resolveId: (id) => (id === name ? `\0${name}` : undefined),
    load: (id) => (id === `\0${name}` ? styles(source) : undefined),
  }
}

function styles(source: string): string {
  const used = new Set(componentFiles(namesIn(source)).flatMap((file) => classesIn(read(file))))
  const folder = join(mantine, "styles")
  // Mantine's order, in which later components override those that they consist of.
  const order = new Map(classesIn(read(join(mantine, "styles.layer.css"))).map((text, index) => [text, index]))
  const sheets = readdirSync(folder)
    .filter((file) => /^[A-Z].*\.layer\.css$/.test(file))
    .map((file) => ({ text: read(join(folder, file)), classes: classesIn(read(join(folder, file))) }))
    .filter(({ classes }) => classes.some((text) => used.has(text)))
    .map(({ text, classes }) => ({ text, position: Math.min(...classes.map((known) => order.get(known) ?? 0)) }))
    .toSorted((a, b) => a.position - b.position)
  return [...always.map((file) => read(join(folder, `${file}.layer.css`))), ...sheets.map(({ text }) => text)].join(
    "\n",
  )
}

/** What the sources import from Mantine, without types. */
function namesIn(source: string): string[] {
  return globSync("**/*.{ts,tsx}", { cwd: source }).flatMap((path) =>
    [...read(join(source, path)).matchAll(/import \{([^}]*)\} from "@mantine\/core"/g)].flatMap(([, list = ""]) =>
      list
        .split(",")
        .map((item) => item.trim())
        .filter((item) => item !== "" && !item.startsWith("type ")),
    ),
  )
}

/** The files of these components and of all components that they consist of. */
function componentFiles(names: readonly string[]): string[] {
  const index = join(mantine, "esm/index.mjs")
  const wanted = new Set(names)
  const files = new Set<string>()
  const visit = (file: string) => {
    if (files.has(file)) return
    files.add(file)
    for (const [, path = ""] of read(file).matchAll(/from "(\.[^"]*)"/g)) visit(join(dirname(file), path))
  }
  for (const [, list = "", path = ""] of read(index).matchAll(/import \{([^}]*)\} from "(\.[^"]*)"/g)) {
    if (list.split(",").some((item) => wanted.has(item.trim()))) visit(join(dirname(index), path))
  }
  return [...files]
}
