import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client"
import { Client as OlderClient } from "@modelcontextprotocol/sdk/client/index.js"
import { StreamableHTTPClientTransport as OlderTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js"
import type { Agent, Tool, ToolResult } from "./agent.ts"

export interface ConnectOptions {
  /** Answers the questions of tools. Without it, the client can't be asked. */
  elicit?: (message: string) => boolean
}

/** Connects a client of the SDK 2 with the newest revision that both sides have. */
export async function connect(
  url: string,
  headers: Record<string, string>,
  { elicit }: ConnectOptions = {},
): Promise<Agent> {
  const client = new Client(
    { name: "agent", version: "1.0.0" },
    { capabilities: elicit ? { elicitation: { form: {} } } : {}, versionNegotiation: { mode: "auto" } },
  )
  if (elicit) {
    client.setRequestHandler("elicitation/create", ({ params }) => ({
      action: "accept" as const,
      content: { agree: elicit(params.message) },
    }))
  }
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }))
  return {
    version: client.getNegotiatedProtocolVersion(),
    listTools: async () => (await client.listTools()).tools,
    call: async (name, args = {}, options) => (await client.callTool({ name, arguments: args }, options)) as ToolResult,
    listResources: async () => (await client.listResources()).resources,
    readResource: async (uri) => textIn(await client.readResource({ uri })),
    listPrompts: async () => (await client.listPrompts()).prompts,
    getPrompt: async (name, args) => promptIn(await client.getPrompt({ name, arguments: args })),
    close: () => client.close(),
  }
}

/** Connects a client of the SDK 1, which speaks the revisions before 2026. */
export async function connectOlder(url: string, headers: Record<string, string>): Promise<Agent> {
  const client = new OlderClient({ name: "older agent", version: "1.0.0" }, { capabilities: { elicitation: {} } })
  const transport = new OlderTransport(new URL(url), { requestInit: { headers } })
  // The types of that package are not made for exactOptionalPropertyTypes.
  await client.connect(transport as never)
  return {
    version: transport.protocolVersion,
    listTools: async () => (await client.listTools()).tools as Tool[],
    call: async (name, args = {}, options) =>
      (await client.callTool({ name, arguments: args }, undefined, options)) as ToolResult,
    listResources: async () => (await client.listResources()).resources,
    readResource: async (uri) => textIn(await client.readResource({ uri })),
    listPrompts: async () => (await client.listPrompts()).prompts as Awaited<ReturnType<Agent["listPrompts"]>>,
    getPrompt: async (name, args) => promptIn(await client.getPrompt({ name, arguments: args })),
    close: () => client.close(),
  }
}

function textIn({ contents }: { contents: object[] }): string {
  return (contents as { text?: string }[]).map(({ text = "" }) => text).join("")
}

function promptIn({ messages }: { messages: { content: unknown }[] }): string {
  return messages.map(({ content }) => (content as { text?: string }).text ?? "").join("\n")
}
