import { vi } from "vitest"

/*
 * `vi.waitFor` and `vi.waitUntil` fail after a second by default, which is too short on a loaded machine. Their defaults cannot
 * be configured, unlike those of `expect.poll`.
 */
const { waitFor, waitUntil } = vi
const timeout = 50_000

vi.waitFor = (callback, options) => waitFor(callback, options ?? { timeout })
vi.waitUntil = (callback, options) => waitUntil(callback, options ?? { timeout })
