import { Alert, Button, Skeleton, Text } from "@mantine/core"
import { lazy, type ReactNode, Suspense, useState } from "react"
import { dataAssetPath, runnablePath, runPath } from "../../app/paths.ts"
import { linkTo } from "../../app/router.ts"
import type { PageProps } from "../../app/routes.ts"
import { codeoceanPage } from "../../app/settings.ts"
import { isForbidden, type Problem } from "../../data/problem.ts"
import { usePage } from "../../data/usePage.ts"
import { EmptyState } from "../../parts/EmptyState.tsx"
import { Outcome, Size, Time } from "../../parts/Facts.tsx"
import { count } from "../../parts/format.ts"
import { CapsuleIcon, DataIcon, FileIcon, FolderIcon, LockIcon, PipelineIcon } from "../../parts/icons.tsx"
import { Markdown } from "../../parts/Markdown.tsx"
import { showValue } from "../../parts/metadata.ts"
import { PageTitle } from "../../parts/PageTitle.tsx"
import { Problems } from "../../parts/Problems.tsx"
import { SkeletonRows } from "../../parts/SkeletonRows.tsx"
import { Tags } from "../../parts/Tags.tsx"
import classes from "./DataAsset.module.css"
import { DataAssetPageDocument, type DataAssetPageQuery } from "./dataAsset.generated.ts"
import { LineageView } from "./LineageView.tsx"

const EditForm = lazy(() => import("./EditForm.tsx"))

type Asset = NonNullable<DataAssetPageQuery["dataAsset"]>

const types: Readonly<Record<Asset["type"], string>> = {
  DATASET: "Dataset",
  RESULT: "Result",
  COMBINED: "Combined",
  MODEL: "Model",
  UNRECOGNIZED: "Data asset",
}

/** A data asset: what it is, where it came from, and who uses it. */
export default function DataAssetPage({ params }: PageProps) {
  const id = params.id ?? ""
  const read = usePage(DataAssetPageDocument, { id })
  // Code Ocean refuses to list the files of an external data asset. That is no problem of the page, which says so in their place.
  const isExternal = read.data?.dataAsset?.sourceBucket?.external ?? false
  const isExpected = ({ paths }: Problem) => isExternal && paths.every((path) => path.startsWith("dataAsset.files"))
  const page = {
    ...read,
    problems: read.problems.filter((problem) => !(problem.is === "refused" && isExpected(problem))),
  }
  const [editing, setEditing] = useState(false)
  const asset = page.data?.dataAsset
  const fields = (page.data?.customMetadata?.fields ?? []).filter((field) => field !== null)

  if (page.data !== undefined && !asset && page.problems.length === 0) {
    return (
      <EmptyState title="There is no such data asset" as="h1">
        <Text size="sm" c="dimmed">
          It was deleted, or your token may not see it.
        </Text>
        <Button component="a" variant="default" {...linkTo("search?type=data-assets")}>
          Search data assets
        </Button>
      </EmptyState>
    )
  }
  const ownPage = codeoceanPage(`data-assets/${id}`)
  return (
    <>
      <PageTitle title={asset?.name ?? "Data asset"} icon={<DataIcon />}>
        {asset && (
          <Button.Group>
            <Button variant="default" size="sm" onClick={() => setEditing(true)}>
              Edit
            </Button>
            {ownPage !== undefined && (
              <Button component="a" variant="default" size="sm" href={ownPage} target="_blank" rel="noreferrer">
                Open in Code Ocean
              </Button>
            )}
          </Button.Group>
        )}
      </PageTitle>
      <Problems page={page} />
      {asset ? (
        <Content asset={asset} fields={fields} problems={page.problems} />
      ) : (
        page.problems.length === 0 && <Loading />
      )}
      {editing && asset && (
        <Suspense>
          <EditForm asset={asset} fields={fields} onClose={() => setEditing(false)} />
        </Suspense>
      )}
    </>
  )
}

function Content({
  asset,
  fields,
  problems,
}: {
  asset: Asset
  fields: Parameters<typeof showValue>[1][]
  problems: readonly Problem[]
}) {
  const entries = (asset.customMetadata ?? []).filter((entry) => entry !== null)
  const users = [...(asset.attachedTo?.nodes ?? []), ...(asset.attachedToPipelines?.nodes ?? [])].filter(
    (user) => user !== null,
  )
  const isMore = asset.attachedTo?.pageInfo.hasNextPage || asset.attachedToPipelines?.pageInfo.hasNextPage
  return (
    <>
      <dl className={classes.facts}>
        <Fact label="Type">
          {types[asset.type]}
          {asset.state === "DRAFT" && ", being created"}
          {asset.state === "FAILED" && ", failed"}
        </Fact>
        <Fact label="Size">
          <Size of={asset.size} />
          {asset.fileCount !== null && ` in ${count(asset.fileCount, "file")}`}
        </Fact>
        <Fact label="Created">
          <Time of={asset.created} />
        </Fact>
        <Fact label="Last used">
          <Time of={asset.lastUsed} missing="never" />
        </Fact>
        {asset.ownerEmail && <Fact label="Owner">{asset.ownerEmail}</Fact>}
        {asset.mount && <Fact label="Mounted in">{asset.mount}</Fact>}
        {asset.sourceBucket?.bucket && (
          <Fact label={asset.sourceBucket.external ? "Kept in" : "From"}>
            {[asset.sourceBucket.bucket, asset.sourceBucket.prefix].filter(Boolean).join("/")}
          </Fact>
        )}
      </dl>
      {(asset.failureReason || asset.transferError) && (
        <Alert
          color="red"
          variant="light"
          mb="md"
          title={asset.failureReason ? "Its creation failed" : "Its last transfer failed"}
        >
          {asset.failureReason ?? asset.transferError}
        </Alert>
      )}
      <div className={classes.columns}>
        <div>
          {asset.description && (
            <section className={classes.section}>
              <Markdown text={asset.description} />
            </section>
          )}
          <Section title="Lineage">
            {asset.lineage ? (
              <LineageView lineage={asset.lineage} id={asset.id} />
            ) : (
              <Locked problems={problems} path="dataAsset.lineage" />
            )}
          </Section>
          <Section title="Used by">
            {asset.attachedTo === null && <Locked problems={problems} path="dataAsset.attachedTo" />}
            {users.length === 0 && asset.attachedTo !== null && (
              <None>No capsule and no pipeline has it attached.</None>
            )}
            <ul className={classes.list}>
              {users.map((user) => (
                <User key={user.id} user={user} />
              ))}
            </ul>
            {isMore && <None>These are the first. Search for {asset.id} to find all of them.</None>}
          </Section>
        </div>
        <div>
          {(asset.tags?.length ?? 0) > 0 && (
            <Section title="Tags">
              <Tags of={asset.tags} />
            </Section>
          )}
          <Section title="Metadata">
            {entries.length === 0 && <None>It has no custom metadata.</None>}
            <ul className={classes.list}>
              {entries.map(({ key, value }) => (
                <li key={key}>
                  <span>{key}</span>
                  <span>
                    {showValue(
                      value,
                      fields.find((field) => field?.name === key),
                    )}
                  </span>
                </li>
              ))}
            </ul>
          </Section>
          {(asset.appParameters?.length ?? 0) > 0 && (
            <Section title="Made with">
              <ul className={classes.list}>
                {asset.appParameters?.map((parameter) => (
                  <li key={`${parameter?.name} ${parameter?.paramName}`}>
                    <span>{parameter?.name ?? parameter?.paramName}</span>
                    <span>{parameter?.value}</span>
                  </li>
                ))}
              </ul>
            </Section>
          )}
          {(asset.containedDataAssets?.length ?? 0) > 0 && (
            <Section title="Consists of">
              <ul className={classes.list}>
                {asset.containedDataAssets?.map((part) => (
                  <li key={part?.dataAssetId}>
                    <DataIcon />
                    {part?.dataAsset ? (
                      <a {...linkTo(dataAssetPath(part.dataAsset.id))} className="text-link truncate">
                        {part.dataAsset.name}
                      </a>
                    ) : (
                      <span>{part?.dataAssetId}</span>
                    )}
                    <span>{part?.mount}</span>
                  </li>
                ))}
              </ul>
            </Section>
          )}
          <Section title="Files">
            <Files asset={asset} problems={problems} />
          </Section>
          <Section title="Shared with">
            <Sharing asset={asset} problems={problems} />
          </Section>
        </div>
      </div>
    </>
  )
}

function Files({ asset, problems }: { asset: Asset; problems: readonly Problem[] }) {
  const entries = asset.files?.entries
  if (asset.sourceBucket?.external) return <None>Its files are in an external bucket, and are not listed here.</None>
  if (!entries) return <Locked problems={problems} path="dataAsset.files" />
  if (entries.length === 0) return <None>It has no files.</None>
  return (
    <ul className={classes.list}>
      {entries.map(
        (entry) =>
          entry && (
            <li key={entry.path}>
              {entry.__typename === "Folder" ? <FolderIcon /> : <FileIcon />}
              <span className="truncate">{entry.name}</span>
              <span>{entry.__typename === "File" && <Size of={entry.size} />}</span>
            </li>
          ),
      )}
    </ul>
  )
}

function Sharing({ asset: { permissions, ownerEmail }, problems }: { asset: Asset; problems: readonly Problem[] }) {
  if (!permissions) return <Locked problems={problems} path="dataAsset.permissions" />
  const rows = [
    ...(permissions.users ?? []).flatMap((user) =>
      user && user.email !== ownerEmail ? [{ who: user.email, role: user.role }] : [],
    ),
    ...(permissions.groups ?? []).flatMap((group) => (group ? [{ who: group.group, role: group.role }] : [])),
    ...(permissions.everyone && permissions.everyone !== "NONE"
      ? [{ who: "Everyone", role: permissions.everyone }]
      : []),
  ]
  if (rows.length === 0) return <None>Nobody but its owner.</None>
  return (
    <ul className={classes.list}>
      {rows.map(({ who, role }) => (
        <li key={`${who} ${role}`}>
          <span className="truncate">{who}</span>
          <span>{role?.toLowerCase()}</span>
        </li>
      ))}
    </ul>
  )
}

function User({
  user,
}: {
  user: NonNullable<
    NonNullable<Asset["attachedTo"]>["nodes"][number] | NonNullable<Asset["attachedToPipelines"]>["nodes"][number]
  >
}) {
  const runs = (user.computations?.nodes ?? []).filter((run) => run !== null)
  return (
    <>
      <li>
        {user.__typename === "Pipeline" ? <PipelineIcon /> : <CapsuleIcon />}
        <a {...linkTo(runnablePath(user))} className="text-link truncate">
          {user.name}
        </a>
        <span>{runs.length === 0 ? "no run with it" : ""}</span>
      </li>
      {runs.map((run) => (
        <li key={run.id} className={classes.runs}>
          <Outcome of={run.outcome} />
          <a {...linkTo(runPath({ id: run.id, runnable: user }))} className="text-link truncate">
            {run.name}
          </a>
          <span>
            <Time of={run.created} />
          </span>
        </li>
      ))}
    </>
  )
}

function Fact({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div>
      <dt>{label}</dt>
      <dd>{children}</dd>
    </div>
  )
}

function Section({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className={classes.section}>
      <h2>{title}</h2>
      {children}
    </section>
  )
}

function None({ children }: { children: ReactNode }) {
  return (
    <Text size="sm" c="dimmed">
      {children}
    </Text>
  )
}

/** In the place of a part that could not be read. */
function Locked({ problems, path }: { problems: readonly Problem[]; path: string }) {
  return (
    <Text size="sm" c="dimmed" className="outcome">
      <LockIcon /> {isForbidden(problems, path) ? "Your token may not see this." : "This could not be read."}
    </Text>
  )
}

function Loading() {
  return (
    <div className={classes.columns} aria-hidden="true">
      <div>
        <Skeleton height={20} mb="lg" />
        <Skeleton height={240} />
      </div>
      <SkeletonRows rows={6} />
    </div>
  )
}
