import { Alert, Text } from "@mantine/core"
import type { Change } from "../data/useChange.ts"
import { sentence } from "./format.ts"
import { LockIcon, WarningIcon } from "./icons.tsx"

const titles: Readonly<Record<string, string>> = {
  FORBIDDEN: "You may not do this",
  NOT_FOUND: "It does not exist",
  CONFLICT: "It has changed meanwhile",
  LOCKED: "It is locked",
}

interface Named {
  id: string
  name: string
}

/** Why a change was not made: a refusal, or a failure. It stands in the form that the change was made with. */
export function Refusal({ of }: { of: Pick<Change<unknown, never>, "refusal" | "problem" | "unknown"> }) {
  const { refusal, problem, unknown } = of
  if (refusal !== undefined) {
    const blamed = namesIn(refusal.details)
    return (
      <Notice title={titles[refusal.code] ?? "This was refused"} locked={refusal.code === "FORBIDDEN"}>
        <Text size="sm">{sentence(refusal.message)}</Text>
        {blamed.length > 0 && <Text size="sm">It is about: {blamed.map(({ name }) => name).join(", ")}.</Text>}
        {refusal.requiredScope && <Text size="sm">The access token lacks the scope “{refusal.requiredScope}”.</Text>}
      </Notice>
    )
  }
  if (problem === undefined || problem.is === "signIn") return null
  return (
    <Notice title={unknown ? "It is not known whether this was done" : "This was not done"}>
      <Text size="sm">
        {sentence(problem.message)} {unknown ? "See whether it was done before you try again." : ""}
        {problem.retryAfterSeconds !== undefined && `Try again in ${problem.retryAfterSeconds} s.`}
      </Text>
      {problem.requestId !== undefined && (
        <Text size="xs" c="dimmed">
          Request {problem.requestId}
        </Text>
      )}
    </Notice>
  )
}

function Notice({ title, locked = false, children }: { title: string; locked?: boolean; children: React.ReactNode }) {
  return (
    <Alert
      role="alert"
      variant="light"
      color="red"
      title={title}
      icon={locked ? <LockIcon /> : <WarningIcon />}
      styles={{ title: { color: "var(--mantine-color-text)" }, icon: { color: "var(--bad)" } }}
    >
      {children}
    </Alert>
  )
}

/** The data assets that Code Ocean names in a refusal. */
function namesIn(details: unknown): Named[] {
  const listed = (details as { datasets?: unknown } | null | undefined)?.datasets
  if (!Array.isArray(listed)) return []
  return listed.filter((entry): entry is Named => typeof (entry as Named | null)?.name === "string").slice(0, 10)
}
