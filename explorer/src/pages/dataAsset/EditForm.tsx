import { Button, Group, Stack, Table, Text, Textarea, TextInput } from "@mantine/core"
import { type FormEvent, useState } from "react"
import type { UpdateDataAssetInput } from "../../data/schema.generated.ts"
import { useChange } from "../../data/useChange.ts"
import { useDraft } from "../../data/useDraft.ts"
import { Dialog } from "../../parts/Dialog.tsx"
import { MetadataInput } from "../../parts/MetadataInput.tsx"
import { type FieldKind, textsOf, wireValueOf } from "../../parts/metadata.ts"
import { Refusal } from "../../parts/Refusal.tsx"
import { TagsField } from "../../parts/TagsField.tsx"
import { EditDataAssetDocument } from "./changes.generated.ts"
import type { DataAssetFactsFragment } from "./dataAsset.generated.ts"

interface Draft {
  name: string
  description: string
  mount: string
  tags: string[]
  /** The texts of each custom metadata field. */
  metadata: Record<string, string[]>
}

interface Difference {
  label: string
  before: string
  after: string
}

/** Changes a data asset. The differences are shown before anything is sent. What was typed is kept until it is saved or discarded. */
export default function EditForm({
  asset,
  fields,
  onClose,
}: {
  asset: DataAssetFactsFragment
  fields: readonly FieldKind[]
  onClose(): void
}) {
  const saved = draftOf(asset, fields)
  const [typed, change, drop] = useDraft<Draft>(`edit ${asset.id}`)
  const draft = typed ?? saved
  const set = (part: Partial<Draft>) => change((before) => ({ ...(before ?? saved), ...part }))
  const edit = useChange(EditDataAssetDocument)
  const [preview, setPreview] = useState(false)
  const differences = differencesOf(saved, draft)

  async function submit(event: FormEvent) {
    event.preventDefault()
    if (!preview) {
      setPreview(true)
      return
    }
    const done = await edit.send({ input: inputOf(asset, fields, saved, draft) })
    if (done === undefined) return
    drop()
    onClose()
  }

  return (
    <Dialog opened onClose={onClose} title={`Edit ${asset.name}`} size="lg">
      <form onSubmit={(event) => void submit(event)}>
        {preview ? (
          <Differences of={differences} />
        ) : (
          <Stack gap="sm">
            <TextInput
              label="Name"
              required
              data-autofocus
              value={draft.name}
              onChange={({ currentTarget: { value } }) => set({ name: value })}
            />
            <Textarea
              label="Description"
              description="May contain Markdown."
              autosize
              minRows={3}
              maxRows={10}
              value={draft.description}
              onChange={({ currentTarget: { value } }) => set({ description: value })}
            />
            <TagsField label="Tags" value={draft.tags} onChange={(tags) => set({ tags })} acceptValueOnBlur />
            <TextInput
              label="Folder it is mounted in"
              value={draft.mount}
              onChange={({ currentTarget: { value } }) => set({ mount: value })}
            />
            {fields.map((field) => (
              <MetadataInput
                key={field.name}
                field={field}
                values={draft.metadata[field.name] ?? []}
                onChange={(values) => set({ metadata: { ...draft.metadata, [field.name]: values } })}
              />
            ))}
          </Stack>
        )}
        <Stack gap="sm" mt="md">
          <Refusal of={edit} />
          <Group justify="space-between">
            <Button
              variant="subtle"
              disabled={typed === undefined || edit.busy}
              onClick={() => {
                drop()
                setPreview(false)
              }}
            >
              Discard changes
            </Button>
            <Group gap="sm">
              {preview && (
                <Button variant="default" disabled={edit.busy} onClick={() => setPreview(false)}>
                  Back
                </Button>
              )}
              <Button type="submit" loading={edit.busy} disabled={differences.length === 0 || draft.name.trim() === ""}>
                {preview ? "Save" : "Preview"}
              </Button>
            </Group>
          </Group>
        </Stack>
      </form>
    </Dialog>
  )
}

function Differences({ of }: { of: readonly Difference[] }) {
  return (
    <>
      <Text size="sm" mb="xs">
        These values will change:
      </Text>
      <Table layout="fixed" style={{ overflowWrap: "anywhere" }}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Field</Table.Th>
            <Table.Th>Before</Table.Th>
            <Table.Th>After</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {of.map(({ label, before, after }) => (
            <Table.Tr key={label}>
              <Table.Td>{label}</Table.Td>
              <Table.Td>{before === "" ? "–" : <del>{before}</del>}</Table.Td>
              <Table.Td>{after === "" ? "–" : <ins>{after}</ins>}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </>
  )
}

function draftOf(asset: DataAssetFactsFragment, fields: readonly FieldKind[]): Draft {
  const entries = new Map(asset.customMetadata?.map((entry) => [entry?.key, entry?.value]))
  return {
    name: asset.name,
    description: asset.description ?? "",
    mount: asset.mount ?? "",
    tags: (asset.tags ?? []).filter((tag) => tag !== null),
    metadata: Object.fromEntries(fields.map((field) => [field.name, textsOf(entries.get(field.name), field)])),
  }
}

function differencesOf(before: Draft, after: Draft): Difference[] {
  const pairs: Difference[] = [
    { label: "Name", before: before.name, after: after.name },
    { label: "Description", before: before.description, after: after.description },
    { label: "Tags", before: before.tags.join(", "), after: after.tags.join(", ") },
    { label: "Folder", before: before.mount, after: after.mount },
    ...Object.keys(after.metadata).map((name) => ({
      label: name,
      before: (before.metadata[name] ?? []).join(", "),
      after: (after.metadata[name] ?? []).join(", "),
    })),
  ]
  return pairs.filter((pair) => pair.before !== pair.after)
}

/** Only what has changed. Custom metadata is replaced as a whole, so it is sent as a whole, with entries whose field is gone. */
function inputOf(
  asset: DataAssetFactsFragment,
  fields: readonly FieldKind[],
  before: Draft,
  after: Draft,
): UpdateDataAssetInput {
  const same = (name: string) => (before.metadata[name] ?? []).join("\n") === (after.metadata[name] ?? []).join("\n")
  const entries = (asset.customMetadata ?? []).filter((entry) => entry !== null)
  const kept = entries.filter(({ key }) => fields.every(({ name }) => name !== key) || same(key))
  const changed = fields
    .filter(({ name }) => !same(name))
    .map((field) => ({ key: field.name, value: wireValueOf(after.metadata[field.name] ?? [], field) }))
    .filter(({ value }) => value !== undefined)
  return {
    id: asset.id,
    ...(before.name !== after.name && { name: after.name }),
    ...(before.description !== after.description && { description: after.description }),
    ...(before.mount !== after.mount && { mount: after.mount }),
    ...(before.tags.join("\n") !== after.tags.join("\n") && { tags: after.tags }),
    ...(!fields.every(({ name }) => same(name)) && {
      customMetadata: [...kept.map(({ key, value }) => ({ key, value })), ...changed],
    }),
  }
}
