import { ActionIcon, Button, Group, Menu, Stack, Text, TextInput } from "@mantine/core"
import { type FormEvent, useState } from "react"
import { runnablePath } from "../../app/paths.ts"
import { linkTo, navigate } from "../../app/router.ts"
import type { ComputationOutcome } from "../../data/schema.generated.ts"
import { useChange } from "../../data/useChange.ts"
import { useDraft } from "../../data/useDraft.ts"
import { Confirm } from "../../parts/Confirm.tsx"
import { Dialog } from "../../parts/Dialog.tsx"
import { MoreIcon } from "../../parts/icons.tsx"
import { Refusal } from "../../parts/Refusal.tsx"
import { DeleteRunDocument, RenameRunDocument } from "./changes.generated.ts"

interface RunActionsProps {
  run: { id: string; name: string; outcome: ComputationOutcome; hasResults: boolean | null }
  runnable: { __typename: "Capsule" | "Pipeline"; id: string } | undefined
  onCapture(): void
}

/** What can be done with a run as a whole. */
export function RunActions({ run, runnable, onCapture }: RunActionsProps) {
  const [asked, setAsked] = useState<"rename" | "delete">()
  const remove = useChange(DeleteRunDocument)
  const isRunning = run.outcome === "IN_PROGRESS"
  return (
    <Group gap="xs" wrap="nowrap">
      {runnable && (
        <Button
          component="a"
          size="sm"
          variant="default"
          {...linkTo(`${runnablePath(runnable)}?tab=run&from=${run.id}`)}
        >
          Run again
        </Button>
      )}
      {(isRunning || run.hasResults !== false) && (
        <Button size="sm" onClick={onCapture}>
          Capture
        </Button>
      )}
      <Menu position="bottom-end" width={200} shadow="md">
        <Menu.Target>
          <ActionIcon variant="default" size={36} aria-label="More about this run">
            <MoreIcon />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item onClick={() => setAsked("rename")}>Rename</Menu.Item>
          <Menu.Divider />
          <Menu.Item c="var(--bad)" onClick={() => setAsked("delete")}>
            {isRunning ? "Stop and delete" : "Delete"}
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      {asked === "rename" && <Rename run={run} onClose={() => setAsked(undefined)} />}
      {asked === "delete" && (
        <Confirm
          title={isRunning ? "Stop and delete this run" : "Delete this run"}
          action={isRunning ? "Stop and delete" : "Delete"}
          change={remove}
          onConfirm={async () => {
            if ((await remove.send({ input: { id: run.id } })) === undefined) return
            navigate(runnable ? runnablePath(runnable) : "", { replace: true })
          }}
          onClose={() => {
            remove.clear()
            setAsked(undefined)
          }}
        >
          <Text size="sm">
            <strong>{run.name}</strong> and its results will be deleted. This cannot be undone.
            {isRunning && " Code Ocean cannot stop a run and keep it."}
          </Text>
        </Confirm>
      )}
    </Group>
  )
}

function Rename({ run, onClose }: { run: RunActionsProps["run"]; onClose(): void }) {
  const [opened, setOpened] = useState(true)
  const [draft, changeDraft, dropDraft] = useDraft<string>(`rename ${run.id}`)
  const [tried, setTried] = useState(false)
  const change = useChange(RenameRunDocument)
  const name = draft ?? run.name
  const problem = name.trim() === "" ? "Needs a name." : undefined
  async function submit(event: FormEvent) {
    event.preventDefault()
    setTried(true)
    if (problem !== undefined) return
    if ((await change.send({ input: { id: run.id, name: name.trim() } })) === undefined) return
    dropDraft()
    setOpened(false)
  }
  return (
    <Dialog
      opened={opened}
      onClose={() => !change.busy && setOpened(false)}
      onExitTransitionEnd={onClose}
      title="Rename this run"
      centered
    >
      <form noValidate onSubmit={(event) => void submit(event)}>
        <Stack gap="sm">
          <TextInput
            label="Name"
            value={name}
            error={tried ? problem : undefined}
            data-autofocus
            autoComplete="off"
            onChange={({ currentTarget: { value } }) => changeDraft(() => value)}
          />
          <Refusal of={change} />
          <Group justify="flex-end">
            <Button type="submit" loading={change.busy}>
              Rename
            </Button>
          </Group>
        </Stack>
      </form>
    </Dialog>
  )
}
