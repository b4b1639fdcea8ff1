import * as v from "valibot"
import { cacheTtls } from "../../src/config/kinds.ts"
import { startFaultyUpstream, type UpstreamAnswer, type UpstreamRequest } from "./faultyUpstream.ts"

/** The settings of a cache, as the environment gives them. */
export function cacheFor(seconds: string): {
  cacheTtls: NonNullable<v.InferOutput<typeof cacheTtls>>
  cacheSecret: string
} {
  return {
    cacheTtls: v.parse(cacheTtls, seconds) as NonNullable<v.InferOutput<typeof cacheTtls>>,
    cacheSecret: "4pZ1hWq8vT0yLxR6nBs3KdGmJcUeQf7a",
  }
}

export interface ChangingUpstream {
  url: string
  requests: UpstreamRequest[]
  /** The calls so far, such as `GET /capsules/c1`. */
  calls(): string[]
  /** What all objects are named from now on. */
  setName(name: string): void
  /** Answers the next calls to this path like this. The object's name is that of the moment in which the call arrived. */
  answerNext(call: string, answer: (usual: UpstreamAnswer) => UpstreamAnswer | Promise<UpstreamAnswer>): void
}

/** An upstream whose objects all have the same name, which somebody else can change. A change names them after itself. */
export async function startChanging(): Promise<ChangingUpstream> {
  let name = "first"
  const next: { call: string; answer(usual: UpstreamAnswer): UpstreamAnswer | Promise<UpstreamAnswer> }[] = []
  const { url, requests } = await startFaultyUpstream((request) => {
    const { method, path, body } = request
    const isSearch = path.endsWith("/search")
    if (method === "PUT") name = JSON.parse(body).name
    if (method === "PATCH") name = "archived"
    const object = (id: string) => ({ id, name, state: "ready", status: "non_release", type: "dataset", created: 1 })
    const [, , id = ""] = path.split("/")
    const usual: UpstreamAnswer =
      method === "PATCH"
        ? { status: 204 }
        : { body: isSearch ? { has_more: false, results: [object("found")] } : object(id) }
    const at = next.findIndex(({ call }) => call === `${method} ${path}`)
    return at < 0 ? usual : (next.splice(at, 1)[0] as (typeof next)[0]).answer(usual)
  })
  return {
    url,
    requests,
    calls: () => requests.map(({ method, path }) => `${method} ${path}`),
    setName(given) {
      name = given
    },
    answerNext: (call, answer) => void next.push({ call, answer }),
  }
}
