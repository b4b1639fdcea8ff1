import { vi } from "vitest"

/*
 * `vi.waitFor` and `vi.waitUntil` fail after a second by default, which is too short on a loaded machine, and look every 50 ms,
 * which is longer than most waits. Their defaults cannot be configured, unlike those of `expect.poll`.
 */
const { waitFor, waitUntil } = vi
const defaults = { timeout: 50_000, interval: 10 }

vi.waitFor = (callback, options) => waitFor(callback, options ?? defaults)
vi.waitUntil = (callback, options) => waitUntil(callback, options ?? defaults)
