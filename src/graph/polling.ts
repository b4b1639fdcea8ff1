import { badUserInput } from "../errors.ts"
import { minWaitMs } from "../polling/source.ts"
import type { Polling } from "./context.ts"

const defaultIntervalSeconds = minWaitMs / 1000
const maxIntervalSeconds = 3_600
const maxTimeLimitSeconds = 7 * 86_400

/**
 * The options of the arguments or input fields of whatever waits for Code Ocean.
 * @param limit the beginning of the time limit's description
 * @param beyond its end: what happens beyond the limit
 */
export const pollingOptions = (limit: string, beyond: string) => ({
  pollingIntervalSeconds: intervalOption(),
  timeLimitSeconds: {
    description: `${limit}, 1 to ${maxTimeLimitSeconds}. Checked between two reads. Nothing is stopped in Code Ocean. ${beyond}`,
  },
})

/** The option for the time between two reads. */
export function intervalOption(minSeconds = defaultIntervalSeconds): { description: string } {
  return {
    description: `The shortest time between two reads, ${minSeconds} to ${maxIntervalSeconds} seconds. Defaults to ${minSeconds}. The time grows while the state stays the same.`,
  }
}

/** Throws BAD_USER_INPUT for a value that is out of bounds. */
export function pollingFrom(
  input: { pollingIntervalSeconds?: number | null | undefined; timeLimitSeconds?: number | null | undefined },
  minSeconds = defaultIntervalSeconds,
): Polling {
  return {
    fastestMs: milliseconds(input, "pollingIntervalSeconds", minSeconds, maxIntervalSeconds),
    timeLimitMs: milliseconds(input, "timeLimitSeconds", 1, maxTimeLimitSeconds),
  }
}

function milliseconds<Name extends string>(
  input: { [name in Name]?: number | null | undefined },
  name: Name,
  min: number,
  max: number,
): number | undefined {
  const seconds = input[name]
  if (seconds == null) return undefined
  if (seconds < min || seconds > max) throw badUserInput(`\`${name}\` must be ${min} to ${max} seconds.`)
  return seconds * 1000
}
