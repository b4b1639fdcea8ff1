import { tokens } from "../../sandbox/seed.ts"

/** All forms in which a token could be written. */
const secrets = Object.values(tokens).flatMap((token) => [token, btoa(`${token}:`), encodeURIComponent(token)])

/** Whether a token of any caller is in the text. */
export function hasToken(text: string): boolean {
  return secrets.some((secret) => text.includes(secret))
}

/** Times of `performance.now()` between which a replica worked without Redis, or may have done so. */
export interface Outage {
  from: number
  to: number
}

/** Reads what one replica writes. */
export class ReplicaOutput {
  bytes = 0
  hasToken = false
  readonly outages: Outage[] = []
  /** The beginning of a line. */
  #rest = ""

  read(chunk: Buffer): void {
    this.bytes += chunk.length
    const text = this.#rest + chunk.toString("latin1")
    const end = text.lastIndexOf("\n") + 1
    this.#rest = text.slice(end)
    this.#look(text.slice(0, end))
  }

  /** To be called when the replica has ended. */
  end(): void {
    this.#look(this.#rest)
    this.#endOutage()
  }

  #look(text: string): void {
    if (hasToken(text)) this.hasToken = true
    for (const [message] of text.matchAll(/Redis is (not available|available again)/g)) {
      if (message.endsWith("again")) this.#endOutage()
      else this.outages.push({ from: performance.now(), to: Number.POSITIVE_INFINITY })
    }
  }

  #endOutage(): void {
    const latest = this.outages.at(-1)
    if (latest !== undefined) latest.to = Math.min(latest.to, performance.now())
  }
}
