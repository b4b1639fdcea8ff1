import { writeFile } from "node:fs/promises"
import { architectureFile, generatedFiles } from "./generated.ts"
import { measureRequestPath } from "./requestPath.ts"

const root = new URL("..", import.meta.url)
const write = async (files: Record<string, string>) => {
  for (const [path, content] of Object.entries(files)) await writeFile(new URL(path, root), content)
}
await write(await generatedFiles(root))
await write(await architectureFile(root, (await measureRequestPath()).spine))
