import { Button, NativeSelect, Skeleton } from "@mantine/core"
import { useRef } from "react"
import { linkTo, useQueryState } from "../../app/router.ts"
import type { PageProps } from "../../app/routes.ts"
import { isForbidden } from "../../data/problem.ts"
import { usePage } from "../../data/usePage.ts"
import { EmptyState } from "../../parts/EmptyState.tsx"
import { CapsuleIcon, PipelineIcon } from "../../parts/icons.tsx"
import { Mark } from "../../parts/Mark.tsx"
import { PageTitle } from "../../parts/PageTitle.tsx"
import { Problems } from "../../parts/Problems.tsx"
import { TabbedPage, TabbedPageSkeleton } from "../../parts/TabbedPage.tsx"
import { About } from "./About.tsx"
import { Actions } from "./Actions.tsx"
import { AttachedData } from "./AttachedData.tsx"
import { RunForm } from "./panel/RunForm.tsx"
import classes from "./Runnable.module.css"
import { Runs, runsPerPage } from "./Runs.tsx"
import { RunnablePageDocument, type RunnablePageFragment } from "./runnable.generated.ts"
import { RunnableSharing } from "./Sharing.tsx"
import { useLiveRuns } from "./useLiveRuns.ts"

export const CapsulePage = ({ params }: PageProps) => <RunnablePage id={params.id!} isPipeline={false} />
export const PipelinePage = ({ params }: PageProps) => <RunnablePage id={params.id!} isPipeline={true} />

const none: [] = []

/** A capsule or a pipeline: the same object with the same page. */
function RunnablePage({ id, isPipeline }: { id: string; isPipeline: boolean }) {
  const [query, change] = useQueryState()
  const from = query.get("from")
  const version = Number(query.get("version")) || undefined
  const page = usePage(RunnablePageDocument, {
    id,
    isPipeline,
    version: version ?? null,
    runs: runsPerPage,
    from: from ?? "",
    again: from !== null,
  })
  const runnable = page.data?.capsule ?? page.data?.pipeline
  const Icon = isPipeline ? PipelineIcon : CapsuleIcon
  const what = isPipeline ? "pipeline" : "capsule"
  // Until the first answer, what is missing has not been read. Afterwards, it is not there.
  const answered = useRef(false)
  if (!page.loading) answered.current = true
  const loading = !answered.current
  const { runs, add, live } = useLiveRuns(
    loading ? undefined : runnable?.id,
    runnable?.computations?.nodes ?? none,
    page.reload,
  )

  if (page.data !== undefined && !runnable && !loading && page.problems.length === 0) {
    return (
      <EmptyState as="h1" title={`There is no such ${what}, or you may not see it`}>
        <Button component="a" variant="default" {...linkTo(`search?type=${what}s`)}>
          Search {what}s
        </Button>
      </EmptyState>
    )
  }
  // What is not visible is marked where it would stand.
  const problems = page.problems.filter(({ is, paths }) => is !== "forbidden" || paths.some(isRoot))
  if (!runnable) {
    return (
      <>
        <PageTitle title={isPipeline ? "Pipeline" : "Capsule"} icon={<Icon />} />
        <Problems page={{ ...page, problems }} />
        {problems.length === 0 && <PageSkeleton />}
      </>
    )
  }
  return (
    <>
      <PageTitle title={runnable.name} icon={<Icon />}>
        <Actions runnable={runnable} />
      </PageTitle>
      <Problems page={{ ...page, problems }} live={live} />
      <Marks runnable={runnable} />
      <TabbedPage
        label={`Parts of this ${what}`}
        tabs={[
          { value: "runs", label: "Runs", content: <Runs runnable={runnable} runs={runs} loading={loading} /> },
          {
            value: "run",
            label: "New run",
            content: (
              <>
                <VersionChoice runnable={runnable} version={version} onChange={(next) => change({ version: next })} />
                {loading && !runnable.appPanel ? (
                  <Skeleton height={320} />
                ) : (
                  <RunForm
                    // The fields of another version, and the values of another run, are another form.
                    key={`${version} ${from}`}
                    runnable={runnable}
                    from={page.data?.computation ?? undefined}
                    version={version}
                    onStarted={(run) => add([run])}
                    onUnknown={() => {
                      page.reload()
                      change({ tab: null })
                    }}
                  />
                )}
              </>
            ),
          },
          {
            value: "data",
            label: "Data",
            content: (
              <AttachedData
                runnable={runnable}
                version={version}
                loading={loading}
                forbidden={isForbidden(page.problems, `${what}.appPanel.dataAssets`)}
                onChanged={page.reload}
              />
            ),
          },
          {
            value: "sharing",
            label: "Sharing",
            content: (
              <RunnableSharing
                runnable={runnable}
                loading={loading}
                forbidden={isForbidden(page.problems, `${what}.permissions`)}
              />
            ),
          },
        ]}
        about={<About runnable={runnable} />}
      />
    </>
  )
}

const isRoot = (path: string) => !path.includes(".")

/** States that everything on the page depends on. */
function Marks({ runnable: { status, archived } }: { runnable: RunnablePageFragment }) {
  if (status !== "RELEASE" && !archived) return null
  return (
    <div className={classes.marks}>
      {status === "RELEASE" && <Mark color="teal">Release</Mark>}
      {archived && <Mark>Archived</Mark>}
    </div>
  )
}

interface VersionChoiceProps {
  runnable: RunnablePageFragment
  version: number | undefined
  onChange(version: string | null): void
}

/** Which release to run. Each has a form of its own. */
function VersionChoice({ runnable, version, onChange }: VersionChoiceProps) {
  const majors = [...new Set((runnable.versions ?? []).flatMap((known) => known?.majorVersion ?? []))].toSorted(
    (a, b) => b - a,
  )
  if (majors.length === 0) return null
  return (
    <NativeSelect
      label="Version"
      maw={200}
      mb="md"
      value={version === undefined ? "" : String(version)}
      data={[
        { value: "", label: "Latest" },
        ...majors.map((major) => ({ value: String(major), label: `Version ${major}` })),
      ]}
      onChange={(event) => onChange(event.currentTarget.value || null)}
    />
  )
}

function PageSkeleton() {
  return (
    <TabbedPageSkeleton>
      <Skeleton height={28} width={260} mb="sm" />
      <Skeleton height={200} mb="md" />
      <Skeleton height={200} />
    </TabbedPageSkeleton>
  )
}
