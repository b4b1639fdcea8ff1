import { Button, Group, Skeleton, Text } from "@mantine/core"
import { lazy, Suspense, useMemo, useState } from "react"
import { now } from "../../app/gateway.ts"
import { runPath } from "../../app/paths.ts"
import { linkTo, useQueryState } from "../../app/router.ts"
import type { ComputationOutcome } from "../../data/schema.generated.ts"
import { useRead } from "../../data/useRead.ts"
import { EmptyState } from "../../parts/EmptyState.tsx"
import { Duration, Outcome, outcomes, Time } from "../../parts/Facts.tsx"
import { count } from "../../parts/format.ts"
import { SkeletonRows } from "../../parts/SkeletonRows.tsx"
import { VirtualList } from "../../parts/VirtualList.tsx"
import type Chart from "./RunChart.tsx"
import classes from "./Runnable.module.css"
import { MoreRunsDocument, type RunnablePageFragment, type RunRowFragment } from "./runnable.generated.ts"
import { pointsOf } from "./runTime.ts"

/** Without the chart, the list still has everything. */
const RunChart = lazy<typeof Chart>(() => import("./RunChart.tsx").catch(() => ({ default: () => <></> })))

/** How many runs are read at once. */
export const runsPerPage = 200

interface RunsProps {
  runnable: RunnablePageFragment
  /** Newest first. */
  runs: readonly RunRowFragment[]
  loading: boolean
}

export function Runs({ runnable, runs, loading }: RunsProps) {
  const { computations } = runnable
  const [query, change] = useQueryState()
  const asked = query.get("outcome") ?? ""
  const outcome = Object.hasOwn(outcomes, asked) ? (asked as ComputationOutcome) : null
  const shown = useMemo(
    () => (outcome === null ? runs : runs.filter((run) => run.outcome === outcome)),
    [runs, outcome],
  )
  const points = useMemo(() => pointsOf(shown, now()), [shown])
  const pathOf = ({ id }: { id: string }) => runPath({ id, runnable })

  if (!computations && loading) {
    return (
      <>
        <Skeleton height={28} width={260} mb="sm" />
        <Skeleton height={200} mb="md" />
        <SkeletonRows rows={6} />
      </>
    )
  }
  if (!computations) return <EmptyState title="The runs could not be read" />
  if (runs.length === 0) {
    return (
      <EmptyState title="It has not run yet">
        <Button variant="default" size="sm" onClick={() => change({ tab: "run" })}>
          Start a run
        </Button>
      </EmptyState>
    )
  }
  return (
    <section aria-label="Runs">
      <fieldset className={classes.filters} aria-label="Outcomes">
        {(Object.keys(outcomes) as ComputationOutcome[]).map((key) => {
          const number = runs.filter((run) => run.outcome === key).length
          if (number === 0 && key !== outcome) return null
          return (
            <button
              key={key}
              type="button"
              className={classes.filter}
              aria-pressed={outcome === key}
              onClick={() => change({ outcome: outcome === key ? null : key }, { replace: true })}
            >
              <Outcome of={key} /> <span className="number">{number}</span>
            </button>
          )
        })}
      </fieldset>
      {points.length > 0 ? (
        <Suspense fallback={<Skeleton height={200} mb="sm" />}>
          <RunChart points={points} pathOf={pathOf} />
        </Suspense>
      ) : (
        <Text size="sm" c="dimmed" py="md">
          None of these runs has a known run time.
        </Text>
      )}
      <VirtualList
        label="Runs"
        items={shown}
        keyOf={({ id }) => id}
        row={(run) => <RunRow run={run} path={pathOf(run)} />}
      />
      <MoreRuns runnable={runnable} number={runs.length} />
    </section>
  )
}

function RunRow({ run, path }: { run: RunRowFragment; path: string }) {
  const parameters = (run.parameters ?? []).filter((value) => value !== null)
  const values = parameters.map(({ name, paramName, value }) => `${paramName ?? name ?? ""}: ${value ?? ""}`).join(", ")
  // What went wrong says more of a run than its values, which its own page has.
  const isBad = run.outcome === "FAILED" || run.outcome === "SUSPECT"
  const text = isBad ? run.outcomeReasons.join(" ") : run.cloudWorkstation ? "Cloud workstation" : values
  return (
    <div className={classes.run}>
      <Outcome of={run.outcome} reasons={run.outcomeReasons} />
      <a {...linkTo(path)} className="text-link truncate" title={run.name}>
        {run.name}
      </a>
      <span className={`${classes.parameters} truncate`} title={isBad ? `${text} ${values}` : text}>
        {text}
      </span>
      <span className={classes.time}>
        <Time of={run.created} />
      </span>
      <span className={classes.duration}>
        {run.outcome === "IN_PROGRESS" ? run.state.toLowerCase() : <Duration seconds={run.runTime} />}
      </span>
    </div>
  )
}

/** Code Ocean sends the whole history at once, so that a further page costs the same call again. */
function MoreRuns({ runnable, number }: { runnable: RunnablePageFragment; number: number }) {
  const send = useRead()
  const [state, setState] = useState<"ready" | "loading" | "failed">("ready")
  const end = runnable.computations?.pageInfo
  if (!end?.hasNextPage || end.endCursor === null) return null
  const after = end.endCursor
  async function read() {
    setState("loading")
    const isPipeline = runnable.__typename === "Pipeline"
    const variables = { id: runnable.id, isPipeline, first: 1_000, after }
    const result = await send(MoreRunsDocument, variables, "network-only")
    if (result === undefined) return
    const { data } = result
    setState((data?.capsule ?? data?.pipeline)?.computations ? "ready" : "failed")
  }
  return (
    <Group py="sm" gap="sm">
      <Text size="sm" c="dimmed">
        The newest {count(number, "run")}.
      </Text>
      <Button size="compact-sm" variant="default" loading={state === "loading"} onClick={() => void read()}>
        Show older ones
      </Button>
      {state === "failed" && (
        <Text size="sm" c="red" role="alert">
          They could not be read. Try again.
        </Text>
      )}
    </Group>
  )
}
