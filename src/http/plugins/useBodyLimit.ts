import { GraphQLError } from "graphql"
import type { Plugin } from "graphql-yoga"

/**
 * Refuses request bodies of more bytes with 413, in process: over HTTP, http/body.ts has read the body by now. Yoga's own limit
 * sends every body through a stream of its own, which more than doubles the cost of a small request.
 */
export function useBodyLimit(largestBody: number): Plugin {
  return {
    onRequestParse({ request, requestParser, setRequestParser, fetchAPI }) {
      if (request.method !== "POST") return
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

async function readWhole(body: ReadableStream<Uint8Array>, largestBody: number): Promise<Buffer<ArrayBuffer>> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body) {
    size += chunk.byteLength
    if (size > largestBody) throw tooLarge(largestBody)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function tooLarge(largestBody: number): GraphQLError {
  return new GraphQLError(`The request's body is larger than ${largestBody} bytes.`, {
    extensions: { code: "BAD_USER_INPUT", http: { status: 413 } },
  })
}
