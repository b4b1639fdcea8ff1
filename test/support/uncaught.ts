/** Loaded before the gateway by a test: on SIGUSR2 it throws errors that are not caught. */
process.on("SIGUSR2", () => {
  const hostile = new Proxy(new Error("hostile"), {
    get() {
      throw new Error("nobody may look at this one")
    },
  })
  setTimeout(() => {
    throw new Error(`thrown from a timer ${"x".repeat(100_000)}`)
  })
  void Promise.reject(new TypeError("rejected"))
  void Promise.reject(hostile)
  void Promise.reject(undefined)
  setImmediate(() => {
    throw hostile
  })
  for (let number = 0; number < 100; number++) void Promise.reject(new Error("one of many"))
  process.emitWarning("a warning")
})
