/**
 * Milliseconds of CPU time that the main thread of this process has used. Tests bound the work of the gateway in it instead
 * of in time: a gateway that blocks the event loop uses CPU, while other processes on the machine do not count.
 */
export function cpuMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}
