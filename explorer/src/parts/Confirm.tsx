import { Button, Group, Stack } from "@mantine/core"
import { type ReactNode, useState } from "react"
import type { Change } from "../data/useChange.ts"
import { Dialog } from "./Dialog.tsx"
import { Refusal } from "./Refusal.tsx"

interface ConfirmProps {
  title: string
  /** What happens, with the name of the thing that it happens to. */
  children: ReactNode
  /** The verb on the button. */
  action: string
  change: Pick<Change<unknown, never>, "busy" | "refusal" | "problem" | "unknown">
  destructive?: boolean
  onConfirm(): void
  onClose(): void
}

/** Asks before something happens that cannot be undone, and shows why it was refused. The focus is on the way out. */
export function Confirm({ title, children, action, change, destructive = true, onConfirm, onClose }: ConfirmProps) {
  const [opened, setOpened] = useState(true)
  const close = () => {
    if (!change.busy) setOpened(false)
  }
  return (
    <Dialog opened={opened} onClose={close} onExitTransitionEnd={onClose} title={title} centered>
      <Stack gap="md">
        <div>{children}</div>
        <Refusal of={change} />
        <Group justify="flex-end" gap="sm">
          <Button variant="default" onClick={close} disabled={change.busy} data-autofocus>
            Cancel
          </Button>
          <Button {...(destructive && { color: "red" })} loading={change.busy} onClick={onConfirm}>
            {action}
          </Button>
        </Group>
      </Stack>
    </Dialog>
  )
}
