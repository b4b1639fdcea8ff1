import type { ServerResponse } from "node:http"

// biome-ignore lint/suspicious/noExplicitAny: a hand-written server without types.
export type Json = any

/** JSON text with parts that are written later, when the responses to their calls arrive. */
export class Text {
  /** The text after the last part. */
  end = ""
  #before: (string | Text)[] | undefined

  insert(part: Text): void {
    this.#before ??= []
    this.#before.push(this.end, part)
    this.end = ""
  }

  toString(): string {
    if (this.#before === undefined) return this.end
    let text = ""
    for (const part of this.#before) text += typeof part === "string" ? part : part.toString()
    return text + this.end
  }
}

const special = /["\\\u0000-\u001f\ud800-\udfff]/

/** The text as JSON. */
export function quoted(text: string): string {
  return special.test(text) ? JSON.stringify(text) : `"${text}"`
}

/** Writes the selected values of a call's response into a text. */
export type Fill<Target> = (operation: Operation, target: Target, value: Json) => void

/** One REST call. */
export class Call<Target = unknown> {
  readonly method: "GET" | "POST" | "PATCH"
  readonly path: string
  readonly body: string | undefined
  readonly authorization: string
  readonly #operation: Operation
  readonly #fill: Fill<Target>
  readonly #target: Target
  /** The next call in a queue. */
  next: Call | undefined

  constructor(
    operation: Operation,
    method: Call["method"],
    path: string,
    body: string | undefined,
    fill: Fill<Target>,
    target: Target,
  ) {
    this.method = method
    this.path = `/api/v1/${path}`
    this.body = body
    this.authorization = operation.authorization
    this.#operation = operation
    this.#fill = fill
    this.#target = target
  }

  end(text: string | undefined): void {
    this.#fill(this.#operation, this.#target, text === undefined ? undefined : JSON.parse(text))
    this.#operation.filled()
  }

  fail(): void {
    this.#operation.fail()
  }
}

export type Send = (call: Call) => void

/** One request. Each call writes a part of the response's text, without promises and without objects to serialize. */
export class Operation {
  readonly authorization: string
  readonly #send: Send
  readonly #response: ServerResponse
  /** The number of calls without a response, plus 1 until all first calls have been sent. */
  #missing = 1
  readonly data = new Text()
  readonly #assets = new Map<string, Asset>()

  constructor(send: Send, authorization: string, response: ServerResponse) {
    this.#send = send
    this.authorization = authorization
    this.#response = response
  }

  get<Target>(path: string, fill: Fill<Target>, target: Target): void {
    this.#call(new Call(this, "GET", path, undefined, fill, target))
  }

  search<Target>(body: object, fill: Fill<Target>, target: Target): void {
    this.#call(new Call(this, "POST", "capsules/search", JSON.stringify(body), fill, target))
  }

  patch<Target>(path: string, fill: Fill<Target>, target: Target): void {
    this.#call(new Call(this, "PATCH", path, undefined, fill, target))
  }

  #call<Target>(call: Call<Target>): void {
    this.#missing += 1
    this.#send(call as Call)
  }

  /** The texts of a data asset. Each asset costs one call. */
  asset(id: string): Asset {
    let asset = this.#assets.get(id)
    if (asset === undefined) {
      asset = { ofRun: new Text(), ofPanel: new Text() }
      this.#assets.set(id, asset)
      this.get(`data_assets/${id}`, fillAsset, asset)
    }
    return asset
  }

  filled(): void {
    this.#missing -= 1
    if (this.#missing > 0) return
    const body = `{"data":${this.data}}`
    const length = String(Buffer.byteLength(body))
    this.#response.writeHead(200, ["content-type", "application/json; charset=utf-8", "content-length", length])
    this.#response.end(body)
  }

  fail(): void {
    this.#response.destroy()
  }
}

const uppers = new Map<string, string>()

export function upper(value: string): string {
  let text = uppers.get(value)
  if (text === undefined) {
    text = value.toUpperCase()
    uppers.set(value, text)
  }
  return text
}

/** The texts of a data asset in runs and in panels. All references to it share them. */
interface Asset {
  ofRun: Text
  ofPanel: Text
}

function fillAsset(_operation: Operation, { ofRun, ofPanel }: Asset, { id, name, size, state }: Json): void {
  ofRun.end = `{"id":${quoted(id)},"name":${quoted(name)},"size":${size}}`
  ofPanel.end = `{"name":${quoted(name)},"size":${size},"state":"${upper(state)}"}`
}
