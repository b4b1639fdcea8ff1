import { vi } from "vitest"

/*
 * `vi.waitFor` and `vi.waitUntil` give up after a second by default, which a loaded machine may need, and unlike those of
 * `expect.poll` their defaults cannot be configured.
 */
const { waitFor, waitUntil } = vi
const timeout = 20_000

vi.waitFor = (callback, options) => waitFor(callback, options ?? { timeout })
vi.waitUntil = (callback, options) => waitUntil(callback, options ?? { timeout })
