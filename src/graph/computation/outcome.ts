import { readableString } from "../fields.ts"
import type { Computation } from "./rest.ts"

/** The values of a run that say how it ended. */
type Signs = Pick<Computation, "state" | "end_status" | "exit_code" | "has_results" | "cloud_workstation">

export type Outcome = "IN_PROGRESS" | "SUCCEEDED" | "FAILED" | "STOPPED" | "SUSPECT"

/** The outcome of a run. `reasons` has one sentence each, and is empty if the run is in progress or succeeded. */
export interface Verdict {
  outcome: Outcome
  reasons: string[]
}

const inProgress = ["initializing", "running", "finalizing"]
const endings = ["succeeded", "failed", "stopped"]

/**
 * Derives the outcome from all values together, because none of them is reliable alone: a run is `completed` however it
 * ended, and one that `succeeded` may have exit code 1 or no results. Contradictory or unknown values give SUSPECT. A cloud
 * workstation session needs no results.
 */
export function outcomeOf(signs: Signs): Verdict {
  const state = stateOf(signs)
  if (state !== null && inProgress.includes(state)) return { outcome: "IN_PROGRESS", reasons: [] }
  const endStatus = endStatusOf(signs)
  const exitCode = exitCodeOf(signs)
  const isBadExit = exitCode !== null && Number(exitCode) !== 0
  const itsExit = `Its exit code is ${exitCode}.`

  const doubts: string[] = []
  if (state === null) doubts.push("Its state is missing.")
  else if (state !== "completed" && state !== "failed") doubts.push(`Its state, ${JSON.stringify(state)}, is unknown.`)
  if (endStatus !== null && !endings.includes(endStatus)) {
    doubts.push(`Its end status, ${JSON.stringify(endStatus)}, is unknown.`)
  }
  if (exitCode !== null && Number.isNaN(Number(exitCode)))
    doubts.push(`Its exit code, ${JSON.stringify(exitCode)}, is not a number.`)
  else if (doubts.length > 0 && isBadExit) doubts.push(itsExit)
  if (state === "failed" && endStatus === "succeeded")
    doubts.push("Its state is failed, but its end status is succeeded.")
  if (doubts.length > 0) return { outcome: "SUSPECT", reasons: doubts }

  if (endStatus === "stopped") return { outcome: "STOPPED", reasons: ["It was stopped."] }
  if (state === "failed" || endStatus === "failed") {
    return { outcome: "FAILED", reasons: ["Code Ocean reports that it failed.", ...(isBadExit ? [itsExit] : [])] }
  }
  if (endStatus === null && isBadExit) return { outcome: "FAILED", reasons: [itsExit] }

  if (endStatus === null && exitCode === null)
    doubts.push("It is completed, but its end status and exit code are missing.")
  if (isBadExit) doubts.push(`Its end status is succeeded, but its exit code is ${exitCode}.`)
  const hasResults = hasResultsOf(signs)
  if (!isTrue(hasResults) && !isTrue(cloudWorkstationOf(signs))) {
    doubts.push(hasResults === null ? "Code Ocean does not say whether it has results." : "It has no results.")
  }
  return doubts.length > 0 ? { outcome: "SUSPECT", reasons: doubts } : { outcome: "SUCCEEDED", reasons: [] }
}

/** Longer than any known value, and short enough to be compared by hundreds of fields. */
const longestWord = 100

/** Reads the value in lower case, whatever its type on the wire. Null if it is absent. */
function wordAt(key: keyof Signs): (signs: Signs) => string | null {
  const stringAt = readableString(key)
  return (signs) => {
    const value = stringAt(signs)
    if (value !== null) return value.slice(0, longestWord).toLowerCase()
    const isUnreadable = typeof signs[key] === "object" && signs[key] !== null
    return isUnreadable ? "unreadable" : null
  }
}

const stateOf = wordAt("state")
const endStatusOf = wordAt("end_status")
const exitCodeOf = wordAt("exit_code")
const hasResultsOf = wordAt("has_results")
const cloudWorkstationOf = wordAt("cloud_workstation")

function isTrue(word: string | null): boolean {
  return word === "true" || word === "1"
}
