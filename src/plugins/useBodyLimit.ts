import { GraphQLError } from "graphql"
import type { Plugin } from "graphql-yoga"

/** The largest request body that is read, in bytes: 1 MiB, ten times a mutation over a thousand ids. */
const largestBody = 1024 * 1024

/**
 * Refuses larger request bodies with 413. Yoga's own limit sends every body through a stream of its own, which more than
 * doubles the cost of a small request; a declared length needs no counting, since HTTP holds the body to it.
 */
export function useBodyLimit(): Plugin {
  return {
    onRequestParse({ request, requestParser, setRequestParser, fetchAPI }) {
      const declared = request.headers.get("content-length")
      if (declared !== null) {
        if (Number(declared) > largestBody) throw tooLarge()
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
            body: await readWhole(request.body as ReadableStream<Uint8Array>),
          }),
        )
      })
    },
  }
}

/** Most clients read an answer only after their whole body is sent, so a body that is too large is read on, unkept. */
const mostDiscarded = 16 * largestBody

async function readWhole(body: ReadableStream<Uint8Array>): Promise<Buffer<ArrayBuffer>> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body) {
    size += chunk.byteLength
    if (size > mostDiscarded) break
    if (size <= largestBody) chunks.push(chunk)
  }
  if (size > largestBody) throw tooLarge()
  return Buffer.concat(chunks)
}

function tooLarge(): GraphQLError {
  return new GraphQLError(`The request's body is larger than ${largestBody} bytes.`, {
    extensions: { code: "BAD_USER_INPUT", http: { status: 413 } },
  })
}
