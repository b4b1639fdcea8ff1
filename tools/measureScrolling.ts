import { tokens } from "../sandbox/seed.ts"
import { startSandbox } from "../sandbox/server.ts"
import { readConfig } from "../src/config/config.ts"
import { createLog } from "../src/log/log.ts"
import { createGateway } from "../src/server.ts"
import { launchBrowser } from "../test/support/browser.ts"
import { buildExplorer } from "./explorer.ts"

/*
 * Measures how smoothly the explorer's search scrolls through its rows: node tools/measureScrolling.ts [rows]. Prints the frames that
 * took longer than 50 ms, the longest frame, and its longest task. The machine must have nothing else to do.
 */

const rows = Number(process.argv[2] ?? 5_000)
await buildExplorer(console.log)
const sandbox = await startSandbox({ port: 0, generate: rows })
const config = readConfig({
  CODEOCEAN_URL: sandbox.url,
  PORT: "0",
  EXPLORER: "true",
  SESSION_SECRETS: "4pZ1hWq8vT0yLxR6nBs3KdGmJcUeQf7a",
})
const gateway = createGateway(config, createLog("error", process.stderr), { explorerToken: tokens.ada })
const url = await gateway.listen()
const { browser, close } = await launchBrowser({ pixels: true })
const page = await browser.newPage({ viewport: { width: 1280, height: 800 } })
await page.goto(`${url}/explorer/search?sort=NAME-ASC`)
await page.getByRole("list", { name: "Capsules" }).getByRole("listitem").first().waitFor()

const isMore = page.getByText("more below")
while ((await isMore.count()) > 0) await page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")

const result = await page.evaluate(`new Promise((resolve) => {
  scrollTo(0, 0)
  const tasks = []
  const observer = new PerformanceObserver((list) => tasks.push(...list.getEntries().map(({ duration }) => duration)))
  observer.observe({ type: "longtask" })
  const frames = []
  let before
  const step = (now) => {
    if (before !== undefined) frames.push(now - before)
    before = now
    scrollBy(0, 220)
    if (scrollY + innerHeight < document.documentElement.scrollHeight) requestAnimationFrame(step)
    else setTimeout(() => resolve({ frames, tasks }), 500)
  }
  requestAnimationFrame(step)
})`)
const { frames, tasks } = result as { frames: number[]; tasks: number[] }
const sorted = frames.toSorted((a, b) => a - b)
const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]?.toFixed(1)
console.log(
  `${rows} rows, ${frames.length} frames of 5 rows each: median ${at(0.5)} ms, 99 % within ${at(0.99)} ms, longest ${at(1)} ms, ` +
    `${frames.filter((frame) => frame > 50).length} over 50 ms, longest task ${Math.max(0, ...tasks).toFixed(0)} ms`,
)
await close()
await gateway.close()
await sandbox.close()
