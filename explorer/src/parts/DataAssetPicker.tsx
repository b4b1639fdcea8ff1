import { Button, Checkbox, Group, Skeleton, Stack, Text, TextInput } from "@mantine/core"
import { useDebouncedValue } from "@mantine/hooks"
import { useState } from "react"
import type { DataAssetState } from "../data/schema.generated.ts"
import type { Change } from "../data/useChange.ts"
import { usePage } from "../data/usePage.ts"
import classes from "./DataAssetPicker.module.css"
import { Dialog } from "./Dialog.tsx"
import { FindDataAssetsDocument } from "./dataAssetPicker.generated.ts"
import { Size, Time } from "./Facts.tsx"
import { count } from "./format.ts"
import { SearchIcon } from "./icons.tsx"
import { Problems } from "./Problems.tsx"
import { Refusal } from "./Refusal.tsx"

export interface ChosenDataAsset {
  id: string
  name: string
  /** "" if the data asset's own folder is to be taken. */
  mount: string
}

interface DataAssetPickerProps {
  title: string
  /** The verb on the button. */
  action: string
  /** Ids that cannot be chosen because they are already there. */
  present: readonly (string | null)[]
  change?: Pick<Change<unknown, never>, "busy" | "refusal" | "problem" | "unknown">
  /** Resolves with whether it is done. The dialog then closes. */
  onChoose(chosen: ChosenDataAsset[]): boolean | Promise<boolean>
  onClose(): void
}

const shownResults = 30

const states: Readonly<Record<DataAssetState, string>> = {
  DRAFT: "being created, ",
  READY: "",
  FAILED: "failed, ",
  UNRECOGNIZED: "",
}

/** Finds data assets by a search, and chooses some of them, with the folders that they are mounted in. */
export function DataAssetPicker({ title, action, present, change, onChoose, onClose }: DataAssetPickerProps) {
  const [opened, setOpened] = useState(true)
  const [text, setText] = useState("")
  const [query] = useDebouncedValue(text.trim(), 250)
  const [chosen, setChosen] = useState<readonly ChosenDataAsset[]>([])
  const page = usePage(FindDataAssetsDocument, { query: query || null, first: shownResults })
  const found = page.data?.searchDataAssets?.nodes.filter((node) => node !== null)
  const busy = change?.busy ?? false
  const choosable = (found ?? []).filter(({ id, state }) => !present.includes(id) && state !== "FAILED")
  const isChosen = (id: string) => chosen.some((other) => other.id === id)
  const allChosen = choosable.length > 0 && choosable.every(({ id }) => isChosen(id))

  function toggleAll() {
    const others = chosen.filter(({ id }) => !choosable.some((found) => found.id === id))
    const all = choosable.map(({ id, name, mount }) => ({ id, name, mount: mount ?? "" }))
    setChosen(allChosen ? others : [...chosen, ...all.filter(({ id }) => !isChosen(id))])
  }

  const close = () => {
    if (!busy) setOpened(false)
  }

  async function submit() {
    if (await onChoose([...chosen])) setOpened(false)
  }

  return (
    <Dialog opened={opened} onClose={close} onExitTransitionEnd={onClose} title={title} size="lg">
      <Stack gap="sm">
        <TextInput
          type="search"
          aria-label="Find data assets"
          placeholder="Words, or tag:ecephys, name:&quot;exact name&quot;, …"
          leftSection={<SearchIcon />}
          value={text}
          data-autofocus
          onChange={(event) => setText(event.currentTarget.value)}
        />
        <Problems page={page} />
        {choosable.length > 1 && (
          <Checkbox
            size="xs"
            label={`All ${choosable.length} that are shown`}
            checked={allChosen}
            indeterminate={!allChosen && choosable.some(({ id }) => isChosen(id))}
            disabled={busy}
            onChange={toggleAll}
          />
        )}
        <div className={classes.results} aria-busy={page.loading}>
          {found === undefined
            ? Array.from({ length: 6 }, (_, index) => <Skeleton key={index} height={20} my={12} />)
            : found.map(({ id, name, state, size, created, mount, tags }) => {
                const isPresent = present.includes(id)
                return (
                  <Checkbox
                    key={id}
                    size="sm"
                    className={classes.result}
                    label={name}
                    description={
                      <>
                        {isPresent ? "already there, " : ""}
                        {states[state]}
                        {size !== null && (
                          <>
                            <Size of={size} />,{" "}
                          </>
                        )}
                        <Time of={created} />
                        {(tags ?? []).map((tag) => tag && `, ${tag}`)}
                      </>
                    }
                    disabled={isPresent || state === "FAILED" || busy}
                    checked={isPresent || isChosen(id)}
                    onChange={(event) =>
                      setChosen(
                        event.currentTarget.checked
                          ? [...chosen, { id, name, mount: mount ?? "" }]
                          : chosen.filter((other) => other.id !== id),
                      )
                    }
                  />
                )
              })}
          {found?.length === 0 && (
            <Text size="sm" c="dimmed" py="sm">
              No data asset is found by these words.
            </Text>
          )}
        </div>
        {page.data?.searchDataAssets?.pageInfo.hasNextPage && (
          <Text size="xs" c="dimmed">
            Only the newest {shownResults} are listed. More words find others.
          </Text>
        )}
        {chosen.map(({ id, name, mount }) => (
          <TextInput
            key={id}
            size="xs"
            label={`Folder of ${name}`}
            leftSection={<Text size="xs">/data/</Text>}
            leftSectionWidth={48}
            value={mount}
            disabled={busy}
            onChange={({ currentTarget: { value } }) =>
              setChosen(chosen.map((other) => (other.id === id ? { ...other, mount: value } : other)))
            }
          />
        ))}
        {change && <Refusal of={change} />}
        <Group justify="flex-end" gap="sm">
          <Button variant="default" onClick={close} disabled={busy}>
            Cancel
          </Button>
          <Button onClick={() => void submit()} loading={busy} disabled={chosen.length === 0}>
            {chosen.length === 0 ? action : `${action} ${count(chosen.length, "data asset")}`}
          </Button>
        </Group>
      </Stack>
    </Dialog>
  )
}
