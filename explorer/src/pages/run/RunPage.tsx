import { Skeleton, Text } from "@mantine/core"
import { useRef, useState } from "react"
import { dataAssetPath, runnablePath } from "../../app/paths.ts"
import { linkTo, useQueryState } from "../../app/router.ts"
import type { PageProps } from "../../app/routes.ts"
import { useLive } from "../../data/useLive.ts"
import { usePage } from "../../data/usePage.ts"
import { EmptyState } from "../../parts/EmptyState.tsx"
import { Duration, Outcome, Size, Time } from "../../parts/Facts.tsx"
import { Files } from "../../parts/files/Files.tsx"
import { RunIcon } from "../../parts/icons.tsx"
import { PageTitle } from "../../parts/PageTitle.tsx"
import { Problems } from "../../parts/Problems.tsx"
import { Scrolled } from "../../parts/Scrolled.tsx"
import { Values } from "../../parts/Values.tsx"
import { Capture } from "./Capture.tsx"
import { CaptureForm, type CaptureRequest } from "./CaptureForm.tsx"
import { FindRunnable } from "./FindRunnable.tsx"
import classes from "./Run.module.css"
import { RunActions } from "./RunActions.tsx"
import { RunSteps } from "./RunSteps.tsx"
import { RunLiveDocument, RunPageDocument, type RunPageQuery } from "./run.generated.ts"

type Run = NonNullable<RunPageQuery["computation"]>

export const CapsuleRunPage = ({ params }: PageProps) => <RunPage id={params.id!} capsule={params.of} />
export const PipelineRunPage = ({ params }: PageProps) => <RunPage id={params.id!} pipeline={params.of} />
/** A run of which nobody knows what ran. */
export default function LoneRunPage({ params }: PageProps) {
  return <RunPage id={params.id!} />
}

interface RunPageProps {
  id: string
  capsule?: string | undefined
  pipeline?: string | undefined
}

function RunPage({ id, capsule, pipeline }: RunPageProps) {
  const page = usePage(RunPageDocument, {
    id,
    of: capsule ?? pipeline ?? "",
    ofCapsule: capsule !== undefined,
    ofPipeline: pipeline !== undefined,
  })
  const [form, setForm] = useState(false)
  const [capture, setCapture] = useState<CaptureRequest>()
  const run = page.data?.computation
  const runnable = page.data?.capsule ?? page.data?.pipeline ?? run?.runnable ?? undefined
  const answered = useRef(false)
  if (!page.loading) answered.current = true
  const loading = !answered.current

  // Its end brings results and a log, which are read then. The state itself comes with the events.
  const wasRunning = useRef(false)
  const isRunning = run?.outcome === "IN_PROGRESS"
  const live = useLive(
    RunLiveDocument,
    isRunning && !loading ? { id } : undefined,
    ({ computation }) => computation === null || computation.outcome !== "IN_PROGRESS",
    ({ computation }) => {
      if (computation?.outcome === "IN_PROGRESS") wasRunning.current = true
      else page.reload()
    },
  )

  if (page.data !== undefined && !run && !loading && page.problems.length === 0) {
    return <EmptyState as="h1" title="There is no such run, or you may not see it" />
  }
  const problems = page.problems.filter(
    ({ is, paths }) => is !== "forbidden" || paths.some((path) => !path.includes(".")),
  )
  if (!run) {
    return (
      <>
        <PageTitle title="Run" icon={<RunIcon />} />
        <Problems page={{ ...page, problems }} />
        {problems.length === 0 && <RunSkeleton />}
      </>
    )
  }
  const log = <Log run={run} loading={loading} />
  const hasFailed = run.outcome === "FAILED" || run.outcome === "SUSPECT"
  return (
    <>
      <PageTitle title={run.name} icon={<RunIcon />}>
        <RunActions run={run} runnable={runnable} onCapture={() => setForm(true)} />
      </PageTitle>
      <Problems page={{ ...page, problems }} live={live} />
      <Summary run={run} runnable={runnable} isUnplaced={!runnable && !capsule && !pipeline} />
      <div className={classes.page}>
        <div className={classes.main}>
          {isRunning && (
            <section aria-label="Progress">
              <RunSteps run={run} started={run.created} />
            </section>
          )}
          {capture && <Capture key={JSON.stringify(capture)} request={capture} onChange={() => setForm(true)} />}
          {hasFailed && log}
          <Results run={run} loading={loading} />
          {!hasFailed && log}
        </div>
        <aside aria-label="Inputs" className={classes.side}>
          <Parameters run={run} />
          <Inputs run={run} />
        </aside>
      </div>
      {form && <CaptureForm run={run} onCapture={setCapture} onClose={() => setForm(false)} />}
    </>
  )
}

interface SummaryProps {
  run: Run
  runnable: { __typename: "Capsule" | "Pipeline"; id: string; name: string } | undefined
  /** Whether neither the address nor Code Ocean says what ran. */
  isUnplaced: boolean
}

function Summary({ run, runnable, isUnplaced }: SummaryProps) {
  const reasons = run.outcomeReasons.filter((reason) => reason !== null)
  return (
    <>
      <div className={classes.summary}>
        <span role="status">
          <Outcome of={run.outcome} />
        </span>
        {runnable && (
          <span>
            {run.cloudWorkstation ? "cloud workstation of " : "run of "}
            <a {...linkTo(runnablePath(runnable))}>{runnable.name}</a>
          </span>
        )}
        {isUnplaced && <FindRunnable id={run.id} />}
        <span>
          started <Time of={run.created} />
        </span>
        {run.outcome !== "IN_PROGRESS" && run.runTime !== null && (
          <span>
            ran <Duration seconds={run.runTime} />
          </span>
        )}
        {run.exitCode !== null && <span>exit code {run.exitCode}</span>}
        {run.ownerEmail && <span>by {run.ownerEmail}</span>}
        {run.nextflowProfile && <span>profile {run.nextflowProfile}</span>}
      </div>
      {reasons.length > 0 && (
        <Text size="sm" mb="md" mt={-8}>
          {reasons.join(" ")}
        </Text>
      )}
    </>
  )
}

/** The files of the results. */
function Results({ run, loading }: { run: Run; loading: boolean }) {
  const [query] = useQueryState()
  const root = run.results?.entries ?? []
  return (
    <section aria-label="Results">
      <h2 className={classes.heading}>Results</h2>
      {root.length > 0 || (!loading && query.has("file")) ? (
        <Files owner={{ is: "run", id: run.id }} label="Results" root={root} />
      ) : loading ? (
        <Skeleton height={150} />
      ) : (
        <Text size="sm" c="dimmed">
          {run.outcome === "IN_PROGRESS" ? "They appear when the run has ended." : "It has no results."}
        </Text>
      )}
    </section>
  )
}

function Log({ run, loading }: { run: Run; loading: boolean }) {
  return (
    <section aria-label="Log">
      <h2 className={classes.heading}>Log</h2>
      {run.log ? (
        <Scrolled label="The last 300 lines of the log" atEnd>
          {run.log}
        </Scrolled>
      ) : loading ? (
        <Skeleton height={120} />
      ) : (
        <Text size="sm" c="dimmed">
          {run.log === ""
            ? "It is empty."
            : run.outcome === "IN_PROGRESS"
              ? "It appears when the run has ended."
              : "There is none."}
        </Text>
      )}
    </section>
  )
}

type Given = Run["parameters"]

function Parameters({ run }: { run: Run }) {
  const parts: { title: string; values: Given; capsule?: string | undefined }[] = [
    { title: "Parameters", values: run.parameters },
    ...(run.processes ?? []).flatMap((process) =>
      process ? [{ title: process.name ?? "Process", values: process.parameters, capsule: process.capsule?.id }] : [],
    ),
  ]
  return parts.map(({ title, values, capsule }, index) => (
    <section key={index} aria-label={title}>
      <h2 className={classes.heading} style={{ overflowWrap: "anywhere" }}>
        {capsule ? (
          <a {...linkTo(`capsules/${capsule}`)} className="text-link">
            {title}
          </a>
        ) : (
          title
        )}
      </h2>
      {values && values.length > 0 ? (
        <Values
          of={values.map((parameter, position) => ({
            name: parameter?.name ?? parameter?.paramName ?? `Parameter ${position + 1}`,
            value: parameter?.value,
            title: parameter?.paramName ?? undefined,
          }))}
        />
      ) : (
        <Text size="sm" c="dimmed">
          None were given.
        </Text>
      )}
    </section>
  ))
}

function Inputs({ run }: { run: Run }) {
  const inputs = (run.dataAssets ?? []).filter((input) => input !== null)
  return (
    <section aria-label="Data">
      <h2 className={classes.heading}>Data</h2>
      {inputs.length === 0 && (
        <Text size="sm" c="dimmed">
          It had none.
        </Text>
      )}
      <ul className={classes.list}>
        {inputs.map(({ dataAssetId, mount, dataAsset }, index) => (
          <li key={`${index} ${dataAssetId}`}>
            {dataAssetId ? (
              <a {...linkTo(dataAssetPath(dataAssetId))} className="text-link">
                {dataAsset?.name ?? "Data asset that you may not open"}
              </a>
            ) : (
              "Unknown data asset"
            )}
            <Text span size="xs" c="dimmed" display="block">
              {mount && `/data/${mount}`}
              {mount && dataAsset?.size != null && ", "}
              {dataAsset?.size != null && <Size of={dataAsset.size} />}
            </Text>
          </li>
        ))}
      </ul>
    </section>
  )
}

function RunSkeleton() {
  return (
    <div aria-hidden="true">
      <Skeleton height={16} width="60%" mb="lg" />
      <div className={classes.page}>
        <div className={classes.main}>
          <Skeleton height={180} />
          <Skeleton height={140} />
        </div>
        <div className={classes.side}>
          <Skeleton height={120} />
          <Skeleton height={80} />
        </div>
      </div>
    </div>
  )
}
