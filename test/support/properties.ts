import * as fc from "fast-check"

/**
 * Generated cases are the same in each run, so that a test fails only for a change that broke it. Others are tried with
 * `PROPERTY_SEED=$RANDOM npx vitest run`.
 */
fc.configureGlobal({ seed: Number(process.env.PROPERTY_SEED ?? 1) })

const naturals = new Map<number, () => fc.Arbitrary<number>>()

/**
 * A function for `fc.gen` that makes an arbitrary of the numbers from 0 to below the count: the same function for the same count. Of one
 * function with arguments, fast-check compares those of all earlier uses each time.
 */
export function naturalBelow(count: number): () => fc.Arbitrary<number> {
  const known = naturals.get(count) ?? (() => fc.nat({ max: count - 1 }))
  naturals.set(count, known)
  return known
}

export { fc }
