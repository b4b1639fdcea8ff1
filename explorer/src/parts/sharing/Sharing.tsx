import { ActionIcon, Alert, Button, NativeSelect, Skeleton, Stack, Text, TextInput } from "@mantine/core"
import { type FormEvent, useState } from "react"
import type { EveryoneRole, GroupRole, UpdateDataAssetPermissionsInput, UserRole } from "../../data/schema.generated.ts"
import type { Change } from "../../data/useChange.ts"
import { useDraft } from "../../data/useDraft.ts"
import { Confirm } from "../Confirm.tsx"
import { EmptyState } from "../EmptyState.tsx"
import { CrossIcon, LockIcon, UserIcon, WarningIcon } from "../icons.tsx"
import { Refusal } from "../Refusal.tsx"
import classes from "./Sharing.module.css"
import type { SharingFragment } from "./sharing.generated.ts"

export type SharingInput = Omit<UpdateDataAssetPermissionsInput, "dataAssetId">

/** What the permissions are after a change, compared with what was sent. */
interface Result {
  missing: SharingFragment | null
  remaining: SharingFragment | null
}

interface SharingProps {
  id: string
  name: string
  permissions: SharingFragment | null | undefined
  loading: boolean
  forbidden: boolean
  /** What everyone may do who may see it, such as "see and run it". */
  seeing: string
  change: Pick<Change<unknown, never>, "busy" | "refusal" | "problem" | "unknown" | "clear">
  /** Sends a change. Undefined if it was refused or failed. */
  onChange(input: SharingInput): Promise<Result | undefined>
}

/** Someone who has access: a person or a group. */
interface Entry {
  is: "user" | "group"
  name: string
  role: UserRole | GroupRole | null
}

interface Draft {
  is: Entry["is"]
  name: string
  role: "EDITOR" | "VIEWER" | "DISCOVERABLE"
}

const fresh: Draft = { is: "user", name: "", role: "VIEWER" }

const roleLabels: Readonly<Record<UserRole | GroupRole, string>> = {
  OWNER: "Owner",
  EDITOR: "Editor",
  VIEWER: "Viewer",
  DISCOVERABLE: "Can find it",
  UNRECOGNIZED: "Unknown role",
}

/** Who may do what, and how to change it. */
export function Sharing({ id, name, permissions, loading, forbidden, seeing, change, onChange }: SharingProps) {
  const [missed, setMissed] = useState<string[]>([])
  const [removing, setRemoving] = useState<Entry>()
  const [draft, changeDraft, dropDraft] = useDraft<Draft>(`share ${id}`)
  const [tried, setTried] = useState(false)
  const given = draft ?? fresh
  const problem = given.name.trim() === "" ? "Needs a value." : undefined

  if (!permissions && loading) return <Skeleton height={160} />
  if (!permissions) {
    return (
      <EmptyState
        title={forbidden ? "You may not see who it is shared with" : "Who it is shared with could not be read"}
      >
        {forbidden && <LockIcon />}
      </EmptyState>
    )
  }

  const entries = entriesOf(permissions)

  /** Sends a change, and says what of it is not in effect: Code Ocean drops names that it does not know. */
  async function send(input: SharingInput): Promise<boolean> {
    setMissed([])
    const payload = await onChange(input)
    if (payload === undefined) return false
    setMissed([
      ...namesIn(payload.missing).map((missing) => `${missing} was not added. Code Ocean may not know the name.`),
      ...namesIn(payload.remaining).map((remaining) => `${remaining} still has access.`),
    ])
    return true
  }

  async function add(event: FormEvent) {
    event.preventDefault()
    setTried(true)
    if (problem !== undefined) return
    const target = given.name.trim()
    const done = await send(
      given.is === "user"
        ? { addUsers: [{ email: target, role: given.role === "EDITOR" ? "EDITOR" : "VIEWER" }] }
        : { addGroups: [{ group: target, role: given.role }] },
    )
    if (done) {
      dropDraft()
      setTried(false)
    }
  }

  return (
    <section aria-label="Sharing">
      <Stack gap="md">
        <NativeSelect
          label="Everyone in this Code Ocean"
          maw={320}
          value={permissions.everyone ?? "NONE"}
          disabled={change.busy}
          data={[
            { value: "NONE", label: "No access" },
            { value: "DISCOVERABLE", label: "Can find it" },
            { value: "VIEWER", label: `Can ${seeing}` },
          ]}
          onChange={(event) => void send({ everyone: event.currentTarget.value as EveryoneRole })}
        />
        {entries.length === 0 && (
          <Text size="sm" c="dimmed">
            Nobody else is named.
          </Text>
        )}
        <ul className={classes.rows} aria-label="People and groups">
          {entries.map((entry) => (
            <li key={`${entry.is} ${entry.name}`} className={classes.person}>
              <UserIcon />
              <span className="truncate" title={entry.name}>
                {entry.name}
                {entry.is === "group" && (
                  <Text span size="xs" c="dimmed">
                    {" "}
                    group
                  </Text>
                )}
              </span>
              <Text span size="sm" c="dimmed">
                {entry.role === null ? "" : roleLabels[entry.role]}
              </Text>
              {entry.role !== "OWNER" && (
                <ActionIcon
                  variant="subtle"
                  color="gray"
                  c="dimmed"
                  aria-label={`Remove ${entry.name}`}
                  title="Remove"
                  onClick={() => {
                    change.clear()
                    setRemoving(entry)
                  }}
                >
                  <CrossIcon width="14" height="14" />
                </ActionIcon>
              )}
            </li>
          ))}
        </ul>
        <form noValidate onSubmit={(event) => void add(event)} aria-label="Share" className={classes.share}>
          <NativeSelect
            label="Share with"
            value={given.is}
            data={[
              { value: "user", label: "A person" },
              { value: "group", label: "A group" },
            ]}
            onChange={({ currentTarget: { value } }) => changeDraft(() => ({ ...fresh, is: value as Entry["is"] }))}
          />
          <TextInput
            label={given.is === "user" ? "Email address" : "Name of the group"}
            type={given.is === "user" ? "email" : "text"}
            value={given.name}
            error={tried ? problem : undefined}
            autoComplete="off"
            onChange={({ currentTarget: { value } }) =>
              changeDraft((before) => ({ ...(before ?? fresh), name: value }))
            }
          />
          <NativeSelect
            label="Role"
            value={given.role}
            data={(given.is === "user"
              ? (["VIEWER", "EDITOR"] as const)
              : (["VIEWER", "EDITOR", "DISCOVERABLE"] as const)
            ).map((value) => ({ value, label: roleLabels[value] }))}
            onChange={({ currentTarget: { value } }) =>
              changeDraft((before) => ({ ...(before ?? fresh), role: value as Draft["role"] }))
            }
          />
          <Button type="submit" variant="default" loading={change.busy && removing === undefined}>
            Share
          </Button>
        </form>
        {missed.length > 0 && (
          <Alert
            role="alert"
            variant="light"
            color="yellow"
            icon={<WarningIcon />}
            title="Not everything is in effect"
            styles={{ title: { color: "var(--mantine-color-text)" }, icon: { color: "var(--odd)" } }}
          >
            {missed.map((text) => (
              <Text key={text} size="sm">
                {text}
              </Text>
            ))}
          </Alert>
        )}
        {removing === undefined && <Refusal of={change} />}
      </Stack>
      {removing && (
        <Confirm
          title="Stop sharing"
          action="Remove"
          change={change}
          onConfirm={async () => {
            const input = removing.is === "user" ? { removeUsers: [removing.name] } : { removeGroups: [removing.name] }
            if (await send(input)) setRemoving(undefined)
          }}
          onClose={() => {
            change.clear()
            setRemoving(undefined)
          }}
        >
          <Text size="sm">
            <strong>{removing.name}</strong> will lose the access to {name} as{" "}
            {roleLabels[removing.role ?? "UNRECOGNIZED"]}.
          </Text>
        </Confirm>
      )}
    </section>
  )
}

function entriesOf({ users, groups }: SharingFragment): Entry[] {
  return [
    ...(users ?? []).map((user): Entry => ({ is: "user", name: user?.email ?? "", role: user?.role ?? null })),
    ...(groups ?? []).map((group): Entry => ({ is: "group", name: group?.group ?? "", role: group?.role ?? null })),
  ].filter((entry) => entry.name !== "")
}

function namesIn(permissions: SharingFragment | null | undefined): string[] {
  if (!permissions) return []
  return [
    ...entriesOf(permissions).map((entry) => entry.name),
    ...(permissions.everyone ? ["The access of everyone"] : []),
  ]
}
