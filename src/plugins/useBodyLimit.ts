import { GraphQLError } from "graphql"
import type { Plugin } from "graphql-yoga"

/**
 * Refuses request bodies of more bytes with 413. Yoga's own limit sends every body through a stream of its own, which more than
 * doubles the cost of a small request; a declared length needs no counting, since HTTP holds the body to it.
 */
export function useBodyLimit(largestBody: number): Plugin {
  return {
    onRequestParse({ request, requestParser, setRequestParser, fetchAPI }) {
      const declared = request.headers.get("content-length")
      if (declared !== null) {
        if (Number(declared) > largestBody) throw tooLarge(largestBody)
        return
      }
      if (request.body === null || requestParser === undefined) return
      setRequestParser(async () => {
        const { url, method, headers, signal } = request
        return requestParser(
          new fetchAPI.Request(url, {
            method,
            headers,
            signal,
            body: await readWhole(request.body as ReadableStream<Uint8Array>, largestBody),
          }),
        )
      })
    },
  }
}

/** Most clients read an answer only after their whole body is sent, so a body that is too large is read on, unkept. */
const timesDiscarded = 16

async function readWhole(body: ReadableStream<Uint8Array>, largestBody: number): Promise<Buffer<ArrayBuffer>> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body) {
    size += chunk.byteLength
    if (size > timesDiscarded * largestBody) break
    if (size <= largestBody) chunks.push(chunk)
  }
  if (size > largestBody) throw tooLarge(largestBody)
  return Buffer.concat(chunks)
}

function tooLarge(largestBody: number): GraphQLError {
  return new GraphQLError(`The request's body is larger than ${largestBody} bytes.`, {
    extensions: { code: "BAD_USER_INPUT", http: { status: 413 } },
  })
}
