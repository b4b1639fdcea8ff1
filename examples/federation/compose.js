// Composes the schemas of both subgraphs into supergraph.graphql, which routers read. Reads the schema of each
// from its server, or from a file if one is given: a gateway in production does not return its schema.
import { readFile, writeFile } from "node:fs/promises"
import { composeServices } from "@apollo/composition"
import { parse } from "graphql"

const { GATEWAY_URL, GATEWAY_SCHEMA, EXPERIMENTS_URL } = process.env
const subgraphs = [
  { name: "codeocean", url: GATEWAY_URL ?? "http://127.0.0.1:4000/graphql", file: GATEWAY_SCHEMA },
  { name: "experiments", url: EXPERIMENTS_URL ?? "http://127.0.0.1:4010/" },
]

async function withSchema({ name, url, file }) {
  return { name, url, typeDefs: parse(file ? await readFile(file, "utf8") : await schemaFrom(name, url)) }
}

async function schemaFrom(name, url) {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query: "{ _service { sdl } }" }),
  })
  const { data, errors } = await response.json()
  if (errors) throw new Error(`${name} doesn't tell its schema: ${errors[0].message}`)
  return data._service.sdl
}

const { supergraphSdl, errors, hints } = composeServices(await Promise.all(subgraphs.map(withSchema)))
for (const hint of hints ?? []) console.warn(String(hint))
for (const error of errors ?? []) console.error(error.message)
if (supergraphSdl === undefined) process.exit(1)
const path = process.env.SUPERGRAPH ?? "supergraph.graphql"
await writeFile(path, supergraphSdl)
console.log(`composed: ${path}`)
