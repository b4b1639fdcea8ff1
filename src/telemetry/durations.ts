/** The upper bounds of the buckets, in seconds: OpenTelemetry's for HTTP, and the default deadline of a request. */
const bounds = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30]

/** The durations with one combination of labels. */
export class Series {
  /** The values in each bucket, and in the last place those above all bounds. */
  readonly buckets: number[] = new Array(bounds.length + 1).fill(0)
  sum = 0

  observe(seconds: number): void {
    let index = 0
    while (index < bounds.length && seconds > (bounds[index] as number)) index += 1
    this.buckets[index]! += 1
    this.sum += seconds
  }
}

type Branch = Map<string, Branch | Series>

interface Sample {
  metricName: string
  labels: Record<string, string | number>
  value: number
}

/**
 * A histogram that a registry of prom-client renders. Prom-client's own makes the smallest operations measurably slower:
 * docs/decisions/telemetry.md. The series are found label by label, without an object or a key for their combination.
 */
export class Durations {
  readonly name: string
  readonly help: string
  readonly type = "histogram"
  readonly aggregator = "sum"
  readonly #labelNames: readonly string[]
  readonly #root: Branch = new Map()

  constructor(name: string, help: string, labelNames: readonly string[]) {
    this.name = name
    this.help = help
    this.#labelNames = labelNames
    if (labelNames.length === 0) this.#root.set("", new Series())
  }

  /** Finds or creates the series with these labels. The last of them follow an empty one if there are fewer. */
  with(first = "", second = "", third = "", fourth = ""): Series {
    const { length } = this.#labelNames
    let branch = this.#root
    if (length > 1) branch = this.#next(branch, first)
    if (length > 2) branch = this.#next(branch, second)
    if (length > 3) branch = this.#next(branch, third)
    const last = length > 3 ? fourth : length > 2 ? third : length > 1 ? second : first
    let series = branch.get(last) as Series | undefined
    if (series === undefined) {
      series = new Series()
      branch.set(last, series)
    }
    return series
  }

  #next(branch: Branch, label: string): Branch {
    let next = branch.get(label) as Branch | undefined
    if (next === undefined) {
      next = new Map()
      branch.set(label, next)
    }
    return next
  }

  /** For prom-client's registry. */
  async get() {
    const values: Sample[] = []
    this.#collect(this.#root, [], values)
    return { name: this.name, help: this.help, type: this.type, aggregator: this.aggregator, values }
  }

  #collect(branch: Branch, path: readonly string[], into: Sample[]): void {
    for (const [label, next] of branch) {
      if (next instanceof Map) this.#collect(next, [...path, label], into)
      else this.#render(next, [...path, label], into)
    }
  }

  #render({ buckets, sum }: Series, path: readonly string[], into: Sample[]): void {
    const labels = Object.fromEntries(this.#labelNames.map((name, index) => [name, path[index] as string]))
    let count = 0
    for (const [index, inBucket] of buckets.entries()) {
      count += inBucket
      const le = bounds[index] ?? "+Inf"
      into.push({ metricName: `${this.name}_bucket`, labels: { ...labels, le }, value: count })
    }
    into.push({ metricName: `${this.name}_sum`, labels, value: sum })
    into.push({ metricName: `${this.name}_count`, labels, value: count })
  }
}
