import { readdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { promisify } from "node:util"
import { brotliCompress, gzip, constants as zlib } from "node:zlib"
import react from "@vitejs/plugin-react"
import { defineConfig, type Plugin } from "vite"
import { mantineStyles } from "./build/mantineStyles.ts"

// For `npm run dev`: a gateway that runs beside it.
const gateway = process.env.GATEWAY_URL ?? "http://127.0.0.1:4000"

/** What most pages share, but not the first one: searches, long lists and the inputs of forms. */
const notOnHomePage =
  /\/src\/pages\/search\/|tanstack\/|components\/(?:Checkbox\/Checkbox|Combobox|Pill|PillsInput|TagsInput)\b/

/** Writes the compressed forms of each file beside it, so that the gateway never compresses them. */
function compressed(): Plugin {
  return {
    name: "compressed",
    apply: "build",
    async writeBundle({ dir = "" }) {
      const folder = join(dir, "assets")
      await Promise.all(
        (await readdir(folder)).map(async (name) => {
          const content = await readFile(join(folder, name))
          // The best quality, 11, takes 3 s and saves another 7 %.
          const params = { [zlib.BROTLI_PARAM_QUALITY]: 9, [zlib.BROTLI_PARAM_SIZE_HINT]: content.length }
          await writeFile(join(folder, `${name}.br`), await promisify(brotliCompress)(content, { params }))
          await writeFile(join(folder, `${name}.gz`), await promisify(gzip)(content, { level: 9 }))
        }),
      )
    },
  }
}

export default defineConfig({
  plugins: [react(), mantineStyles(join(import.meta.dirname, "src")), compressed()],
  // Relative, because a proxy may serve the gateway below a path of its own.
  base: "./",
  // The gateway puts the nonce of each response here.
  html: { cspNonce: "NONCE" },
  build: {
    target: "es2023",
    // They know light-dark(), which is otherwise replaced.
    cssTarget: ["chrome123", "firefox120", "safari17.5"],
    // Fonts and images in the CSS would be refused by the content security policy if they were other files.
    assetsInlineLimit: 4_096,
    chunkSizeWarningLimit: 1_000,
    // Each combination of pages would otherwise have files of its own for what they share, and each is a request before the first data.
    cssCodeSplit: false,
    rolldownOptions: {
      checks: { pluginTimings: false },
      output: {
        codeSplitting: {
          groups: [
            // What every page needs. Without this group, the first of the others with a page that needs it would take it.
            { name: "libraries", tags: ["$initial"], test: /node_modules|preload-helper/, priority: 2 },
            { name: "shared", test: (path) => !notOnHomePage.test(path), minShareCount: 3, priority: 1 },
            { name: "lists", test: notOnHomePage, minShareCount: 3 },
          ],
        },
      },
    },
  },
  server: { proxy: Object.fromEntries(["/graphql", "/session", "/files"].map((path) => [path, gateway])) },
})
