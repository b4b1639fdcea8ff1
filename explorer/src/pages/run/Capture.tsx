import { Anchor, Button, Group, Text } from "@mantine/core"
import { useState } from "react"
import { dataAssetPath } from "../../app/paths.ts"
import { linkTo } from "../../app/router.ts"
import { useLive } from "../../data/useLive.ts"
import { Refusal } from "../../parts/Refusal.tsx"
import type { CaptureRequest } from "./CaptureForm.tsx"
import { CaptureDocument, type CaptureSubscription } from "./changes.generated.ts"
import classes from "./Run.module.css"
import { type Step, Steps } from "./RunSteps.tsx"

type Progress = NonNullable<CaptureSubscription["captureResult"]>

interface CaptureProps {
  request: CaptureRequest
  /** Opens the form again, with what was typed. */
  onChange(): void
}

/**
 * A capture with its steps. A lost connection does not matter: the gateway finds what it has created, and goes on from there.
 */
export function Capture({ request, onChange }: CaptureProps) {
  const [progress, setProgress] = useState<Progress>()
  const { state, problem } = useLive(
    CaptureDocument,
    request,
    ({ captureResult }) => isOver(captureResult ?? undefined),
    ({ captureResult }) => setProgress(captureResult ?? undefined),
  )
  const { refusal, dataAsset, complete } = progress ?? {}
  const isShared = request.input.permissions != null
  const failed = refusal != null || (problem !== undefined && state === "ended")
  return (
    <section aria-label="Capture">
      <h2 className={classes.heading}>{isShared ? "Capture and share" : "Capture"}</h2>
      <Steps label="Steps of the capture" steps={stepsOf(progress, isShared, failed)} />
      <div role="status" style={{ marginTop: "0.75rem" }}>
        {complete && dataAsset && (
          <Text size="sm">
            The results are in the data asset{" "}
            <Anchor inherit {...linkTo(dataAssetPath(dataAsset.id))}>
              {dataAsset.name}
            </Anchor>
            .
          </Text>
        )}
        {!complete && !failed && (
          <Text size="xs" c="dimmed">
            {problem !== undefined
              ? `${problem.message} The page tries again by itself. `
              : state === "connecting" && progress !== undefined
                ? "The connection is lost, and opened again. "
                : ""}
            {progress?.steps.length ? "" : "Until the run has ended, this page must stay open."}
          </Text>
        )}
      </div>
      {failed && (
        <>
          <Refusal of={{ refusal: refusal ?? undefined, problem, unknown: false }} />
          <Group mt="sm">
            <Button size="compact-sm" variant="default" onClick={onChange}>
              Change and try again
            </Button>
          </Group>
        </>
      )}
    </section>
  )
}

function isOver(progress: Progress | undefined): boolean {
  if (progress === undefined) return false
  const { complete, refusal, dataAsset, steps } = progress
  const isSettled = steps.length > 0 && steps.every((step) => step?.status !== "PENDING")
  return complete || refusal !== null || dataAsset?.state === "FAILED" || (isSettled && dataAsset?.state === "READY")
}

/** The steps that a person thinks of. The gateway's own are two of them. */
function stepsOf(progress: Progress | undefined, isShared: boolean, failed: boolean): Step[] {
  const run = progress?.computation
  const create = progress?.steps.find((step) => step?.step === "CREATE")
  const share = progress?.steps.find((step) => step?.step === "SET_PERMISSIONS")
  const { dataAsset } = progress ?? {}
  const hasEnded = run != null && run.outcome !== "IN_PROGRESS"
  const isReady = dataAsset?.state === "READY"
  const steps: Step[] = [
    { name: "The run ends", status: hasEnded ? "done" : "waiting" },
    {
      name: "The data asset is created",
      status: statusOf(create?.status),
      note: create?.status === "ALREADY_DONE" ? "earlier, and is used" : create?.failure?.message,
    },
    {
      name: "Its files are stored",
      status: isReady ? "done" : dataAsset?.state === "FAILED" ? "failed" : "waiting",
      note: dataAsset?.failureReason ?? undefined,
    },
    ...(isShared ? [{ name: "It is shared", status: statusOf(share?.status), note: share?.failure?.message }] : []),
  ]
  const next = steps.find(({ status }) => status !== "done")
  if (next?.status === "waiting") next.status = failed ? "failed" : "now"
  return steps
}

type Status = NonNullable<Progress["steps"][number]>["status"]

function statusOf(status: Status | undefined): Step["status"] {
  if (status === "DONE" || status === "ALREADY_DONE") return "done"
  return status === "FAILED" ? "failed" : "waiting"
}
