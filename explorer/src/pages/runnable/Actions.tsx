import { Button, Group } from "@mantine/core"
import { runnablePath } from "../../app/paths.ts"
import { linkTo, navigate } from "../../app/router.ts"
import { useChange } from "../../data/useChange.ts"
import { ObjectMenu } from "../../parts/ObjectMenu.tsx"
import { ArchiveRunnableDocument, DeleteRunnableDocument } from "./changes.generated.ts"
import type { RunnablePageFragment } from "./runnable.generated.ts"

interface ActionsProps {
  runnable: Pick<RunnablePageFragment, "__typename" | "id" | "name" | "archived">
}

/** What can be done with a capsule or pipeline as a whole. */
export function Actions({ runnable }: ActionsProps) {
  const archive = useChange(ArchiveRunnableDocument)
  const remove = useChange(DeleteRunnableDocument)
  const { id, name, archived } = runnable
  const isPipeline = runnable.__typename === "Pipeline"
  const what = isPipeline ? "pipeline" : "capsule"

  return (
    <Group gap="xs" wrap="nowrap">
      <Button component="a" size="sm" {...linkTo(`${runnablePath(runnable)}?tab=run`)}>
        New run
      </Button>
      <ObjectMenu
        what={what}
        name={name}
        archived={archived}
        sharing={`${runnablePath(runnable)}?tab=sharing`}
        archive={archive}
        onArchive={async (to) => (await archive.send({ id, archived: to, isPipeline })) !== undefined}
        remove={remove}
        parts=", all of its runs and their results"
        onDelete={async () => {
          if ((await remove.send({ id, isPipeline })) === undefined) return
          navigate(`search?type=${what}s`, { replace: true })
        }}
      />
    </Group>
  )
}
