import { Button, Group, Loader, Table, Text, TextInput } from "@mantine/core"
import { type FormEvent, useMemo, useState } from "react"
import { dataAssetPath } from "../../app/paths.ts"
import { linkTo, useQueryState } from "../../app/router.ts"
import type { Problem } from "../../data/problem.ts"
import { usePages } from "../../data/usePages.ts"
import { EmptyState } from "../../parts/EmptyState.tsx"
import { count } from "../../parts/format.ts"
import { DownloadIcon } from "../../parts/icons.tsx"
import { PageTitle } from "../../parts/PageTitle.tsx"
import { Problems } from "../../parts/Problems.tsx"
import { SkeletonRows } from "../../parts/SkeletonRows.tsx"
import { Filters } from "../search/Filters.tsx"
import { QueryField } from "../search/QueryField.tsx"
import searchClasses from "../search/Search.module.css"
import { searches } from "../search/searches.ts"
import { readDataAssetState } from "../search/state.ts"
import classes from "./ReadFile.module.css"
import { ReadFileDocument, type ReadFileQuery, type ReadFileQueryVariables } from "./readFile.generated.ts"
import { csvOf, type FileTable, tableOf } from "./tableOf.ts"

/** Each data asset takes a call for the address of its file. */
const first = 25

const shownNames = 12

const select = ({ searchDataAssets }: ReadFileQuery) => searchDataAssets

/** Reads the same small file of many data assets, and shows what is in it side by side. */
export default function ReadFilePage() {
  const [address, change] = useQueryState()
  const state = readDataAssetState(address)
  const path = address.get("path") ?? ""
  const { withUses: _, ...variables } = searches["data-assets"].variables({ ...state, unused: false })
  const read = usePages(
    ReadFileDocument,
    // The files of external data assets cannot be read.
    { ...variables, first, origin: "INTERNAL", path, withFile: path !== "" } as ReadFileQueryVariables,
    select,
  )
  const page = { ...read, problems: read.problems.filter((problem) => !isOfOneFile(problem)) }
  const { nodes } = page
  const fields = (page.data?.customMetadata?.fields ?? []).filter((field) => field !== null)
  const files = useMemo(
    () => nodes.flatMap(({ id, name, file }) => (file?.head ? [{ id, name, ...file.head }] : [])),
    [nodes],
  )
  const table = useMemo(() => tableOf(files), [files])
  const isSearching = page.isReadingFirst
  const isKnown = !isSearching && page.data !== undefined && (page.problems.length === 0 || files.length > 0)

  return (
    <>
      <PageTitle title="Read a file of many data assets" />
      <div className={searchClasses.controls}>
        <QueryField query={state.query} label="Search data assets" onChange={(q) => change({ q }, { replace: true })} />
        <Filters state={state} fields={fields} change={change} without={["origin", "unused"]} />
      </div>
      <PathField key={path} path={path} onChange={(next) => change({ path: next })} />
      <Problems page={page} />
      <div className="panel">
        <div className={searchClasses.summary}>
          <Group gap="xs" role="status">
            <span className="number">
              {isSearching && "Reading…"}
              {isKnown && summaryOf(path, nodes.length, files.length, page.hasMore)}
            </span>
            {page.loading && !isSearching && <Loader size={14} aria-label="Loading" />}
          </Group>
          {files.length > 0 && (
            <Button
              size="compact-sm"
              variant="default"
              leftSection={<DownloadIcon />}
              onClick={() => save(csvOf(table), `${path.replace(/.*\//, "")}.csv`)}
            >
              Save as CSV
            </Button>
          )}
        </div>
        {isSearching && <SkeletonRows rows={6} />}
        {isKnown && files.length === 0 && (
          <EmptyState title={path === "" ? "Which file?" : `None${page.hasMore ? " so far" : ""} has this file`}>
            <Text size="sm" c="dimmed">
              {path === ""
                ? "Choose one that they have, or give the path of one in a folder."
                : "The path is from the root of a data asset, as its page lists its files."}
            </Text>
            {path === "" && <Names of={nodes} onChoose={(next) => change({ path: next })} />}
          </EmptyState>
        )}
        {files.length > 0 && <Contents of={table} />}
        {page.hasMore && (
          <Group p="xs" gap="sm">
            <Button variant="default" size="compact-sm" loading={page.loadingMore} onClick={page.loadMore}>
              {path === "" ? "Find further ones" : "Read further ones"}
            </Button>
            {page.moreProblem !== undefined && <Text size="sm">{page.moreProblem.message}</Text>}
          </Group>
        )}
      </div>
    </>
  )
}

/** A data asset whose files may not be read, or that is a draft, is one without the file. */
const isOfOneFile = ({ is, paths }: Problem): boolean =>
  (is === "refused" || is === "forbidden" || is === "broken") &&
  paths.length > 0 &&
  paths.every((path) => path.endsWith(".file.head") || path.includes(".files"))

function summaryOf(path: string, found: number, read: number, hasMore: boolean): string {
  if (path === "") return `${hasMore ? "The first " : ""}${count(found, "data asset")} found`
  const all = `${hasMore ? "the first " : ""}${count(found, "data asset")}`
  const missing = found - read
  return `${read} of ${all} ${read === 1 ? "has" : "have"} it${missing > 0 ? `. ${missing === 1 ? "The other has no such file, or it" : "The others have no such file, or it"} cannot be read` : ""}`
}

function PathField({ path, onChange }: { path: string; onChange(path: string): void }) {
  const [text, setText] = useState(path)
  function submit(event: FormEvent) {
    event.preventDefault()
    onChange(text.trim().replace(/^\/+/, ""))
  }
  return (
    <form onSubmit={submit} className={classes.path}>
      <TextInput
        label="Path of the file"
        placeholder="processing.json"
        value={text}
        autoComplete="off"
        spellCheck={false}
        onChange={(event) => setText(event.currentTarget.value)}
      />
      <Button type="submit" disabled={text.trim() === ""}>
        Read
      </Button>
    </form>
  )
}

type Asset = NonNullable<NonNullable<ReadFileQuery["searchDataAssets"]>["nodes"][number]>

/** The files in the roots of the data assets, the most frequent first. */
function Names({ of: assets, onChoose }: { of: readonly Asset[]; onChoose(path: string): void }) {
  const counts = new Map<string, number>()
  for (const { files } of assets) {
    for (const entry of files?.entries ?? []) {
      if (entry?.__typename === "File") counts.set(entry.path, (counts.get(entry.path) ?? 0) + 1)
    }
  }
  const names = [...counts].toSorted(([, a], [, b]) => b - a).slice(0, shownNames)
  if (names.length === 0) return null
  return (
    <ul aria-label="Files" className={classes.names}>
      {names.map(([path, number]) => (
        <li key={path}>
          <Button variant="default" size="compact-sm" onClick={() => onChoose(path)}>
            {path}
          </Button>{" "}
          in {number}
        </li>
      ))}
    </ul>
  )
}

function Contents({ of: { columns, rows } }: { of: FileTable }) {
  return (
    <Table.ScrollContainer minWidth={480} scrollAreaProps={{ viewportProps: { tabIndex: 0 } }}>
      <Table aria-label="Contents" verticalSpacing={6}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Data asset</Table.Th>
            {columns.length === 0 ? (
              <Table.Th>Content</Table.Th>
            ) : (
              columns.map((name) => <Table.Th key={name}>{name}</Table.Th>)
            )}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {rows.map(({ item, values }) => (
            <Table.Tr key={item.id}>
              <Table.Td className={classes.name}>
                <a {...linkTo(dataAssetPath(item.id))} className="text-link">
                  {item.name}
                </a>
              </Table.Td>
              {columns.length === 0 ? (
                <Table.Td>
                  <pre className={classes.content}>
                    {item.text}
                    {!item.isWhole && "…"}
                  </pre>
                </Table.Td>
              ) : (
                values.map((value, index) => (
                  <Table.Td key={columns[index]} className={classes.value} title={value}>
                    {value}
                  </Table.Td>
                ))
              )}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  )
}

function save(text: string, name: string): void {
  const link = document.createElement("a")
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }))
  link.download = name
  link.click()
  // After the browser has taken it.
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000)
}
