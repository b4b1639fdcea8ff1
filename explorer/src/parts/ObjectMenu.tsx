import { ActionIcon, Menu, Text } from "@mantine/core"
import { type ReactNode, useState } from "react"
import { linkTo } from "../app/router.ts"
import type { Change } from "../data/useChange.ts"
import { Confirm } from "./Confirm.tsx"
import { MoreIcon } from "./icons.tsx"

type Shown = Pick<Change<unknown, never>, "busy" | "refusal" | "problem" | "unknown" | "clear">

interface ObjectMenuProps {
  /** What it is, such as "capsule". */
  what: string
  name: string
  /** Null or undefined if it is unknown. Then both ways are offered. */
  archived: boolean | null | undefined
  /** The path at which it is shared. */
  sharing: string
  /** Further items of the menu. */
  children?: ReactNode
  archive: Shown
  /** Resolves with whether it was done. */
  onArchive(archived: boolean): Promise<boolean>
  remove: Shown
  /** What is deleted with it, such as ", its runs and their results". */
  parts: string
  /** What else should be known before it is deleted. */
  warning?: ReactNode
  onDelete(): void
}

/** What can be done with an object as a whole: share, archive and delete. Refusals are shown where it was asked for. */
export function ObjectMenu({
  what,
  name,
  archived,
  sharing,
  children,
  archive,
  onArchive,
  remove,
  parts,
  warning,
  onDelete,
}: ObjectMenuProps) {
  const [asked, setAsked] = useState<"archive" | "take out" | "delete">()
  const close = (change: Shown) => {
    change.clear()
    setAsked(undefined)
  }
  const puts = asked === "archive"
  return (
    <>
      <Menu position="bottom-end" width={200} shadow="md">
        <Menu.Target>
          <ActionIcon variant="default" size={36} aria-label={`More about this ${what}`}>
            <MoreIcon />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          {children}
          <Menu.Item component="a" {...linkTo(sharing)}>
            Share
          </Menu.Item>
          {archived !== true && <Menu.Item onClick={() => setAsked("archive")}>Archive</Menu.Item>}
          {archived !== false && <Menu.Item onClick={() => setAsked("take out")}>Take out of the archive</Menu.Item>}
          <Menu.Divider />
          <Menu.Item c="var(--bad)" onClick={() => setAsked("delete")}>
            Delete
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      {(asked === "archive" || asked === "take out") && (
        <Confirm
          title={puts ? `Archive this ${what}` : `Take this ${what} out of the archive`}
          action={puts ? "Archive" : "Take out"}
          destructive={false}
          change={archive}
          onConfirm={async () => {
            if (await onArchive(puts)) setAsked(undefined)
          }}
          onClose={() => close(archive)}
        >
          <Text size="sm">
            <strong>{name}</strong>{" "}
            {puts
              ? "will be found only by searches of the archive. It can be taken out again."
              : "will be found by searches again."}
          </Text>
        </Confirm>
      )}
      {asked === "delete" && (
        <Confirm
          title={`Delete this ${what}`}
          action="Delete"
          change={remove}
          onConfirm={onDelete}
          onClose={() => close(remove)}
        >
          <Text size="sm">
            <strong>{name}</strong>
            {parts} will be deleted. This cannot be undone.
          </Text>
          {warning}
        </Confirm>
      )}
    </>
  )
}
