import { Skeleton, Text } from "@mantine/core"
import { useQueryState } from "../../app/router.ts"
import { Preview } from "./Preview.tsx"
import { ResultTree } from "./ResultTree.tsx"
import classes from "./Run.module.css"
import type { RunPageQuery } from "./run.generated.ts"
import { useResults } from "./useResults.ts"

type Run = NonNullable<RunPageQuery["computation"]>

interface ResultsProps {
  run: Run
  loading: boolean
}

/** The files of the results, and the one that is looked at, which the address names. */
export function Results({ run, loading }: ResultsProps) {
  const [query, change] = useQueryState()
  const file = query.get("file")
  const { rows, toggle, read } = useResults(run.id, run.results?.entries)
  const hasFiles = rows.length > 0
  return (
    <section aria-label="Results">
      <h2 className={classes.heading}>Results</h2>
      {loading && !hasFiles ? (
        <Skeleton height={150} />
      ) : hasFiles || file !== null ? (
        <div className={classes.results}>
          <ResultTree
            rows={rows}
            selected={file}
            onSelect={(path) => change({ file: path }, { replace: true })}
            onToggle={toggle}
            onMore={(folder) => void read(folder)}
          />
          {file === null ? (
            <Text size="sm" c="dimmed" py="xs">
              Choose a file to look at it.
            </Text>
          ) : (
            <Preview id={run.id} path={file} />
          )}
        </div>
      ) : (
        <Text size="sm" c="dimmed">
          {run.outcome === "IN_PROGRESS" ? "They appear when the run has ended." : "It has no results."}
        </Text>
      )}
    </section>
  )
}
