import type { ServerResponse } from "node:http"
import type { Answer } from "./route.ts"

export const htmlPage = (status: number, title: string) =>
  `<html>\n<head><title>${status} ${title}</title></head>\n<body><center><h1>${status} ${title}</h1></center></body>\n</html>\n`

export function encode({ status, body, headers }: Answer): {
  status: number
  body: Buffer
  headers: Record<string, string>
} {
  const type =
    typeof body === "string"
      ? /^\s*</.test(body)
        ? "text/html; charset=utf-8"
        : "text/plain; charset=utf-8"
      : "application/json"
  const bytes = Buffer.from(body === undefined ? "" : typeof body === "string" ? body : JSON.stringify(body))
  return { status, body: bytes, headers: { ...(body === undefined ? {} : { "content-type": type }), ...headers } }
}

export function send(res: ServerResponse, answer: Answer): void {
  const { status, body, headers } = encode(answer)
  const length = status === 204 ? {} : { "content-length": String(body.length) }
  res.writeHead(status, { ...length, ...headers })
  res.end(body)
}
