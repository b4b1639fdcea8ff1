import * as fc from "fast-check"

/**
 * Generated cases are the same in each run, so that a test fails only for a change that broke it. Others are tried with
 * `PROPERTY_SEED=$RANDOM npx vitest run`.
 */
fc.configureGlobal({ seed: Number(process.env.PROPERTY_SEED ?? 1) })

export { fc }
