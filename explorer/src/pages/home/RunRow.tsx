import { Code, Skeleton, Text, UnstyledButton } from "@mantine/core"
import { useState } from "react"
import { runnablePath, runPath } from "../../app/paths.ts"
import { linkTo } from "../../app/router.ts"
import { usePage } from "../../data/usePage.ts"
import { Duration, Outcome, Time } from "../../parts/Facts.tsx"
import classes from "./Home.module.css"
import { LogTailDocument } from "./logTail.generated.ts"
import type { RecentRunFragment } from "./recentRun.generated.ts"

/** One run: how it ended, what ran, when and how long. What went wrong stands below it, with the log a click away. */
export function RunRow({ run }: { run: RecentRunFragment }) {
  const [open, setOpen] = useState(false)
  const isBad = run.outcome === "FAILED" || run.outcome === "SUSPECT"
  const log = `log-${run.id}`
  return (
    <li className={classes.run}>
      <div className={classes.line}>
        <Outcome of={run.outcome} reasons={run.outcomeReasons} />
        <span className={classes.what}>
          <a {...linkTo(runPath(run))} className="text-link truncate" title={run.name}>
            {run.name}
          </a>
          {run.runnable && (
            <a {...linkTo(runnablePath(run.runnable))} className={`${classes.of} text-link truncate`}>
              {run.runnable.name}
            </a>
          )}
        </span>
        <span className={classes.length}>
          <Duration seconds={run.runTime} />
        </span>
        <span className={classes.when}>
          <Time of={run.created} />
        </span>
      </div>
      {isBad && (
        <div className={classes.why}>
          <span>{run.outcomeReasons.join(" ")}</span>
          <UnstyledButton
            className={classes.open}
            aria-expanded={open}
            aria-controls={log}
            onClick={() => setOpen((before) => !before)}
          >
            {open ? "Hide the log" : "End of the log"}
          </UnstyledButton>
        </div>
      )}
      {open && (
        <div id={log} className={classes.log}>
          <LogTail id={run.id} />
        </div>
      )}
    </li>
  )
}

function LogTail({ id }: { id: string }) {
  const { data, problems } = usePage(LogTailDocument, { id })
  const run = data?.computation
  if (run?.log) return <Code block>{run.log}</Code>
  if (data === undefined && problems.length === 0) return <Skeleton height={120} aria-label="Loading the log" />
  return (
    <Text size="sm" c="dimmed">
      {problems[0]?.message ?? "This run has no log."}
    </Text>
  )
}
