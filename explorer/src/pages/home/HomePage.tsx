import { Button, SegmentedControl, Skeleton, Text } from "@mantine/core"
import { runnablePath } from "../../app/paths.ts"
import { linkTo, useQueryState } from "../../app/router.ts"
import type { ComputationOutcome } from "../../data/schema.generated.ts"
import { usePages } from "../../data/usePages.ts"
import { EmptyState } from "../../parts/EmptyState.tsx"
import { Time } from "../../parts/Facts.tsx"
import { CapsuleIcon, PipelineIcon } from "../../parts/icons.tsx"
import { PageTitle } from "../../parts/PageTitle.tsx"
import { Problems } from "../../parts/Problems.tsx"
import { SkeletonRows } from "../../parts/SkeletonRows.tsx"
import classes from "./Home.module.css"
import { HomeDocument, type HomeQuery } from "./home.generated.ts"
import { RunRow } from "./RunRow.tsx"
import type { RecentRunFragment } from "./recentRun.generated.ts"
import { useLiveRuns } from "./useLiveRuns.ts"

type Recent = NonNullable<HomeQuery["recentComputations"]>

/** What the visitor looks for, by its value in the address. */
const choices: Readonly<Record<string, { label: string; outcomes?: ComputationOutcome[] }>> = {
  "": { label: "All" },
  failed: { label: "Failed", outcomes: ["FAILED", "SUSPECT"] },
  running: { label: "In progress", outcomes: ["IN_PROGRESS"] },
  succeeded: { label: "Succeeded", outcomes: ["SUCCEEDED"] },
}

const select = ({ recentComputations }: HomeQuery) => recentComputations

/** The newest runs of the capsules and pipelines that were last opened, and these themselves. */
export default function HomePage() {
  const [address, change] = useQueryState()
  const asked = address.get("runs") ?? ""
  const shown = Object.hasOwn(choices, asked) ? asked : ""
  const choice = choices[shown]!
  const page = usePages<HomeQuery, RecentRunFragment, { first: number; outcome: ComputationOutcome[] | undefined }>(
    HomeDocument,
    { first: 30, outcome: choice.outcomes },
    select,
  )
  const recent = page.data?.recentComputations ?? undefined
  const { runs, live } = useLiveRuns(page.nodes, choice.outcomes, recent !== undefined, page.reload)

  return (
    <>
      <PageTitle title="Recent runs">
        <SegmentedControl
          aria-label="Which runs"
          value={shown}
          onChange={(runs) => change({ runs })}
          data={Object.entries(choices).map(([value, { label }]) => ({ value, label }))}
        />
      </PageTitle>
      <Problems page={page} live={live} />
      <div className={classes.columns}>
        <section className="panel" aria-label="Runs">
          {page.isReadingFirst && <SkeletonRows />}
          {recent !== undefined && runs.length === 0 && <NoRuns all={choice.outcomes === undefined} />}
          {runs.length > 0 && (
            <ul className={classes.runs}>
              {runs.map((run) => (
                <RunRow key={run.id} run={run} />
              ))}
            </ul>
          )}
          {page.hasMore && (
            <div className={classes.more}>
              <Button variant="default" size="compact-sm" loading={page.loadingMore} onClick={page.loadMore}>
                Older runs
              </Button>
              {page.moreProblem !== undefined && <Text size="sm">{page.moreProblem.message}</Text>}
            </div>
          )}
          {recent !== undefined && <HowFar recent={recent} isLive={live.state === "live"} />}
        </section>
        <aside aria-label="Capsules and pipelines">
          <h2 className={classes.heading}>Last opened</h2>
          {page.isReadingFirst && <Skeleton height={300} />}
          {recent !== undefined && <Runnables recent={recent} />}
        </aside>
      </div>
    </>
  )
}

function NoRuns({ all }: { all: boolean }) {
  return (
    <EmptyState title={all ? "No runs yet" : "No such runs"}>
      {all && (
        <Text size="sm" c="dimmed">
          Nothing has run in the capsules and pipelines that you created or that were shared with you.
        </Text>
      )}
      <Button component="a" variant="default" {...linkTo("search?owned=CREATED")}>
        Find a capsule to run
      </Button>
    </EmptyState>
  )
}

/** How far the list reaches, because a run of an object that was not looked at is missing in it. */
function HowFar({ recent, isLive }: { recent: Recent; isLive: boolean }) {
  const live = isLive && " New runs and changes appear by themselves."
  if (recent.isComplete)
    return <p className={classes.note}>These are all runs of everything that is yours or was shared with you.{live}</p>
  return (
    <p className={classes.note}>
      From the {recent.runnables.length} capsules and pipelines that were last opened.{" "}
      {recent.completeSince !== null && (
        <>
          Nothing that has run since <Time of={recent.completeSince} /> is missing.
        </>
      )}
      {live}
    </p>
  )
}

function Runnables({ recent }: { recent: Recent }) {
  return (
    <ul className={classes.runnables}>
      {recent.runnables.map(
        (runnable) =>
          runnable !== null && (
            <li key={runnable.id}>
              {runnable.__typename === "Pipeline" ? <PipelineIcon /> : <CapsuleIcon />}
              <a {...linkTo(runnablePath(runnable))} className="text-link truncate" title={runnable.name}>
                {runnable.name}
              </a>
              <span>
                <Time of={runnable.lastAccessed} missing="" />
              </span>
            </li>
          ),
      )}
    </ul>
  )
}
