import type { Page } from "playwright-core"

/*
 * A test of several things on one page: to load the explorer takes half a second of CPU time, and to go to another of its pages a
 * tenth of that.
 */

/** Runs a part of a test. If it fails, the error names it. */
export async function step(name: string, part: () => Promise<void>): Promise<void> {
  try {
    await part()
  } catch (cause) {
    throw new Error(`The step failed: ${name}. ${String(cause)}`, { cause })
  }
}

/** Signs out, and in as another user. The address stays. Nothing stays of what the last user has read and typed. */
export async function signInAs(page: Page, token: string): Promise<void> {
  await page.getByRole("button", { name: "Account and help" }).click()
  await page.getByRole("menuitem", { name: "Sign out" }).click()
  await page.getByLabel("Access token").fill(token)
  await page.keyboard.press("Enter")
  await page.getByLabel("Access token").waitFor({ state: "detached" })
}
