import { existsSync } from "node:fs"
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { type Browser, chromium } from "playwright-core"

const root = join(import.meta.dirname, "..", "..")

const SYSTEM_BROWSERS = [
  process.env.CHROMIUM_PATH ?? "",
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
]

const ARGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-background-networking",
  "--disable-component-update",
  // No name resolves and only this address is reachable: the browser has no internet.
  "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
  // The empty page that a tab begins with and the first page that it opens share a process, in spite of their origins.
  "--renderer-process-limit=1",
  "--disable-site-isolation-trials",
]

/** No memory for pixels: layout, animation frames and input are as usual, but nothing is rasterized, which takes a fifth of the CPU time. */
const WITHOUT_PIXELS = ["--force-gpu-mem-available-mb=1"]

export interface LaunchedBrowser {
  browser: Browser
  close(): Promise<void>
}

/**
 * Starts a real Chromium without internet. On x86-64 Linux it comes from an npm package, with the shared libraries it needs;
 * where that one does not start, a Chrome or Chromium of the system does, CHROMIUM_PATH first.
 * @param pixels whether pages are drawn, for measurements and screenshots
 */
export async function launchBrowser({ pixels = false } = {}): Promise<LaunchedBrowser> {
  const args = pixels ? ARGS : [...ARGS, ...WITHOUT_PIXELS]
  const browser = await launchPackaged(args).catch((cause) => launchFromSystem(args, cause))
  return { browser, close: () => browser.close() }
}

let shared: Promise<LaunchedBrowser> | undefined

/**
 * The browser of all test files that run in this process. To start one and to end it takes 0.15 s of CPU time. It ends with the
 * process, however that ends, because it reads from a pipe of the process. If it has crashed, the next file gets another one.
 */
export async function sharedBrowser(): Promise<Browser> {
  const before = await shared?.catch(() => undefined)
  if (before?.browser.isConnected()) return before.browser
  shared = launchBrowser()
  return (await shared).browser
}

async function launchPackaged(args: string[]): Promise<Browser> {
  const folder = await unpacked()
  const env = { ...process.env, FONTCONFIG_FILE: fontsIn(folder), LD_LIBRARY_PATH: join(folder, "al2023", "lib") }
  return await chromium.launch({ executablePath: join(folder, "chromium"), args, env })
}

async function launchFromSystem(args: string[], cause: unknown): Promise<Browser> {
  const executablePath = SYSTEM_BROWSERS.find((path) => existsSync(path))
  if (executablePath === undefined) throw new Error("No browser starts here; CHROMIUM_PATH can name one", { cause })
  return await chromium.launch({ executablePath, args })
}

const fontsIn = (folder: string) => join(folder, "fonts.conf")

/**
 * The folder with the packaged Chromium. Unpacking takes two seconds of CPU time, so it is done once for each version. The folder gets
 * its name when it is complete.
 */
async function unpacked(): Promise<string> {
  const { version } = JSON.parse(await readFile(join(root, "node_modules/@sparticuz/chromium/package.json"), "utf8"))
  const folder = join(root, "node_modules", ".cache", `chromium-${version}`)
  if (existsSync(folder)) return folder
  await mkdir(dirname(folder), { recursive: true })
  const incomplete = await mkdtemp(`${folder}-`)
  try {
    await unpackInto(incomplete)
    // Without any font Chromium lays out no text at all, and the package's own configuration looks for its fonts in /tmp.
    const fonts = `<fontconfig><dir>${folder}/fonts</dir><cachedir>${folder}/cache</cachedir></fontconfig>`
    await writeFile(fontsIn(incomplete), fonts)
    await rename(incomplete, folder)
  } catch (error) {
    await rm(incomplete, { recursive: true, force: true })
    // Another process may have been faster.
    if (!existsSync(folder)) throw error
  }
  return folder
}

/**
 * The package unpacks into TMPDIR, and its shared libraries only where it takes the machine for a Lambda function. There it also sets
 * variables of its own.
 */
async function unpackInto(folder: string): Promise<void> {
  const before = { ...process.env }
  Object.assign(process.env, { TMPDIR: folder, AWS_EXECUTION_ENV: "AWS_Lambda_nodejs24.x" })
  try {
    const { default: packaged } = await import("@sparticuz/chromium")
    await packaged.executablePath()
  } finally {
    for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name]
    Object.assign(process.env, before)
  }
}
