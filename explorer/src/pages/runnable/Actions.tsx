import { ActionIcon, Button, Group, Menu, Text } from "@mantine/core"
import { useState } from "react"
import { runnablePath } from "../../app/paths.ts"
import { linkTo, navigate } from "../../app/router.ts"
import { useChange } from "../../data/useChange.ts"
import { Confirm } from "../../parts/Confirm.tsx"
import { MoreIcon } from "../../parts/icons.tsx"
import { ArchiveRunnableDocument, DeleteRunnableDocument } from "./changes.generated.ts"
import type { RunnablePageFragment } from "./runnable.generated.ts"

interface ActionsProps {
  runnable: Pick<RunnablePageFragment, "__typename" | "id" | "name" | "archived">
}

/** What can be done with a capsule or pipeline as a whole. */
export function Actions({ runnable }: ActionsProps) {
  const [asked, setAsked] = useState<"archive" | "delete">()
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
      <Menu position="bottom-end" width={200} shadow="md">
        <Menu.Target>
          <ActionIcon variant="default" size={30} aria-label={`More about this ${what}`}>
            <MoreIcon />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item component="a" {...linkTo(`${runnablePath(runnable)}?tab=sharing`)}>
            Share
          </Menu.Item>
          <Menu.Item onClick={() => setAsked("archive")}>{archived ? "Take out of the archive" : "Archive"}</Menu.Item>
          <Menu.Divider />
          <Menu.Item color="red" onClick={() => setAsked("delete")}>
            Delete
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      {asked === "archive" && (
        <Confirm
          title={archived ? "Take out of the archive" : "Archive"}
          action={archived ? "Take out" : "Archive"}
          destructive={false}
          change={archive}
          onConfirm={async () => {
            if ((await archive.send({ id, archived: !archived, isPipeline })) === undefined) return
            setAsked(undefined)
          }}
          onClose={() => {
            archive.clear()
            setAsked(undefined)
          }}
        >
          <Text size="sm">
            <strong>{name}</strong>{" "}
            {archived
              ? "will be found by searches again."
              : "will be found only by searches of the archive. It can be taken out again."}
          </Text>
        </Confirm>
      )}
      {asked === "delete" && (
        <Confirm
          title={`Delete this ${what}`}
          action="Delete"
          change={remove}
          onConfirm={async () => {
            if ((await remove.send({ id, isPipeline })) === undefined) return
            navigate(`search?type=${what}s`, { replace: true })
          }}
          onClose={() => {
            remove.clear()
            setAsked(undefined)
          }}
        >
          <Text size="sm">
            <strong>{name}</strong>, all of its runs and their results will be deleted. This cannot be undone.
          </Text>
        </Confirm>
      )}
    </Group>
  )
}
