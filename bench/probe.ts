import { getHeapStatistics } from "node:v8"

/**
 * Loaded before each server (`node --import`). It answers each message of its parent with the CPU time of the whole process (all
 * threads, in user and kernel mode), the memory that JavaScript has allocated, and the largest resident size, since the start.
 */
process.on("message", () => {
  const { user, system } = process.cpuUsage()
  process.send?.({
    cpuMs: (user + system) / 1000,
    allocatedKb: getHeapStatistics().total_allocated_bytes / 1024,
    rssMb: process.memoryUsage.rss() / 2 ** 20,
    peakRssMb: process.resourceUsage().maxRSS / 1024,
  })
})
process.on("disconnect", () => process.exit())
