import { totalmem } from "node:os"
import { constants, PerformanceObserver } from "node:perf_hooks"
import { getHeapSpaceStatistics, getHeapStatistics, setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

/** Memory in use, as fractions of the maximum. */
export interface MemoryReading {
  /** Of V8's old generation, including garbage that has not been collected. */
  heap: number
  /** Of the container's limit, or of the machine's memory. */
  container: number
}

/** Memory is short from the first fraction on, until it falls below the second. */
const shortageStart = 0.85
const shortageEnd = 0.8
/** A full heap counts as short only if the last full collection left this fraction in use: V8 collects garbage late. */
const minLiveHeap = 0.7
/**
 * While memory is short, little is allocated, so V8 has no reason to collect. Therefore collections are forced, at intervals
 * that double from the first value to the second.
 */
const minCollectionIntervalMs = 5_000
const maxCollectionIntervalMs = 60_000

export interface MemoryPressure {
  /** To be called with the memory that is in use right after a full collection. */
  onCollected(reading: MemoryReading, at: number): void
  /** Evaluates a reading. Returns a sentence while memory is short. */
  evaluate(reading: MemoryReading, at: number): string | undefined
}

/** @param collect forces a garbage collection */
export function createMemoryPressure(collect: () => void): MemoryPressure {
  let liveHeap = 0
  let collectedAt = Number.NEGATIVE_INFINITY
  let isShort = false
  let intervalMs = minCollectionIntervalMs
  return {
    onCollected({ heap }, at) {
      liveHeap = heap
      collectedAt = at
    },
    evaluate({ heap, container }, at) {
      const used = Math.max(heap, container)
      if (isShort) {
        if (used < shortageEnd) {
          isShort = false
          intervalMs = minCollectionIntervalMs
        } else if (at - collectedAt > intervalMs) {
          collectedAt = at
          intervalMs = Math.min(2 * intervalMs, maxCollectionIntervalMs)
          collect()
        }
      } else isShort = container >= shortageStart || (heap >= shortageStart && liveHeap >= minLiveHeap)
      if (!isShort) return undefined
      return `The gateway uses ${Math.round(used * 100)} % of its memory and admits one request at a time until it uses less.`
    },
  }
}

/** Measures the memory of this process. `shortage` returns a sentence while memory is short. */
export function measureMemory(): { shortage(): string | undefined; stop(): void } {
  const oldGeneration = getHeapStatistics().heap_size_limit - youngGeneration()
  const constrained = process.constrainedMemory()
  const container = constrained > 0 ? Math.min(constrained, totalmem()) : totalmem()
  const pressure = createMemoryPressure(() => collectGarbage())

  const heapFraction = () => {
    let used = 0
    for (const { space_name: name, space_used_size: size } of getHeapSpaceStatistics()) {
      if (!name.startsWith("new_")) used += size
    }
    return used / oldGeneration
  }

  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries() as (PerformanceEntry & { detail: { kind: number } })[]) {
      if (entry.detail.kind !== constants.NODE_PERFORMANCE_GC_MAJOR) continue
      pressure.onCollected({ heap: heapFraction(), container: 0 }, performance.now())
      return
    }
  })
  observer.observe({ entryTypes: ["gc"] })

  return {
    shortage: () =>
      pressure.evaluate({ heap: heapFraction(), container: containerFraction(container) }, performance.now()),
    stop: () => observer.disconnect(),
  }
}

let gc: NodeJS.GCFunction | undefined

/** Forces a garbage collection. */
export function collectGarbage(options?: NodeJS.GCOptions): void {
  if (gc === undefined) {
    setFlagsFromString("--expose-gc")
    gc = runInNewContext("gc") as NodeJS.GCFunction
  }
  if (options === undefined) gc()
  else gc(options)
}

/** The memory in use by this process, without what V8 only keeps for later. */
function containerFraction(container: number): number {
  try {
    const { rss, heapTotal, heapUsed } = process.memoryUsage()
    return (rss - (heapTotal - heapUsed)) / container
  } catch {
    // It is read from a file, which fails without a free file descriptor.
    return 0
  }
}

/** V8 reports only the limit of both generations together. The young one has three times the size that its flag sets. */
function youngGeneration(): number {
  const flags = [...process.execArgv, process.env.NODE_OPTIONS ?? ""].join(" ")
  const [, mebibytes] = /--max[-_]semi[-_]space[-_]size[= ](\d+)/.exec(flags) ?? []
  return 3 * Number(mebibytes ?? 32) * 2 ** 20
}
