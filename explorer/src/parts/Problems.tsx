import { Alert, Button, Group, Text } from "@mantine/core"
import { type ReactNode, useEffect, useState } from "react"
import { type Problem, passes } from "../data/problem.ts"
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

const advice: Readonly<Partial<Record<Problem["is"], string>>> = {
  codeOceanDown: "The page reads it again by itself.",
  offline: "The page tries again by itself.",
}

/** Pauses between attempts while a problem lasts, in seconds. The last one is repeated. */
const pauses = [3, 5, 10, 20, 30]

export function Problems({
  page,
}: {
  page: Pick<PageData<unknown>, "data" | "problems" | "asOf" | "loading" | "reload">
}) {
  const [worst] = page.problems
  useRetry(page, worst)
  if (worst === undefined || worst.is === "signIn") return null
  const lasting = !passes(worst)
  return (
    <Alert
      role="status"
      variant="light"
      color={lasting ? "gray" : "yellow"}
      icon={worst.is === "forbidden" ? <LockIcon /> : <WarningIcon />}
      title={titles[worst.is]}
      mb="md"
      styles={{ title: { color: "var(--mantine-color-text)" }, icon: { color: "var(--odd)" } }}
    >
      <Group justify="space-between" gap="xs">
        <Text size="sm">
          {worst.is === "forbidden" ? <ForbiddenPaths paths={worst.paths} /> : worst.message} {advice[worst.is]}
          {page.asOf !== undefined && (
            <>
              {" "}
              You see what was known <Time of={page.asOf} />.
            </>
          )}
          {worst.requestId !== undefined && lasting && worst.is === "broken" && (
            <Text component="span" size="xs" c="dimmed">
              {" "}
              Request {worst.requestId}
            </Text>
          )}
        </Text>
        {worst.is !== "forbidden" && (
          <Button size="compact-sm" variant="default" loading={page.loading} onClick={page.reload}>
            Try again
          </Button>
        )}
      </Group>
    </Alert>
  )
}

/** The name of a field as people say it: `searchDataAssets` is "data assets". */
const wordsOf = (field: string): string =>
  field
    .replace(/^search(?=[A-Z])/, "")
    .replace(/[A-Z]/g, (letter, at) => `${at === 0 ? "" : " "}${letter.toLowerCase()}`)

function ForbiddenPaths({ paths }: { paths: string[] }): ReactNode {
  const shown = [...new Set(paths.map((path) => wordsOf(path.replace(/\.\d+/g, "").split(".").at(-1) ?? "")))]
  return <>Your token may not see {shown.length > 0 ? shown.join(", ") : "this"}. Everything else is here.</>
}

/** Reads a page again while a problem lasts that passes by itself, and the page is looked at. */
function useRetry(
  { loading, reload }: Pick<PageData<unknown>, "loading" | "reload">,
  worst: Problem | undefined,
): void {
  const [attempt, setAttempt] = useState(0)
  const waits = worst !== undefined && passes(worst) && worst.is !== "signIn"
  useEffect(() => {
    if (!waits) setAttempt(0)
    if (!waits || loading) return
    const seconds = worst?.retryAfterSeconds ?? pauses[Math.min(attempt, pauses.length - 1)]!
    const timer = setTimeout(() => {
      setAttempt((count) => count + 1)
      if (!document.hidden) reload()
    }, seconds * 1_000)
    return () => clearTimeout(timer)
  })
}
