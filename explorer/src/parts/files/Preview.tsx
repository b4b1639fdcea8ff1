import { Alert, Button, Group, Skeleton, Text } from "@mantine/core"
import { useVirtualizer } from "@tanstack/react-virtual"
import { type ReactNode, useEffect, useMemo, useRef, useState } from "react"
import { fetchFromGateway } from "../../app/gateway.ts"
import { linkTo } from "../../app/router.ts"
import { sessionExpired, sessionHeaders } from "../../app/session.ts"
import { filesUrl } from "../../app/settings.ts"
import { problemsOf } from "../../data/problem.ts"
import { usePage } from "../../data/usePage.ts"
import { useRead } from "../../data/useRead.ts"
import { count } from "../format.ts"
import { DownloadIcon, WarningIcon } from "../icons.tsx"
import { Scrolled, scrolls } from "../Scrolled.tsx"
import classes from "./Files.module.css"
import { FileTextDocument, FileUrlDocument } from "./files.generated.ts"
import { indented, kindOf, tableOf } from "./texts.ts"
import { type FileOwner, variablesOf } from "./useFolders.ts"

interface PreviewProps {
  owner: FileOwner
  path: string
}

/** A file: as an image, a table, JSON or text. */
export function Preview({ owner, path }: PreviewProps) {
  const kind = kindOf(path)
  return (
    <section aria-label={`Preview of ${path}`} className={classes.preview}>
      <Group justify="space-between" wrap="nowrap" mb="xs" gap="sm">
        <Text size="sm" fw={600} style={{ overflowWrap: "anywhere" }}>
          {path}
        </Text>
        <Group gap="xs" justify="flex-end">
          {owner.is === "dataAsset" && kind !== "image" && (
            <Button
              component="a"
              size="compact-sm"
              variant="default"
              title="Shows what this file has in other data assets"
              {...linkTo(`read?${new URLSearchParams({ path })}`)}
            >
              Compare
            </Button>
          )}
          <Download owner={owner} path={path} />
        </Group>
      </Group>
      {kind === "image" ? (
        <Image key={path} owner={owner} path={path} />
      ) : (
        <TextFile key={path} owner={owner} path={path} />
      )}
    </section>
  )
}

/** Addresses of files are valid for a short time, so that each click asks for one. */
function Download({ owner, path }: PreviewProps) {
  const read = useRead()
  const [state, setState] = useState<{ busy: boolean; problem?: string }>({ busy: false })
  async function download() {
    setState({ busy: true })
    const variables = { ...variablesOf(owner), path }
    const result = await read(FileUrlDocument, variables, "network-only")
    if (result === undefined) return
    const { data, error } = result
    const url = (data?.computation ?? data?.dataAsset)?.file?.downloadUrl
    if (!url) {
      setState({ busy: false, problem: problemsOf(error)[0]?.message ?? "The file does not exist any more." })
      return
    }
    setState({ busy: false })
    const link = document.createElement("a")
    link.href = url
    link.download = path.slice(path.lastIndexOf("/") + 1)
    link.rel = "noreferrer"
    link.target = "_blank"
    link.click()
  }
  return (
    <Group gap="xs" wrap="nowrap">
      {state.problem && (
        <Text size="xs" c="red" role="alert">
          {state.problem}
        </Text>
      )}
      <Button
        size="compact-sm"
        variant="default"
        leftSection={<DownloadIcon />}
        loading={state.busy}
        onClick={() => void download()}
      >
        Download
      </Button>
    </Group>
  )
}

function NoPreview({ onRetry, children }: { onRetry?: () => void; children: ReactNode }) {
  return (
    <Alert
      variant="light"
      color="gray"
      icon={<WarningIcon />}
      title="There is no preview"
      styles={{ title: { color: "var(--mantine-color-text)" } }}
    >
      <Text size="sm">
        {children}{" "}
        {onRetry && (
          <Button size="compact-xs" variant="default" onClick={onRetry}>
            Try again
          </Button>
        )}
      </Text>
    </Alert>
  )
}

/** Why there is no preview. What only a program can do next is said as a person can do it, and trying again would not help. */
function Unreadable({ message, onRetry }: { message: string; onRetry(): void }) {
  const plain = message.replace(/ Fetch it from its `downloadUrl`.*$/, " Download it to see it.")
  return <NoPreview {...(plain === message && { onRetry })}>{plain}</NoPreview>
}

function TextFile({ owner, path }: PreviewProps) {
  const { data, problems, loading, reload } = usePage(FileTextDocument, { ...variablesOf(owner), path })
  const head = (data?.computation ?? data?.dataAsset)?.file?.head
  if (head) return <Shown {...head} path={path} />
  const [worst] = problems
  if (worst !== undefined) return <Unreadable message={worst.message} onRetry={reload} />
  if (loading) return <Skeleton height={180} />
  return <NoPreview>The file does not exist any more.</NoPreview>
}

function Shown({ text, isWhole, path }: { text: string; isWhole: boolean; path: string }) {
  const kind = kindOf(path)
  const json = useMemo(() => (kind === "json" ? indented(text) : undefined), [kind, text])
  if (text === "") return <NoPreview>The file is empty.</NoPreview>
  const isBroken = kind === "json" && json === undefined && isWhole
  return (
    <>
      {(isBroken || !isWhole) && (
        <Text size="xs" c="dimmed" mb={4}>
          {isBroken
            ? "This is not valid JSON, and shown as it is."
            : "This is the beginning of the file. Download it to see the rest."}
        </Text>
      )}
      {kind === "table" ? (
        <Table
          // The last line may be cut off.
          text={isWhole ? text : text.slice(0, text.lastIndexOf("\n") + 1)}
          separator={path.toLowerCase().endsWith(".tsv") ? "\t" : ","}
        />
      ) : (
        <Scrolled label={`Text of ${path}`}>{json ?? text}</Scrolled>
      )}
    </>
  )
}

const rowHeight = 28
const mostColumns = 100

/** A table of any length, of which only the visible rows exist. */
function Table({ text, separator }: { text: string; separator: string }) {
  const box = useRef<HTMLDivElement>(null)
  const [header = [], ...rows] = useMemo(() => tableOf(text, separator), [text, separator])
  const virtualizer = useVirtualizer({
    count: rows.length,
    getScrollElement: () => box.current,
    estimateSize: () => rowHeight,
    overscan: 10,
  })
  const columns = header.slice(0, mostColumns)
  const shown = virtualizer.getVirtualItems()
  const before = shown[0]?.start ?? 0
  const after = virtualizer.getTotalSize() - (shown.at(-1)?.end ?? 0)
  return (
    <>
      <section ref={box} className={classes.table} {...scrolls} aria-label="Table">
        <table aria-rowcount={rows.length + 1}>
          <thead>
            <tr>
              {columns.map((name, index) => (
                <th key={`${index} ${name}`} scope="col">
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {before > 0 && <tr style={{ height: before }} />}
            {shown.map(({ index, key }) => (
              <tr key={key} aria-rowindex={index + 2} style={{ height: rowHeight }}>
                {columns.map((name, column) => (
                  <td key={`${column} ${name}`}>{rows[index]?.[column]}</td>
                ))}
              </tr>
            ))}
            {after > 0 && <tr style={{ height: after }} />}
          </tbody>
        </table>
      </section>
      <Text size="xs" c="dimmed" mt={4}>
        {count(rows.length, "row")}
        {header.length > mostColumns && `, the first ${mostColumns} of ${header.length} columns`}
      </Text>
    </>
  )
}

/** An image through the gateway, which sends nothing else from there. It has no script and no address of its own. */
function Image({ owner: { id, is }, path }: PreviewProps) {
  const [state, setState] = useState<{ url?: string; problem?: string }>({})
  const [attempt, setAttempt] = useState(0)

  useEffect(() => {
    const controller = new AbortController()
    let url: string | undefined
    setState({})
    readImage({ id, is }, path, controller.signal).then(
      (blob) => {
        if (controller.signal.aborted) return
        url = URL.createObjectURL(blob)
        setState({ url })
      },
      (error: unknown) => {
        if (!controller.signal.aborted) setState({ problem: (error as Error).message })
      },
    )
    return () => {
      controller.abort()
      if (url !== undefined) URL.revokeObjectURL(url)
    }
  }, [id, is, path, attempt])

  if (state.problem !== undefined) {
    return <Unreadable message={state.problem} onRetry={() => setAttempt(attempt + 1)} />
  }
  if (state.url === undefined) return <Skeleton height={180} />
  return (
    <div className={classes.image}>
      <img src={state.url} alt={path} onError={() => setState({ problem: "The browser cannot show this image." })} />
    </div>
  )
}

async function readImage({ id, is }: FileOwner, path: string, signal: AbortSignal): Promise<Blob> {
  const kind = is === "run" ? "computations" : "data_assets"
  const url = `${filesUrl}/${kind}/${encodeURIComponent(id)}?${new URLSearchParams({ path })}`
  const response = await fetchFromGateway(url, { headers: sessionHeaders(), credentials: "same-origin", signal }).catch(
    () => {
      throw new Error("The gateway does not answer.")
    },
  )
  if (response.ok) return await response.blob()
  if (response.status === 401) sessionExpired()
  const body = (await response.json().catch(() => undefined)) as { errors?: { message?: string }[] } | undefined
  throw new Error(body?.errors?.[0]?.message ?? `The gateway answers with HTTP ${response.status}.`)
}
