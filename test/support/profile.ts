import { setTimeout as sleep } from "node:timers/promises"
import type { Browser, BrowserContext, BrowserContextOptions, ConsoleMessage, Page, Request } from "playwright-core"
import { onTestFinished } from "vitest"

/*
 * A profile of a browser, which is closed when the test ends. If the test has failed, what its pages show and wait for is added to its
 * errors. The error itself names only what did not come.
 */

export interface Profile {
  context: BrowserContext
  /** What the pages show and wait for, and where the last click went. */
  describePages(): Promise<string>
}

export async function openProfile(browser: Browser, options: BrowserContextOptions = {}): Promise<Profile> {
  const context = await browser.newContext(options)
  const describePages = watchPages(context)
  onTestFinished(async ({ task }) => {
    const state = task.result?.state === "fail" ? await describePages() : undefined
    await context.close()
    if (state !== undefined) throw new Error(state)
  })
  await context.addInitScript(notePresses)
  return { context, describePages }
}

/** Whether the browser complains by this message. */
export const isComplaint = (message: ConsoleMessage) => message.type() === "error" || message.type() === "warning"

/** The name of the GraphQL operation that a request sends. */
export const operationOf = (request: Request) => /"operationName":"(\w+)"/.exec(request.postData() ?? "")?.[1]

/** The press of a mouse button and its click go to different elements if something moves in between. */
const notePresses = `for (const type of ["pointerdown", "click"]) {
  addEventListener(type, ({ target }) => {
    const element = target.closest?.("a, button, label, [role]") ?? target
    const text = element === document.body ? "" : " " + JSON.stringify(element.textContent?.trim().slice(0, 40))
    window["last " + type] = (element.role ?? element.localName ?? "document") + text
  }, true)
}`

const readPage = `(() => {
  const texts = (selector) => [...document.querySelectorAll(selector)]
    .map((element) => element.textContent.trim().replace(/\\s+/g, " ").slice(0, 200))
  return {
    headings: texts("h1"),
    alerts: texts("[role=alert]"),
    dialogs: texts("[role=dialog]"),
    "last press": [window["last pointerdown"] ?? "none"],
    "last click": [window["last click"] ?? "none"],
  }
})()`

/** How long a page has to say what it shows. It may be busy for ever, which is why the test has failed. */
const longestWaitMs = 5_000

function watchPages(context: BrowserContext): () => Promise<string> {
  const complaints: string[] = []
  context.on("console", (message) => isComplaint(message) && complaints.push(message.text()))
  context.on("weberror", (error) => complaints.push(error.error().message))
  const open = new Map<Request, number>()
  const end = (request: Request) => open.delete(request)
  context.on("request", (request) => open.set(request, performance.now()))
  context.on("requestfinished", end)
  context.on("requestfailed", end)

  return async () => {
    const pages = await Promise.all(context.pages().map(describePage))
    const requests = [...open].map(([request, at]) => {
      const seconds = Math.round((performance.now() - at) / 1_000)
      return [`${request.method()} ${request.url()}`, operationOf(request) ?? [], `${seconds} s`].flat().join(", ")
    })
    return [...pages, line("open requests", requests), line("complaints", complaints)].join("\n")
  }
}

async function describePage(page: Page): Promise<string> {
  const answer: unknown = await Promise.race([
    page.evaluate(readPage).catch(String),
    sleep(longestWaitMs, "It does not answer.", { ref: false }),
  ])
  const lines =
    typeof answer === "string"
      ? [answer]
      : Object.entries(answer as Record<string, string[]>).map(([name, texts]) => line(name, texts))
  return [`page: ${page.url()}`, ...lines].join("\n")
}

const line = (name: string, texts: readonly string[]) => `${name}: ${texts.join(" | ") || "none"}`
