/* What both generations of the SDK can do. */

export interface ToolResult {
  content: { type: string; text: string }[]
  structuredContent?: unknown
  isError?: boolean
}

export interface Agent {
  /** The revision of the protocol. */
  version: string | undefined
  listTools(): Promise<Tool[]>
  call(name: string, args?: Record<string, unknown>, options?: CallOptions): Promise<ToolResult>
  listResources(): Promise<{ uri: string }[]>
  readResource(uri: string): Promise<string>
  listPrompts(): Promise<{ name: string; arguments?: { name: string; required?: boolean }[] }[]>
  getPrompt(name: string, args: Record<string, string>): Promise<string>
  close(): Promise<void>
}

export interface Tool {
  name: string
  description?: string
  inputSchema: object
  outputSchema?: object
  annotations?: Record<string, unknown>
}

export interface CallOptions {
  signal?: AbortSignal
  onprogress?: (progress: { progress: number; message?: string }) => void
}
