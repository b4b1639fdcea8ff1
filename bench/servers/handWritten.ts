import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import { type DocumentName, documents } from "../documents.ts"
import { type Fill, type Json, Operation, quoted, type Send, Text, upper } from "./operation.ts"

const secondsOfDay = 86_400
const days = new Map<number, string>()
const twoDigits = Array.from({ length: 60 }, (_, number) => String(number).padStart(2, "0"))

/** `toISOString` would be a large part of Q3. */
function time(seconds: number): string {
  const day = Math.floor(seconds / secondsOfDay)
  let text = days.get(day)
  if (text === undefined) {
    text = new Date(day * secondsOfDay * 1000).toISOString().slice(0, "2026-08-20T".length)
    days.set(day, text)
  }
  const minute = Math.floor((seconds % secondsOfDay) / 60)
  return `${text}${twoDigits[Math.floor(minute / 60)]}:${twoDigits[minute % 60]}:${twoDigits[seconds % 60]}.000Z`
}

type Form = "edges" | "nodes" | "nodes and page info"
type Write = (operation: Operation, out: Text, value: Json) => void

/** The cursor of an item is the number of items up to it. */
function writeConnection(
  operation: Operation,
  out: Text,
  list: readonly Json[],
  form: Form,
  write: Write,
  after: number,
  hasNextPage: boolean,
): void {
  const isEdges = form === "edges"
  out.end += isEdges ? '{"edges":[' : '{"nodes":['
  let place = after
  for (const value of list) {
    place += 1
    if (place > after + 1) out.end += ","
    if (isEdges) out.end += `{"cursor":"${place}","node":`
    write(operation, out, value)
    if (isEdges) out.end += "}"
  }
  const endCursor = place === after ? "null" : `"${place}"`
  out.end += form === "nodes" ? "]}" : `],"pageInfo":{"hasNextPage":${hasNextPage},"endCursor":${endCursor}}}`
}

function search(operation: Operation, body: object, form: Form, write: Write, cursor: string | null = null): void {
  const after = Number(cursor)
  const fill: Fill<Text> = (_operation, out, { results, has_more }) => {
    out.end = '{"searchCapsules":'
    writeConnection(operation, out, results, form, write, after, has_more)
    out.end += "}"
  }
  operation.search(after === 0 ? body : { ...body, offset: after }, fill, operation.data)
}

const newestFirst = (a: Json, b: Json) => b.created - a.created

function fillRuns(form: Form, write: Write, first = 5, after = 0): Fill<Text> {
  return (operation, out, list) => {
    const page = list.sort(newestFirst).slice(after, after + first)
    writeConnection(operation, out, page, form, write, after, list.length > after + first)
  }
}

function writeInputs(operation: Operation, out: Text, list: readonly Json[], shape: "ofRun" | "ofPanel"): void {
  out.end += "["
  let count = 0
  for (const { id, mount } of list) {
    out.end += `${count++ > 0 ? "," : ""}{"mount":${quoted(mount)},"dataAsset":`
    out.insert(operation.asset(id)[shape])
    out.end += "}"
  }
  out.end += "]"
}

const writeRun: Write = (operation, out, { id, name, state, run_time, data_assets }) => {
  out.end += `{"id":${quoted(id)},"name":${quoted(name)},"state":"${upper(state)}","runTime":${run_time},"dataAssets":`
  writeInputs(operation, out, data_assets, "ofRun")
  out.end += "}"
}

const writeRunWithEnd: Write = (operation, out, { id, name, state, end_status, run_time, data_assets }) => {
  out.end += `{"id":${quoted(id)},"name":${quoted(name)},"state":"${upper(state)}","endStatus":"${upper(end_status)}","runTime":${run_time},"dataAssets":`
  writeInputs(operation, out, data_assets, "ofRun")
  out.end += "}"
}

const writeRunOfCard: Write = (_operation, out, { id, name, state, run_time }) => {
  out.end += `{"id":${quoted(id)},"name":${quoted(name)},"state":"${upper(state)}","runTime":${run_time}}`
}

const writeInputsOfRun: Write = (operation, out, { id, data_assets }) => {
  out.end += `{"id":${quoted(id)},"dataAssets":`
  writeInputs(operation, out, data_assets, "ofRun")
  out.end += "}"
}

/** Calls for a part of the object that is being written. */
function insert(operation: Operation, out: Text, path: string, fill: Fill<Text>): void {
  const part = new Text()
  out.insert(part)
  operation.get(path, fill, part)
}

function nested(form: Form): Resolver {
  const fill = fillRuns(form, writeRun)
  const write: Write = (operation, out, { id, name }) => {
    out.end += `{"id":${quoted(id)},"name":${quoted(name)},"computations":`
    insert(operation, out, `capsules/${id}/computations`, fill)
    out.end += "}"
  }
  return (operation) => search(operation, { limit: 50 }, form, write)
}

function scalars(capsule: Json): string {
  let tags = ""
  for (const tag of capsule.tags) tags += tags === "" ? quoted(tag) : `,${quoted(tag)}`
  return `"id":${quoted(capsule.id)},"name":${quoted(capsule.name)},"status":"${upper(capsule.status)}","owner":${quoted(capsule.owner)},"slug":${quoted(capsule.slug)},"created":"${time(capsule.created)}","lastAccessed":"${time(capsule.last_accessed)}","description":${quoted(capsule.description)},"field":${quoted(capsule.field)},"tags":[${tags}]`
}

const writeScalars: Write = (_operation, out, capsule) => {
  out.end += `{${scalars(capsule)}}`
}

const writeCapsule: Write = (_operation, out, capsule) => {
  out.end += `{${scalars(capsule)},"versions":[`
  let count = 0
  for (const { major_version, minor_version, release_time, doi } of capsule.versions)
    out.end += `${count++ > 0 ? "," : ""}{"majorVersion":${major_version},"minorVersion":${minor_version},"releaseTime":"${time(release_time)}","doi":${quoted(doi)}}`
  out.end += "]}"
}

const card = ({ id, name, status, owner, slug, created }: Json) =>
  `{"id":${quoted(id)},"name":${quoted(name)},"status":"${upper(status)}","owner":${quoted(owner)},"slug":${quoted(slug)},"created":"${time(created)}"}`

const writeListed: Write = (_operation, out, { id, name, status, last_accessed }) => {
  out.end += `{"id":${quoted(id)},"name":${quoted(name)},"status":"${upper(status)}","lastAccessed":"${time(last_accessed)}"}`
}

const writeId: Write = (_operation, out, { id }) => {
  out.end += `{"id":${quoted(id)}}`
}

function panel({ general, parameters }: Json): string {
  let items = ""
  for (const { name, type, default_value } of parameters)
    items += `${items === "" ? "" : ","}{"name":${quoted(name)},"type":"${upper(type)}","defaultValue":${quoted(default_value)}}`
  return `"general":{"title":${quoted(general.title)}},"parameters":[${items}]`
}

function fillPanel(_operation: Operation, out: Text, value: Json): void {
  out.end = `{${panel(value)}}`
}

function fillPanelWithAssets(operation: Operation, out: Text, value: Json): void {
  out.end = `{${panel(value)},"dataAssets":`
  writeInputs(operation, out, value.data_assets, "ofPanel")
  out.end += "}"
}

const fillRunsWithEnd = fillRuns("nodes", writeRunWithEnd)
const fillRunsOfCard = fillRuns("nodes", writeRunOfCard)
const fillInputs = fillRuns("nodes", writeInputsOfRun)

const writeOfPage: Write = (operation, out, { id, name, status, last_accessed, tags }) => {
  out.end += `{"id":${quoted(id)},"name":${quoted(name)},"status":"${upper(status)}","lastAccessed":"${time(last_accessed)}","tags":${JSON.stringify(tags)},"appPanel":`
  insert(operation, out, `capsules/${id}/app_panel`, fillPanelWithAssets)
  out.end += ',"computations":'
  insert(operation, out, `capsules/${id}/computations`, fillRunsWithEnd)
  out.end += "}"
}

/** A capsule with something that costs another call. */
function capsuleAnd(operation: Operation, id: string, path: string, key: string, fill: Fill<Text>): void {
  const { data } = operation
  data.end = '{"capsule":{'
  insert(operation, data, `capsules/${id}`, fillIdAndName)
  data.end += `,"${key}":`
  insert(operation, data, `capsules/${id}/${path}`, fill)
  data.end += "}}"
}

function fillIdAndName(_operation: Operation, out: Text, { id, name }: Json): void {
  out.end = `"id":${quoted(id)},"name":${quoted(name)}`
}

function fillCard(_operation: Operation, out: Text, capsule: Json): void {
  out.end = `{"capsule":${card(capsule)}}`
}

function fillArchived(_operation: Operation, out: Text, { id, name, status }: Json): void {
  out.end = `{"archiveCapsule":{"__typename":"ArchiveCapsulePayload","capsule":{"id":${quoted(id)},"name":${quoted(name)},"status":"${upper(status)}"}}}`
}

const ordered = { query: "tag:ecephys", sort_field: "last_accessed", sort_order: "desc" }

type Resolver = (operation: Operation, variables: Json) => void

const resolvers: Record<DocumentName, Resolver> = {
  typename({ data }) {
    data.end = '{"__typename":"Query"}'
  },
  nestedEdges: nested("edges"),
  nestedNodes: nested("nodes"),
  wideEdges: (operation) => search(operation, { limit: 1000 }, "edges", writeCapsule),
  wideNodes: (operation) => search(operation, { limit: 1000 }, "nodes", writeCapsule),
  wide100: (operation) => search(operation, { limit: 100 }, "nodes", writeScalars),
  wide300: (operation) => search(operation, { limit: 300 }, "nodes", writeScalars),
  wide1000: (operation) => search(operation, { limit: 1000 }, "nodes", writeScalars),
  page: (operation, { after }) => search(operation, { limit: 20 }, "edges", writeCapsule, after),
  list: (operation, { search: query }) => search(operation, { limit: 20, query }, "nodes and page info", writeListed),
  capsulePage: (operation) => search(operation, { ...ordered, limit: 50 }, "nodes and page info", writeOfPage),
  capsulesAfter: (operation, { after }) => search(operation, { limit: 3 }, "nodes", writeId, after),
  orderedAfter: (operation, { after }) => search(operation, { ...ordered, limit: 3 }, "nodes", writeId, after),
  byIds(operation, { ids }: { ids: string[] }) {
    const query = ids.map((id) => `id:${id}`).join(" ")
    const fill: Fill<Text> = (_operation, out, { results }) => {
      const byId = new Map<string, string>()
      for (const capsule of results) byId.set(capsule.id, card(capsule))
      out.end = `{"capsules":[${ids.map((id) => byId.get(id) ?? "null").join()}]}`
    }
    operation.search({ query, limit: ids.length }, fill, operation.data)
  },
  archive(operation, { input }) {
    const path = `capsules/${input.id}`
    const read = () => operation.get(path, fillArchived, operation.data)
    operation.patch(`${path}/archive?archive=${input.archived}`, read, operation.data)
  },
  card: (operation, { id }) => operation.get(`capsules/${id}`, fillCard, operation.data),
  runs: (operation, { id }) => capsuleAnd(operation, id, "computations", "computations", fillRunsOfCard),
  inputs: (operation, { id }) => capsuleAnd(operation, id, "computations", "computations", fillInputs),
  form: (operation, { id }) => capsuleAnd(operation, id, "app_panel", "appPanel", fillPanel),
  runsAfter(operation, { id, after }) {
    operation.data.end = '{"capsule":{"computations":'
    const fill = fillRuns("nodes", writeId, 2, Number(after))
    insert(operation, operation.data, `capsules/${id}/computations`, fill)
    operation.data.end += "}}"
  },
}

const byText = new Map<string, Resolver>()
for (const name of Object.keys(documents) as DocumentName[]) byText.set(documents[name], resolvers[name])

/**
 * The minimum of work: exactly the calls that are needed, `JSON.parse`, and the selected values written as text by hand. It has no
 * GraphQL, no checks and no limits. It is the baseline for the other servers, not for real use.
 * @param send sends a call, and passes the body of its response to `end`
 */
export function serve(send: Send): void {
  const respond = (request: IncomingMessage, response: ServerResponse, text: string) => {
    const { query, variables } = JSON.parse(text)
    const operation = new Operation(send, request.headers.authorization ?? "", response)
    ;(byText.get(query) as Resolver)(operation, variables)
    operation.filled()
  }
  createServer((request, response) => {
    let body: Buffer | undefined
    request.on("data", (chunk) => {
      body = body === undefined ? chunk : Buffer.concat([body, chunk])
    })
    request.on("end", () => respond(request, response, String(body)))
  }).listen(Number(process.env.PORT), "127.0.0.1")
}
