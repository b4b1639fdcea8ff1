/** The largest text that is put together in `joined`, in bytes. */
const maxJoinedBytes = 4 * 1024 * 1024

/**
 * Where the chunks of a text are put together, for all responses in turn. A buffer for each response would be memory outside of V8's
 * heap, for which V8 collects the whole heap after every 64 MiB.
 */
let joined = Buffer.alloc(0)

/** The body of a response. */
export class ResponseBody {
  /** In bytes. */
  length = 0
  /** Nearly all have only one chunk. */
  #first: Buffer | undefined
  #all: Buffer[] | undefined

  add(chunk: Buffer): void {
    this.length += chunk.length
    if (this.#first === undefined) this.#first = chunk
    else if (this.#all === undefined) this.#all = [this.#first, chunk]
    else this.#all.push(chunk)
  }

  /** The body as text in UTF-8. */
  text(): string {
    const { length } = this
    if (this.#all === undefined || length > maxJoinedBytes) return this.bytes().toString()
    if (joined.length < length) joined = Buffer.allocUnsafeSlow(2 ** Math.ceil(Math.log2(length)))
    let at = 0
    for (const chunk of this.#all) at += chunk.copy(joined, at)
    return joined.toString("utf8", 0, length)
  }

  bytes(): Buffer {
    return this.#all === undefined ? (this.#first ?? Buffer.alloc(0)) : Buffer.concat(this.#all, this.length)
  }
}
