/* Times, durations and sizes as people say them. The exact value is a tooltip away. */

const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" })
const dateAndTime = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" })
const dayOfYear = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" })
const date = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" })

const minute = 60
const hour = 60 * minute
const day = 24 * hour

/** A time as seen from now: "3 minutes ago", "yesterday", "4 Mar", "4 Mar 2024". */
export function when(time: Date, now: Date): string {
  const seconds = (time.getTime() - now.getTime()) / 1_000
  const age = Math.abs(seconds)
  if (age < 45) return "just now"
  if (age < 45 * minute) return relative.format(Math.round(seconds / minute), "minute")
  if (age < 22 * hour) return relative.format(Math.round(seconds / hour), "hour")
  if (age < 7 * day) return relative.format(Math.round(seconds / day), "day")
  return time.getFullYear() === now.getFullYear() ? dayOfYear.format(time) : date.format(time)
}

/** A time in full. */
export const inFull = (time: Date): string => dateAndTime.format(time)

/** A duration in seconds in its two largest units: "3 h 12 min", "45 s". */
export function duration(seconds: number): string {
  if (seconds < 1) return "under 1 s"
  const whole = Math.round(seconds)
  if (whole < minute) return `${whole} s`
  const parts: string[] = []
  for (const [unit, size] of [
    ["d", day],
    ["h", hour],
    ["min", minute],
    ["s", 1],
  ] as const) {
    const count = Math.floor((parts.length === 0 ? whole : whole % (size * (unit === "h" ? 24 : 60))) / size)
    if (parts.length === 0 && count === 0) continue
    if (count > 0) parts.push(`${count} ${unit}`)
    else if (parts.length === 1) break
    if (parts.length === 2) break
  }
  return parts.join(" ")
}

const units = ["B", "kB", "MB", "GB", "TB", "PB"]

/** A size in bytes with three digits: "1.24 GB". */
export function bytes(size: number): string {
  let value = size
  let unit = 0
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1_000
    unit += 1
  }
  return `${unit === 0 ? value : Number(value.toPrecision(3))} ${units[unit]}`
}

/** A count with its noun: "1 run", "12 runs". */
export const count = (number: number, noun: string, nouns = `${noun}s`): string =>
  `${number.toLocaleString("en")} ${number === 1 ? noun : nouns}`

/** Code Ocean's messages have neither a capital nor a full stop. */
export function sentence(message: string): string {
  const text = message.trim()
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`
}
