import { Button, Text } from "@mantine/core"
import { useState } from "react"
import { runnablePath, runPath } from "../../app/paths.ts"
import { linkTo } from "../../app/router.ts"
import { problemsOf } from "../../data/problem.ts"
import { useRead } from "../../data/useRead.ts"
import { Outcome, Time } from "../../parts/Facts.tsx"
import { CapsuleIcon, PipelineIcon } from "../../parts/icons.tsx"
import classes from "./DataAsset.module.css"
import { MoreUsersDocument, OlderRunsDocument, type UsedByFragment, type UserFragment } from "./dataAsset.generated.ts"

/** The capsules and pipelines that have the data asset attached. */
export function usersOf({ attachedTo, attachedToPipelines }: UsedByFragment): UserFragment[] {
  return [...(attachedTo?.nodes ?? []), ...(attachedToPipelines?.nodes ?? [])].filter((user) => user !== null)
}

/** Who uses the data asset, with their last runs that had it. */
export function UsedBy({ id, of }: { id: string; of: UsedByFragment }) {
  const read = useRead()
  const [state, setState] = useState<{ busy: boolean; problem?: string | undefined }>({ busy: false })
  const users = usersOf(of)
  const further = [
    { isPipeline: false, pageInfo: of.attachedTo?.pageInfo },
    { isPipeline: true, pageInfo: of.attachedToPipelines?.pageInfo },
  ].flatMap(({ isPipeline, pageInfo }) =>
    pageInfo?.hasNextPage && pageInfo.endCursor !== null ? [{ isPipeline, after: pageInfo.endCursor }] : [],
  )

  async function more() {
    setState({ busy: true })
    const answers = await Promise.all(further.map((list) => read(MoreUsersDocument, { id, ...list }, "network-only")))
    setState({ busy: false, problem: answers.flatMap((answer) => problemsOf(answer?.error))[0]?.message })
  }

  if (users.length === 0) {
    return (
      <Text size="sm" c="dimmed">
        No capsule and no pipeline has it attached.
      </Text>
    )
  }
  return (
    <>
      <ul className={classes.list}>
        {users.map((user) => (
          <User key={user.id} user={user} id={id} />
        ))}
      </ul>
      {further.length > 0 && (
        <Button variant="default" size="compact-sm" mt="sm" loading={state.busy} onClick={() => void more()}>
          Show more
        </Button>
      )}
      {state.problem && (
        <Text size="sm" c="red" role="alert" mt="xs">
          {state.problem}
        </Text>
      )}
    </>
  )
}

function User({ user, id }: { user: UserFragment; id: string }) {
  const read = useRead()
  const [state, setState] = useState<{ busy: boolean; problem?: string | undefined }>({ busy: false })
  const end = user.computations?.pageInfo
  const after = end?.hasNextPage ? end.endCursor : null

  async function readOlder(cursor: string) {
    setState({ busy: true })
    const variables = { id, of: user.id, isPipeline: user.__typename === "Pipeline", after: cursor }
    const result = await read(OlderRunsDocument, variables, "network-only")
    if (result === undefined) return
    const { error } = result
    setState({ busy: false, problem: problemsOf(error)[0]?.message })
  }

  const runs = (user.computations?.nodes ?? []).filter((run) => run !== null)
  return (
    <>
      <li>
        {user.__typename === "Pipeline" ? <PipelineIcon /> : <CapsuleIcon />}
        <a {...linkTo(runnablePath(user))} className="text-link truncate">
          {user.name}
        </a>
        {runs.length === 0 && <span className={classes.end}>no run with it</span>}
      </li>
      {runs.map((run) => (
        <li key={run.id} className={classes.runs}>
          <Outcome of={run.outcome} />
          <a {...linkTo(runPath({ id: run.id, runnable: user }))} className="text-link truncate">
            {run.name}
          </a>
          <span className={classes.end}>
            <Time of={run.created} />
          </span>
        </li>
      ))}
      {after !== null && (
        <li className={classes.runs}>
          <Button variant="default" size="compact-xs" loading={state.busy} onClick={() => void readOlder(after)}>
            Older runs of {user.name}
          </Button>
          {state.problem && <span role="alert">{state.problem}</span>}
        </li>
      )}
    </>
  )
}
