import { useEffect, useState } from "react"
import { now } from "../app/gateway.ts"
import type { ComputationOutcome } from "../data/schema.generated.ts"
import { bytes, duration, inFull, when } from "./format.ts"
import { BusyIcon, CheckIcon, CrossIcon, StopIcon, WarningIcon } from "./icons.tsx"

/** Times that are shown are counted on twice a minute, all together. */
const ticks = new Set<() => void>()
setInterval(() => {
  if (!document.hidden) for (const tick of ticks) tick()
}, 30_000)

/** A time as seen from now, with the exact one as its title. */
export function Time({ of, missing = "unknown" }: { of: string | Date | null | undefined; missing?: string }) {
  const [, setTick] = useState(0)
  useEffect(() => {
    const tick = () => setTick((count) => count + 1)
    ticks.add(tick)
    return () => void ticks.delete(tick)
  }, [])
  if (of === null || of === undefined) return <span>{missing}</span>
  const time = new Date(of)
  return (
    <time dateTime={time.toISOString()} title={inFull(time)}>
      {when(time, new Date(now()))}
    </time>
  )
}

export function Duration({ seconds }: { seconds: number | null | undefined }) {
  if (seconds === null || seconds === undefined) return <span>–</span>
  return (
    <span className="number" title={`${seconds.toLocaleString("en")} seconds`}>
      {duration(seconds)}
    </span>
  )
}

export function Size({ of }: { of: number | null | undefined }) {
  if (of === null || of === undefined) return <span>–</span>
  return (
    <span className="number" title={`${of.toLocaleString("en")} bytes`}>
      {bytes(of)}
    </span>
  )
}

/** What each outcome is called and how it looks. Charts use the same colours. */
export const outcomes: Readonly<
  Record<ComputationOutcome, { label: string; color: string; Icon: typeof CheckIcon; meaning: string }>
> = {
  SUCCEEDED: {
    label: "Succeeded",
    color: "var(--good)",
    Icon: CheckIcon,
    meaning: "It ended by itself and has results.",
  },
  FAILED: { label: "Failed", color: "var(--bad)", Icon: CrossIcon, meaning: "It ended with an error." },
  SUSPECT: {
    label: "Suspect",
    color: "var(--odd)",
    Icon: WarningIcon,
    meaning: "What Code Ocean says of it contradicts itself.",
  },
  STOPPED: { label: "Stopped", color: "var(--quiet)", Icon: StopIcon, meaning: "Someone stopped it." },
  IN_PROGRESS: { label: "In progress", color: "var(--busy)", Icon: BusyIcon, meaning: "It has not ended." },
}

/** The honest outcome of a run: a word, a colour and a shape. */
export function Outcome({ of, reasons = [] }: { of: ComputationOutcome; reasons?: readonly (string | null)[] }) {
  const { label, color, Icon, meaning } = outcomes[of]
  return (
    <span className="outcome" style={{ color }} title={reasons.length > 0 ? reasons.join(" ") : meaning}>
      <Icon />
      {label}
    </span>
  )
}
