import { Text } from "@mantine/core"
import type { ReactNode } from "react"
import { isForbidden, type Problem } from "../../data/problem.ts"
import { sentence } from "../../parts/format.ts"
import { LockIcon } from "../../parts/icons.tsx"
import classes from "./DataAsset.module.css"

export function Section({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className={classes.section}>
      <h2>{title}</h2>
      {children}
    </section>
  )
}

export function None({ children }: { children: ReactNode }) {
  return (
    <Text size="sm" c="dimmed">
      {children}
    </Text>
  )
}

/** In the place of a part that could not be read. */
export function Unread({ problems, path }: { problems: readonly Problem[]; path: string }) {
  const problem = problems.find(({ paths }) => paths.some((failed) => failed.startsWith(path)))
  return (
    <Text size="sm" c="dimmed" className="outcome" style={{ whiteSpace: "normal" }}>
      <LockIcon />{" "}
      {isForbidden(problems, path)
        ? `Your token may not see this.${problem?.requiredScope ? ` It lacks the scope “${problem.requiredScope}”.` : ""}`
        : sentence(problem?.message ?? "This could not be read")}
    </Text>
  )
}
