import { useEffect, useState } from "react"
import { now as gatewayNow } from "../../app/gateway.ts"
import { duration } from "../../parts/format.ts"
import { BusyIcon, CheckIcon, CrossIcon, DotIcon } from "../../parts/icons.tsx"
import classes from "./Run.module.css"
import type { RunStateFragment } from "./run.generated.ts"

export interface Step {
  name: string
  status: "done" | "now" | "waiting" | "failed"
  note?: string | undefined
}

const icons = { done: CheckIcon, now: BusyIcon, waiting: DotIcon, failed: CrossIcon }
const words = { done: "Done", now: "In progress", waiting: "Not yet", failed: "Failed" }
const colors = { done: "var(--good)", now: "var(--busy)", waiting: "var(--quiet)", failed: "var(--bad)" }

/** Work in steps: what is done, what is going on, what is still to come. */
export function Steps({ label, steps }: { label: string; steps: readonly Step[] }) {
  return (
    <ol className={classes.steps} aria-label={label}>
      {steps.map(({ name, status, note }) => {
        const Icon = icons[status]
        return (
          <li key={name} data-status={status} aria-current={status === "now" ? "step" : undefined}>
            <span
              role="img"
              aria-label={words[status]}
              className={status === "now" ? classes.turning : undefined}
              style={{ color: colors[status], display: "inline-flex" }}
            >
              <Icon />
            </span>
            <span>
              {name}
              {note && <span style={{ color: "var(--mantine-color-dimmed)" }}> {note}</span>}
            </span>
          </li>
        )
      })}
    </ol>
  )
}

const phases = [
  ["INITIALIZING", "Waiting for its machine"],
  ["RUNNING", "Running"],
  ["FINALIZING", "Storing its results"],
] as const

/** Where a run is that has not ended. */
export function RunSteps({ run, started }: { run: RunStateFragment; started: string | null }) {
  const [, setTick] = useState(0)
  useEffect(() => {
    const timer = setInterval(() => setTick((count) => count + 1), 1_000)
    return () => clearInterval(timer)
  }, [])
  const now = phases.findIndex(([state]) => state === run.state)
  const elapsed = started === null ? undefined : Math.max((gatewayNow() - Date.parse(started)) / 1_000, 0)
  return (
    <Steps
      label="Progress of the run"
      steps={phases.map(([state, name], index) => ({
        name,
        status: index < now ? "done" : index === now ? "now" : "waiting",
        note: state === run.state && elapsed !== undefined ? `started ${duration(elapsed)} ago` : undefined,
      }))}
    />
  )
}
