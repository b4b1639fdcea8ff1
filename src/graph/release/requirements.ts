import type { InputProblem } from "../../errors.ts"
import { isObject } from "../../upstream/decoders.ts"
import { readableBoolean } from "../fields.ts"

/** What each flag of a refused release says of the capsule or pipeline. */
const sayings: ReadonlyMap<string, string> = new Map([
  ["missing_reproducible_run", "has no completed reproducible run"],
  ["uncommitted_files", "has files that are not committed"],
  ["missing_metadata", "lacks metadata that a release requires"],
  ["non_default_branch", "is not on its default branch"],
  ["git_out_of_sync", "is out of sync with its linked Git repository"],
  ["unreleased_pipeline_capsules", "runs capsules that are not released"],
  ["missing_release_functionality", "lacks functionality that a release requires"],
  ["invalid_app_panel", "has an invalid app panel"],
  ["unreleased_post_run_capsule", "has a post-run capsule that is not released"],
])

const maxProblems = 100
const maxFlagLength = 100

/**
 * The requirements of a release that are not met, from the body of a 403: a flag is true if its requirement is not met, and absent
 * otherwise. A flag that the gateway does not know counts too.
 */
export function unmetRequirements(one: "capsule" | "pipeline", details: unknown): InputProblem[] {
  if (!isObject(details)) return []
  const flags = Object.keys(details).filter((key) => readableBoolean(key)(details) === true)
  return flags.slice(0, maxProblems).map((flag) => {
    const saying = sayings.get(flag) ?? `does not meet the requirement \`${flag.slice(0, maxFlagLength)}\``
    return { message: `The ${one} ${saying}.` }
  })
}
