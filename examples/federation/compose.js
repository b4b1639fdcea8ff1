// Asks both subgraphs for their schemas and composes them into supergraph.graphql, which routers read.
import { writeFile } from "node:fs/promises"
import { composeServices } from "@apollo/composition"
import { parse } from "graphql"

const subgraphs = [
  { name: "codeocean", url: process.env.GATEWAY_URL ?? "http://127.0.0.1:4000/graphql" },
  { name: "experiments", url: process.env.EXPERIMENTS_URL ?? "http://127.0.0.1:4010/" },
]

async function withSchema({ name, url }) {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query: "{ _service { sdl } }" }),
  })
  const { data, errors } = await response.json()
  if (errors) throw new Error(`${name} doesn't tell its schema: ${errors[0].message}`)
  return { name, url, typeDefs: parse(data._service.sdl) }
}

const { supergraphSdl, errors, hints } = composeServices(await Promise.all(subgraphs.map(withSchema)))
for (const hint of hints ?? []) console.warn(String(hint))
for (const error of errors ?? []) console.error(error.message)
if (supergraphSdl === undefined) process.exit(1)
const path = process.env.SUPERGRAPH ?? "supergraph.graphql"
await writeFile(path, supergraphSdl)
console.log(`composed: ${path}`)
