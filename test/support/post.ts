import { Agent, request } from "node:http"

const agent = new Agent({ keepAlive: true })

/** Sends a POST of JSON, and resolves with the text of the response. `fetch` takes three times the CPU time of this. */
export function post(url: string, body: string, headers: Record<string, string>): Promise<string> {
  return new Promise((resolve, reject) => {
    const bytes = Buffer.from(body)
    const sent = request(url, {
      method: "POST",
      agent,
      headers: { accept: "*/*", "content-type": "application/json", "content-length": bytes.length, ...headers },
    })
    sent.once("error", reject)
    sent.once("response", (response) => {
      let text = ""
      response.setEncoding("utf8")
      response.on("data", (chunk: string) => (text += chunk))
      response.once("error", reject)
      response.once("end", () => resolve(text))
    })
    sent.end(bytes)
  })
}
