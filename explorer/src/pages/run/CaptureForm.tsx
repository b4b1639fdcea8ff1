import { Alert, Button, Checkbox, Group, NativeSelect, Stack, Text, Textarea, TextInput } from "@mantine/core"
import { type FormEvent, useState } from "react"
import type { ComputationOutcome, EveryoneRole } from "../../data/schema.generated.ts"
import { useDraft } from "../../data/useDraft.ts"
import { Dialog } from "../../parts/Dialog.tsx"
import { outcomes } from "../../parts/Facts.tsx"
import { WarningIcon } from "../../parts/icons.tsx"
import { TagsField } from "../../parts/TagsField.tsx"
import type { CaptureSubscriptionVariables } from "./changes.generated.ts"

export type CaptureRequest = CaptureSubscriptionVariables

interface Draft {
  name: string
  mount: string
  tags: string[]
  description: string
  users: string[]
  role: "VIEWER" | "EDITOR"
  everyone: "" | EveryoneRole
  anyway: boolean
}

interface CaptureFormProps {
  run: { id: string; name: string; outcome: ComputationOutcome }
  onCapture(request: CaptureRequest): void
  onClose(): void
}

/** Letters, digits and a few signs, as folders are usually named. */
const folderOf = (name: string) =>
  name
    .normalize("NFKD")
    .replace(/[^\w.-]+/g, "_")
    .replace(/^_+|_+$/g, "")

/** Makes a data asset from the results, and shares it, in one step. */
export function CaptureForm({ run, onCapture, onClose }: CaptureFormProps) {
  const [opened, setOpened] = useState(true)
  const [draft, changeDraft] = useDraft<Draft>(`capture ${run.id}`)
  const [tried, setTried] = useState(false)
  const start: Draft = {
    name: run.name,
    mount: folderOf(run.name),
    tags: [],
    description: "",
    users: [],
    role: "VIEWER",
    everyone: "",
    anyway: false,
  }
  const given = draft ?? start
  const change = (values: Partial<Draft>) => changeDraft((before) => ({ ...(before ?? start), ...values }))
  const isDoubtful = run.outcome !== "SUCCEEDED" && run.outcome !== "IN_PROGRESS"
  const strangers = given.users.filter((email) => !/^[^@\s]+@[^@\s]+$/.test(email))
  const problems = {
    name: given.name.trim() === "" ? "Needs a name." : undefined,
    mount: given.mount.trim() === "" ? "Needs a folder." : undefined,
    users: strangers.length > 0 ? `No email address: ${strangers.join(", ")}` : undefined,
    anyway: isDoubtful && !given.anyway ? "Confirm that you want these results." : undefined,
  }

  function submit(event: FormEvent) {
    event.preventDefault()
    setTried(true)
    if (Object.values(problems).some((problem) => problem !== undefined)) return
    const { users, role, everyone } = given
    const isShared = users.length > 0 || everyone !== ""
    onCapture({
      input: {
        computationId: run.id,
        name: given.name.trim(),
        mount: given.mount.trim(),
        tags: given.tags,
        ...(given.description.trim() !== "" && { description: given.description }),
        ...(isShared && {
          permissions: {
            ...(users.length > 0 && { users: users.map((email) => ({ email, role })) }),
            ...(everyone !== "" && { everyone }),
          },
        }),
      },
      accept: isDoubtful ? [run.outcome] : ["SUCCEEDED"],
    })
    setOpened(false)
  }

  const shown = (problem: string | undefined) => (tried ? problem : undefined)
  return (
    <Dialog
      opened={opened}
      onClose={() => setOpened(false)}
      onExitTransitionEnd={onClose}
      title={`Capture the results of ${run.name}`}
      size="lg"
    >
      <form noValidate onSubmit={submit}>
        <Stack gap="sm">
          {run.outcome === "IN_PROGRESS" && (
            <Text size="sm">
              The results are captured when the run has succeeded. Until then, this page must stay open.
            </Text>
          )}
          <TextInput
            label="Name of the data asset"
            value={given.name}
            error={shown(problems.name)}
            data-autofocus
            onChange={({ currentTarget: { value } }) =>
              change({ name: value, ...(given.mount === folderOf(given.name) && { mount: folderOf(value) }) })
            }
          />
          <TextInput
            label="Folder"
            description="Where capsules find it, below /data"
            value={given.mount}
            error={shown(problems.mount)}
            onChange={({ currentTarget: { value } }) => change({ mount: value })}
          />
          <TagsField
            label="Tags"
            description="Enter or a comma ends a tag"
            value={given.tags}
            acceptValueOnBlur
            onChange={(tags) => change({ tags })}
          />
          <Textarea
            label="Description"
            autosize
            minRows={2}
            maxRows={8}
            value={given.description}
            onChange={({ currentTarget: { value } }) => change({ description: value })}
          />
          <TagsField
            label="Share with"
            description="Email addresses. Enter or a comma ends one"
            value={given.users}
            error={shown(problems.users)}
            acceptValueOnBlur
            onChange={(users) => change({ users })}
          />
          <Group grow align="end">
            <NativeSelect
              label="They may"
              value={given.role}
              data={[
                { value: "VIEWER", label: "See it" },
                { value: "EDITOR", label: "See and change it" },
              ]}
              onChange={({ currentTarget: { value } }) => change({ role: value as Draft["role"] })}
            />
            <NativeSelect
              label="Everyone may"
              value={given.everyone}
              data={[
                { value: "", label: "Nothing" },
                { value: "DISCOVERABLE", label: "Find it" },
                { value: "VIEWER", label: "See it" },
              ]}
              onChange={({ currentTarget: { value } }) => change({ everyone: value as Draft["everyone"] })}
            />
          </Group>
          {isDoubtful && (
            <Alert
              variant="light"
              color="yellow"
              icon={<WarningIcon />}
              title={`The run has not succeeded: ${outcomes[run.outcome].label.toLowerCase()}`}
              styles={{ title: { color: "var(--mantine-color-text)" }, icon: { color: "var(--odd)" } }}
            >
              <Checkbox
                label="Capture its results all the same"
                checked={given.anyway}
                error={shown(problems.anyway)}
                onChange={(event) => change({ anyway: event.currentTarget.checked })}
              />
            </Alert>
          )}
          <Group justify="flex-end" gap="sm">
            <Button variant="default" onClick={() => setOpened(false)}>
              Cancel
            </Button>
            <Button type="submit">
              {given.users.length > 0 || given.everyone !== "" ? "Capture and share" : "Capture"}
            </Button>
          </Group>
        </Stack>
      </form>
    </Dialog>
  )
}
