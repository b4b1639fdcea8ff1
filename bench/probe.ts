/**
 * Loaded before each server (`node --import`): answers its parent's messages with what the operating system counts for the
 * whole process, all threads of it, in user and kernel mode.
 */
process.on("message", () => {
  const { user, system } = process.cpuUsage()
  process.send?.({ cpuMs: (user + system) / 1000, rssMb: process.memoryUsage.rss() / 2 ** 20 })
})
process.on("disconnect", () => process.exit())
