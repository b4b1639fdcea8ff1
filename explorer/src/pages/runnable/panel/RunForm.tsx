import { Alert, Anchor, Button, Checkbox, Group, Stack, Text, TextInput, Title } from "@mantine/core"
import { type FormEvent, useCallback, useMemo, useState } from "react"
import { runPath } from "../../../app/paths.ts"
import { linkTo } from "../../../app/router.ts"
import { useChange } from "../../../data/useChange.ts"
import { useDraft } from "../../../data/useDraft.ts"
import { count } from "../../../parts/format.ts"
import { WarningIcon } from "../../../parts/icons.tsx"
import { Markdown } from "../../../parts/Markdown.tsx"
import { Refusal } from "../../../parts/Refusal.tsx"
import { RunCapsuleDocument, RunPipelineDocument } from "../changes.generated.ts"
import classes from "../Runnable.module.css"
import type { RunnablePageFragment, RunRowFragment } from "../runnable.generated.ts"
import { problemOf, problemsOf } from "./check.ts"
import { controlId, ParameterField } from "./ParameterField.tsx"
import { defaultsOf, type EarlierRun, type Field, runValuesOf, sectionsOf, type Values, valuesOfRun } from "./panel.ts"
import { type RunData, RunDataFields } from "./RunData.tsx"
import { Started, type StartedRun } from "./Started.tsx"

interface Draft {
  values: Values
  dataAssets?: RunData[]
  nextflowProfile?: string
}

interface RunFormProps {
  runnable: RunnablePageFragment
  /** The run whose values the form starts with. */
  from: EarlierRun | undefined
  version: number | undefined
  onStarted(run: RunRowFragment): void
  /** Called when it is not known whether the run has started. */
  onUnknown(): void
}

const none: ReadonlySet<string> = new Set()

/** The app panel as a form, which starts a run. */
export function RunForm({ runnable, from, version, onStarted, onUnknown }: RunFormProps) {
  const isPipeline = runnable.__typename === "Pipeline"
  const { appPanel: panel } = runnable
  const sections = useMemo(() => sectionsOf(panel, isPipeline), [panel, isPipeline])
  const fields = useMemo(() => sections.flatMap((section) => section.fields), [sections])
  const start = useMemo(() => ({ ...defaultsOf(fields), ...(from && valuesOfRun(from, fields)) }), [fields, from])
  const [draft, changeDraft, dropDraft] = useDraft<Draft>(
    `run ${[runnable.id, version, from?.id].filter((part) => part !== undefined).join(" ")}`,
  )
  const values = useMemo(() => ({ ...start, ...draft?.values }), [start, draft])
  const dataAssets = draft?.dataAssets ?? inputsOf(from, runnable)
  const nextflowProfile = draft?.nextflowProfile ?? from?.nextflowProfile ?? ""

  // Problems are shown where the visitor has been, and everywhere once they have tried to start the run.
  const [visited, setVisited] = useState(none)
  const [tried, setTried] = useState(false)
  const [showHidden, setShowHidden] = useState(false)
  const [started, setStarted] = useState<{ run: StartedRun; sent: Values }>()
  const capsule = useChange(RunCapsuleDocument)
  const pipeline = useChange(RunPipelineDocument)
  const change = isPipeline ? pipeline : capsule

  // What the gateway says of a value holds until the value is changed.
  const [sent, setSent] = useState<Values>({})
  const refused = new Map<string, string>()
  let isElsewhere = change.refusal?.problems.length === 0
  for (const { parameter, process, message } of (change.refusal?.problems ?? []).filter(
    (problem) => problem !== null,
  )) {
    const field = fields.find((known) => known.problemName === parameter && known.process === (process ?? undefined))
    if (field === undefined) isElsewhere = true
    else if (values[field.key] === sent[field.key]) refused.set(field.key, message)
  }
  const problems = problemsOf(fields, values)
  const shownProblem = (field: Field) =>
    (tried || visited.has(field.key) ? problems.get(field.key) : undefined) ?? refused.get(field.key)
  const pending = tried ? fields.filter((field) => shownProblem(field) !== undefined) : []

  const onChange = useCallback(
    ({ key }: Field, value: string) =>
      changeDraft((before) => ({ ...before, values: { ...before?.values, [key]: value } })),
    [changeDraft],
  )
  const onLeave = useCallback((field: Field) => setVisited((before) => new Set(before).add(field.key)), [])

  function goTo(field: Field | undefined) {
    if (field === undefined) return
    if (field.parameter.hidden) setShowHidden(true)
    // After the field is there.
    requestAnimationFrame(() => document.getElementById(controlId(field))?.focus())
  }

  async function submit(event: FormEvent) {
    event.preventDefault()
    setTried(true)
    setStarted(undefined)
    const wrong = fields.find((field) => problemOf(field, values[field.key] ?? "") !== undefined)
    if (wrong !== undefined) {
      change.clear()
      goTo(wrong)
      return
    }
    setSent(values)
    const input = {
      ...runValuesOf(fields, values),
      ...(version !== undefined && { version }),
      ...(dataAssets.length > 0 && {
        dataAssets: dataAssets.map(({ id, mount }) => ({ id, ...(mount && { mount }) })),
      }),
      ...(isPipeline && nextflowProfile !== "" && { nextflowProfile }),
    }
    const run = isPipeline
      ? (await pipeline.send({ input: { ...input, pipelineId: runnable.id } }))?.runPipeline
      : (await capsule.send({ input: { ...input, capsuleId: runnable.id } }))?.runCapsule
    if (run && "computation" in run && run.computation) {
      setStarted({ run: run.computation, sent: values })
      setTried(false)
      onStarted(run.computation)
    }
  }

  const hidden = fields.filter(({ parameter }) => parameter.hidden)
  const isShown = (field: Field) => !field.parameter.hidden || showHidden || shownProblem(field) !== undefined
  const isChanged = draft !== undefined
  const { unknown } = change
  return (
    <form noValidate onSubmit={(event) => void submit(event)} aria-label="New run" className={classes.form}>
      {panel?.general && <Instructions {...panel.general} />}
      {from && (
        <Text size="sm">
          With the values of{" "}
          <Anchor inherit {...linkTo(runPath({ id: from.id, runnable }))}>
            {from.name}
          </Anchor>
          .
        </Text>
      )}
      {fields.length === 0 && (
        <Text size="sm" c="dimmed">
          {panel ? "The app panel has no parameters." : "It has no app panel, so that a run takes no parameters."}
        </Text>
      )}
      {sections.map(({ key, title, description, fields: members }) => {
        const shown = members.filter(isShown)
        if (shown.length === 0) return null
        return (
          <fieldset key={key} className={classes.section}>
            {title !== undefined && <legend>{title}</legend>}
            {description !== undefined && (
              <Text size="xs" c="dimmed" mb="xs">
                {description}
              </Text>
            )}
            <div className={classes.fields}>
              {shown.map((field) => (
                <ParameterField
                  key={field.key}
                  field={field}
                  value={values[field.key] ?? ""}
                  problem={shownProblem(field)}
                  onChange={onChange}
                  onLeave={onLeave}
                />
              ))}
            </div>
          </fieldset>
        )
      })}
      {hidden.length > 0 && (
        <Checkbox
          size="xs"
          label={`Show ${count(hidden.length, "parameter")} that the app panel hides`}
          checked={showHidden}
          onChange={(event) => setShowHidden(event.currentTarget.checked)}
        />
      )}
      {isPipeline && (
        <div className={classes.fields}>
          <TextInput
            label="Nextflow profile"
            value={nextflowProfile}
            autoComplete="off"
            onChange={({ currentTarget: { value } }) =>
              changeDraft((before) => ({ values: {}, ...before, nextflowProfile: value }))
            }
          />
        </div>
      )}
      <RunDataFields
        runnable={runnable}
        added={dataAssets}
        onChange={(added) => changeDraft((before) => ({ values: {}, ...before, dataAssets: added }))}
      />
      <div className={classes.submit}>
        {pending.length > 0 && (
          <Alert
            role="alert"
            variant="light"
            color="red"
            icon={<WarningIcon />}
            title={`${count(pending.length, "value needs", "values need")} attention. Nothing was started.`}
            styles={{ title: { color: "var(--mantine-color-text)" }, icon: { color: "var(--bad)" } }}
          >
            <ul className={classes.problems}>
              {pending.map((field) => (
                <li key={field.key}>
                  <Anchor component="button" type="button" size="sm" onClick={() => goTo(field)}>
                    {field.process ? `${field.process}: ` : ""}
                    {field.label}
                  </Anchor>
                  : {shownProblem(field)}
                </li>
              ))}
            </ul>
          </Alert>
        )}
        {(change.refusal === undefined || isElsewhere) && <Refusal of={change} />}
        {unknown && (
          <Text size="sm">
            The run may have started.{" "}
            <Anchor component="button" type="button" inherit onClick={onUnknown}>
              Read the list of runs again
            </Anchor>
          </Text>
        )}
        {started && <Started {...started} fields={fields} path={runPath({ id: started.run.id, runnable })} />}
        <Group gap="sm">
          <Button type="submit" loading={change.busy}>
            {started ? "Start another run" : "Start the run"}
          </Button>
          {isChanged && (
            <Button
              variant="subtle"
              color="gray"
              onClick={() => {
                dropDraft()
                change.clear()
                setTried(false)
                setVisited(none)
              }}
            >
              {from ? "Back to the values of the run" : "Back to the defaults"}
            </Button>
          )}
        </Group>
      </div>
    </form>
  )
}

function Instructions({
  title,
  instructions,
  helpText,
}: NonNullable<NonNullable<RunnablePageFragment["appPanel"]>["general"]>) {
  if (!title && !instructions && !helpText) return null
  return (
    <Stack gap={4}>
      {title && <Title order={2}>{title}</Title>}
      {instructions && <Markdown text={instructions} />}
      {helpText && (
        <Text size="sm" c="dimmed">
          {helpText}
        </Text>
      )}
    </Stack>
  )
}

/** The inputs of an earlier run that are not attached anyway. */
function inputsOf(run: EarlierRun | undefined, { appPanel }: RunnablePageFragment): RunData[] {
  const attached = new Set((appPanel?.dataAssets ?? []).map((input) => input?.dataAssetId))
  return (run?.dataAssets ?? []).flatMap((input) =>
    input?.dataAssetId == null || attached.has(input.dataAssetId)
      ? []
      : [{ id: input.dataAssetId, name: input.dataAsset?.name ?? input.dataAssetId, mount: input.mount ?? "" }],
  )
}
