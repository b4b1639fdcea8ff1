import { Badge, NativeSelect, Skeleton, Tabs } from "@mantine/core"
import { useMediaQuery } from "@mantine/hooks"
import { useRef } from "react"
import { useQueryState } from "../../app/router.ts"
import type { PageProps } from "../../app/routes.ts"
import { isForbidden } from "../../data/problem.ts"
import { usePage } from "../../data/usePage.ts"
import { EmptyState } from "../../parts/EmptyState.tsx"
import { CapsuleIcon, PipelineIcon } from "../../parts/icons.tsx"
import { PageTitle } from "../../parts/PageTitle.tsx"
import { Problems } from "../../parts/Problems.tsx"
import { About, AboutSkeleton } from "./About.tsx"
import { Actions } from "./Actions.tsx"
import { AttachedData } from "./AttachedData.tsx"
import { RunForm } from "./panel/RunForm.tsx"
import classes from "./Runnable.module.css"
import { Runs, runsPerPage } from "./Runs.tsx"
import { RunnablePageDocument, type RunnablePageFragment } from "./runnable.generated.ts"
import { Sharing } from "./Sharing.tsx"
import { useLiveRuns } from "./useLiveRuns.ts"

export const CapsulePage = ({ params }: PageProps) => <RunnablePage id={params.id!} isPipeline={false} />
export const PipelinePage = ({ params }: PageProps) => <RunnablePage id={params.id!} isPipeline={true} />

const none: [] = []

/** The style sheet has the same. */
const narrow = "(max-width: 68em)"

/** A capsule or a pipeline: the same object with the same page. */
function RunnablePage({ id, isPipeline }: { id: string; isPipeline: boolean }) {
  const [query, change] = useQueryState()
  const isNarrow = useMediaQuery(narrow, matchMedia(narrow).matches)
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
  const { runs, add } = useLiveRuns(loading ? undefined : runnable?.id, runnable?.computations?.nodes ?? none)

  if (page.data !== undefined && !runnable && !loading && page.problems.length === 0) {
    return <EmptyState as="h1" title={`There is no such ${what}, or you may not see it`} />
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
  const tabs = [
    ["runs", "Runs"],
    ["run", "New run"],
    ["data", "Data"],
    ["sharing", "Sharing"],
    ...(isNarrow ? [["about", "About"]] : []),
  ] as [string, string][]
  const asked = query.get("tab")
  const tab = tabs.some(([value]) => value === asked) ? asked! : "runs"

  return (
    <>
      <PageTitle title={runnable.name} icon={<Icon />}>
        <Actions runnable={runnable} />
      </PageTitle>
      <Problems page={{ ...page, problems }} />
      <Marks runnable={runnable} />
      <div className={classes.page}>
        <Tabs
          value={tab}
          onChange={(value) => change({ tab: value === "runs" ? null : value })}
          keepMounted={false}
          className={classes.tabs}
        >
          <Tabs.List aria-label={`Parts of this ${what}`}>
            {tabs.map(([value, label]) => (
              <Tabs.Tab key={value} value={value}>
                {label}
              </Tabs.Tab>
            ))}
          </Tabs.List>
          <Tabs.Panel value="runs" pt="md">
            <Runs runnable={runnable} runs={runs} loading={loading} />
          </Tabs.Panel>
          <Tabs.Panel value="run" pt="md">
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
          </Tabs.Panel>
          <Tabs.Panel value="data" pt="md">
            <AttachedData runnable={runnable} version={version} loading={loading} onChanged={page.reload} />
          </Tabs.Panel>
          <Tabs.Panel value="sharing" pt="md">
            <Sharing
              runnable={runnable}
              loading={loading}
              forbidden={isForbidden(page.problems, `${what}.permissions`)}
            />
          </Tabs.Panel>
          {isNarrow && (
            <Tabs.Panel value="about" pt="md">
              <About runnable={runnable} />
            </Tabs.Panel>
          )}
        </Tabs>
        {!isNarrow && (
          <aside aria-label="About">
            <About runnable={runnable} />
          </aside>
        )}
      </div>
    </>
  )
}

const isRoot = (path: string) => !path.includes(".")

/** States that everything on the page depends on. */
function Marks({ runnable: { status, archived } }: { runnable: RunnablePageFragment }) {
  if (status !== "RELEASE" && !archived) return null
  return (
    <div className={classes.marks}>
      {status === "RELEASE" && (
        <Badge variant="light" color="teal" tt="none" c="var(--mantine-color-text)">
          Release
        </Badge>
      )}
      {archived && (
        <Badge variant="light" color="gray" tt="none" c="var(--mantine-color-text)">
          Archived
        </Badge>
      )}
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
    <div className={classes.page} aria-hidden="true">
      <div>
        <Skeleton height={36} mb="md" />
        <Skeleton height={28} width={260} mb="sm" />
        <Skeleton height={200} mb="md" />
        <Skeleton height={200} />
      </div>
      <aside>
        <AboutSkeleton />
      </aside>
    </div>
  )
}
