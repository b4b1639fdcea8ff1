import { GraphQLError } from "graphql"
import type { Plugin } from "graphql-yoga"

/**
 * Rejects larger request bodies with 413 in process. Over HTTP, body.ts has already read the body. Yoga's own limit pipes every
 * body through an additional stream, which more than doubles the cost of a small request.
 */
export function useBodyLimit(maxBodyBytes: number): Plugin {
  return {
    onRequestParse({ request, requestParser, setRequestParser, fetchAPI }) {
      if (request.method !== "POST") return
      const declared = request.headers.get("content-length")
      if (declared !== null) {
        if (Number(declared) > maxBodyBytes) throw tooLarge(maxBodyBytes)
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
            body: await readBody(request.body as ReadableStream<Uint8Array>, maxBodyBytes),
          }),
        )
      })
    },
  }
}

async function readBody(body: ReadableStream<Uint8Array>, maxBodyBytes: number): Promise<Buffer<ArrayBuffer>> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body) {
    size += chunk.byteLength
    if (size > maxBodyBytes) throw tooLarge(maxBodyBytes)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function tooLarge(maxBodyBytes: number): GraphQLError {
  return new GraphQLError(`The request's body is larger than ${maxBodyBytes} bytes.`, {
    extensions: { code: "BAD_USER_INPUT", http: { status: 413 } },
  })
}
