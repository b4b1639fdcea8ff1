import { Alert, Button, Group, Text } from "@mantine/core"
import { type ReactNode, useEffect, useRef, useState } from "react"
import { type Problem, passes } from "../data/problem.ts"
import type { Live } from "../data/useLive.ts"
import type { PageData } from "../data/usePage.ts"
import { Time } from "./Facts.tsx"
import { LockIcon, WarningIcon } from "./icons.tsx"

/*
 * The one place where a page says what went wrong. It stands above the content, which stays as it was where that is known.
 */

const titles: Readonly<Record<Problem["is"], string>> = {
  signIn: "Your session has ended",
  offline: "No connection to the gateway",
  codeOceanDown: "Code Ocean does not answer",
  rateLimited: "Too many requests",
  forbidden: "A part of this page is not visible to you",
  refused: "This request was refused",
  broken: "A part of this page could not be read",
}

/** Pauses between attempts while a problem lasts, in seconds. The last one is repeated. */
const pauses = [3, 5, 10, 20, 30]

interface ProblemsProps {
  page: Pick<PageData<unknown>, "data" | "problems" | "asOf" | "loading" | "reload">
  /** What follows the changes of the page. */
  live?: Live
}

export function Problems({ page, live }: ProblemsProps) {
  const [worst] = page.problems
  const nextAt = useRetry(page, worst)
  if (worst?.is === "signIn") return null
  if (worst === undefined || !passes(worst)) {
    return (
      <>
        {worst && <PageProblem page={page} worst={worst} nextAt={nextAt} />}
        {live && <LiveProblem live={live} />}
      </>
    )
  }
  // The stream has the same problem as the page.
  return <PageProblem page={page} worst={worst} nextAt={nextAt} />
}

function PageProblem({ page, worst, nextAt }: ProblemsProps & { worst: Problem; nextAt: number | undefined }) {
  const isEmpty = Object.values(page.data ?? {}).every((value) => typeof value !== "object" || value === null)
  return (
    <Notice
      title={worst.is === "forbidden" && isEmpty ? "This page is not visible to you" : titles[worst.is]}
      isLasting={!passes(worst)}
      icon={worst.is === "forbidden" ? <LockIcon /> : <WarningIcon />}
      button={
        worst.is !== "forbidden" && (
          <Button size="compact-sm" variant="default" loading={page.loading} onClick={page.reload}>
            Try again
          </Button>
        )
      }
    >
      {worst.is === "forbidden" ? <Forbidden problem={worst} isEmpty={isEmpty} /> : worst.message}{" "}
      {nextAt !== undefined && <NextAttempt at={nextAt} />}
      {page.asOf !== undefined && (
        <>
          {" "}
          You see what was known <Time of={page.asOf} />.
        </>
      )}
      {worst.requestId !== undefined && worst.is === "broken" && (
        <Text component="span" size="xs" c="dimmed">
          {" "}
          Request {worst.requestId}
        </Text>
      )}
    </Notice>
  )
}

/** Says that changes do not appear by themselves, why, and whether that passes. */
function LiveProblem({ live: { state, problem, restart } }: { live: Live }) {
  if (problem === undefined) return null
  const hasEnded = state === "ended"
  return (
    <Notice
      title={hasEnded ? "Changes no longer appear by themselves" : "Changes do not appear at present"}
      isLasting={hasEnded}
      icon={<WarningIcon />}
      button={
        <Button size="compact-sm" variant="default" loading={state === "connecting"} onClick={restart}>
          Follow again
        </Button>
      }
    >
      {problem.message} {!hasEnded && "The page tries again by itself."}
    </Notice>
  )
}

interface NoticeProps {
  title: string
  isLasting: boolean
  icon: ReactNode
  button: ReactNode
  children: ReactNode
}

function Notice({ title, isLasting, icon, button, children }: NoticeProps) {
  return (
    <Alert
      role="status"
      variant="light"
      color={isLasting ? "gray" : "yellow"}
      icon={icon}
      title={title}
      mb="md"
      styles={{ title: { color: "var(--mantine-color-text)" }, icon: { color: "var(--odd)" } }}
    >
      <Group justify="space-between" gap="xs">
        <Text size="sm">{children}</Text>
        {button}
      </Group>
    </Alert>
  )
}

/** What a field is called on pages, if its own name does not say it. */
const names: Readonly<Record<string, string>> = {
  recentComputations: "the recent runs",
  searchCapsules: "capsules",
  searchPipelines: "pipelines",
  searchDataAssets: "data assets",
  computation: "this run",
  computations: "the runs",
  capsule: "this capsule",
  archivedCapsules: "capsules",
  pipeline: "this pipeline",
  archivedPipelines: "pipelines",
  dataAsset: "this data asset",
  customMetadata: "the fields for custom metadata",
  attachedTo: "the capsules that use it",
  attachedToPipelines: "the pipelines that use it",
  permissions: "whom it is shared with",
}

function nameOf(path: string): string {
  const field = path.replace(/\.\d+/g, "").split(".").at(-1) ?? ""
  return names[field] ?? field.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
}

const listed = new Intl.ListFormat("en", { type: "disjunction" })

function Forbidden({ problem: { paths, requiredScope }, isEmpty }: { problem: Problem; isEmpty: boolean }): ReactNode {
  const hidden = [...new Set(paths.map(nameOf))]
  return (
    <>
      Your token may not see {hidden.length > 0 ? listed.format(hidden) : "this"}.{" "}
      {requiredScope !== undefined && `It lacks the scope “${requiredScope}”. `}
      {!isEmpty && "Everything else is here."}
    </>
  )
}

/** Counts the seconds. Screen readers are told of the problem once, and not of each second. */
function NextAttempt({ at }: { at: number }) {
  const [now, setNow] = useState(Date.now)
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1_000)
    return () => clearInterval(timer)
  }, [])
  const seconds = Math.max(1, Math.ceil((at - now) / 1_000))
  return (
    <span role="timer" aria-live="off">
      The page reads it again in {seconds} s.
    </span>
  )
}

/**
 * Reads a page again while a problem lasts that passes by itself, and the page is looked at. Returns when that will be.
 */
function useRetry(
  { loading, reload }: Pick<PageData<unknown>, "loading" | "reload">,
  worst: Problem | undefined,
): number | undefined {
  const attempt = useRef(0)
  const [nextAt, setNextAt] = useState<number>()
  const latest = useRef(reload)
  latest.current = reload
  const isWaiting = worst !== undefined && passes(worst) && worst.is !== "signIn"
  const retryAfter = worst?.retryAfterSeconds

  useEffect(() => {
    if (!isWaiting) attempt.current = 0
    if (!isWaiting || loading) return
    const seconds = retryAfter ?? pauses[Math.min(attempt.current, pauses.length - 1)]!
    let isDue = false
    const retry = () => {
      isDue = true
      if (document.hidden) return
      attempt.current++
      setNextAt(undefined)
      latest.current()
    }
    const timer = setTimeout(retry, seconds * 1_000)
    setNextAt(Date.now() + seconds * 1_000)
    // Whoever comes back to the page, and a computer that is online again, do not wait for the rest of the pause.
    const onVisible = () => {
      if (isDue) retry()
    }
    document.addEventListener("visibilitychange", onVisible)
    addEventListener("online", retry)
    return () => {
      clearTimeout(timer)
      document.removeEventListener("visibilitychange", onVisible)
      removeEventListener("online", retry)
      setNextAt(undefined)
    }
  }, [isWaiting, loading, retryAfter, worst])
  return nextAt
}
