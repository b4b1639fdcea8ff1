import { Alert, Button, Skeleton, Text } from "@mantine/core"
import { lazy, type ReactNode, Suspense, useRef, useState } from "react"
import { linkTo } from "../../app/router.ts"
import type { PageProps } from "../../app/routes.ts"
import { isForbidden, type Problem } from "../../data/problem.ts"
import { useChange } from "../../data/useChange.ts"
import { useLive } from "../../data/useLive.ts"
import { usePage } from "../../data/usePage.ts"
import { EmptyState } from "../../parts/EmptyState.tsx"
import { Size, Time } from "../../parts/Facts.tsx"
import { count } from "../../parts/format.ts"
import { DataIcon, WarningIcon } from "../../parts/icons.tsx"
import { Mark } from "../../parts/Mark.tsx"
import { PageTitle } from "../../parts/PageTitle.tsx"
import { Problems } from "../../parts/Problems.tsx"
import { Sharing } from "../../parts/sharing/Sharing.tsx"
import { TabbedPage, TabbedPageSkeleton } from "../../parts/TabbedPage.tsx"
import { About } from "./About.tsx"
import { AssetActions } from "./AssetActions.tsx"
import { AssetFiles, addressOf } from "./AssetFiles.tsx"
import { ShareDataAssetDocument } from "./changes.generated.ts"
import classes from "./DataAsset.module.css"
import { DataAssetLiveDocument, DataAssetPageDocument, type DataAssetPageQuery } from "./dataAsset.generated.ts"
import { LineageView } from "./LineageView.tsx"
import { Section, Unread } from "./parts.tsx"
import { UsedBy } from "./UsedBy.tsx"

const EditForm = lazy(() => import("./EditForm.tsx"))

export type Asset = NonNullable<DataAssetPageQuery["dataAsset"]>

const types: Readonly<Record<Asset["type"], string>> = {
  DATASET: "Dataset",
  RESULT: "Result",
  COMBINED: "Combined",
  MODEL: "Model",
  UNRECOGNIZED: "Data asset",
}

/** Problems that are said in the place of what they concern. */
const isInPlace = ({ is, paths }: Problem) =>
  paths.every((path) => path.includes(".")) &&
  (is === "forbidden" || (is === "refused" && paths.every((path) => path.startsWith("dataAsset.files"))))

/** A data asset: what it is, its files, where it came from, who uses it and who may. */
export default function DataAssetPage({ params }: PageProps) {
  const id = params.id ?? ""
  const page = usePage(DataAssetPageDocument, { id })
  const [editing, setEditing] = useState(false)
  const asset = page.data?.dataAsset
  const fields = (page.data?.customMetadata?.fields ?? []).filter((field) => field !== null)
  // Until the first answer, what is missing has not been read. Afterwards, it is not there.
  const answered = useRef(false)
  if (!page.loading) answered.current = true
  const loading = !answered.current
  const live = useLive(
    DataAssetLiveDocument,
    asset?.state === "DRAFT" && !loading ? { id } : undefined,
    ({ dataAsset }) => dataAsset?.state !== "DRAFT",
    ({ dataAsset }) => {
      if (dataAsset?.state !== "DRAFT") page.reload()
    },
  )

  if (page.data !== undefined && !asset && !loading && page.problems.length === 0) {
    return (
      <EmptyState title="There is no such data asset, or you may not see it" as="h1">
        <Button component="a" variant="default" {...linkTo("search?type=data-assets")}>
          Search data assets
        </Button>
      </EmptyState>
    )
  }
  const problems = page.problems.filter((problem) => !isInPlace(problem))
  if (!asset) {
    return (
      <>
        <PageTitle title="Data asset" icon={<DataIcon />} />
        <Problems page={{ ...page, problems }} live={live} />
        {problems.length === 0 && (
          <TabbedPageSkeleton>
            <Skeleton height={240} />
          </TabbedPageSkeleton>
        )}
      </>
    )
  }
  const unread = (path: string) =>
    loading ? <Skeleton height={120} /> : <Unread problems={page.problems} path={`dataAsset.${path}`} />
  return (
    <>
      <PageTitle title={asset.name} icon={<DataIcon />}>
        <AssetActions asset={asset} onEdit={() => setEditing(true)} />
      </PageTitle>
      <Problems page={{ ...page, problems }} live={live} />
      <Facts asset={asset} />
      <TabbedPage
        label="Parts of this data asset"
        tabs={[
          {
            value: "overview",
            label: "Overview",
            content: (
              <>
                <Section title="Lineage">
                  {asset.lineage ? <LineageView lineage={asset.lineage} id={asset.id} /> : unread("lineage")}
                </Section>
                <Section title="Used by">
                  {asset.attachedTo ? <UsedBy id={asset.id} of={asset} /> : unread("attachedTo")}
                </Section>
              </>
            ),
          },
          {
            value: "files",
            label: "Files",
            content: <AssetFiles asset={asset} loading={loading} problems={page.problems} />,
          },
          {
            value: "sharing",
            label: "Sharing",
            content: <AssetSharing asset={asset} loading={loading} problems={page.problems} />,
          },
        ]}
        about={<About asset={asset} fields={fields} />}
      />
      {editing && (
        <Suspense>
          <EditForm asset={asset} fields={fields} onClose={() => setEditing(false)} />
        </Suspense>
      )}
    </>
  )
}

function Facts({ asset }: { asset: Asset }) {
  const address = addressOf(asset.sourceBucket)
  return (
    <>
      <dl className={classes.facts}>
        <Fact label="Type">
          {types[asset.type]}
          {asset.state === "DRAFT" && ", being created"}
          {asset.state === "FAILED" && ", failed"}
        </Fact>
        {asset.archived && (
          <Fact label="State">
            <Mark>Archived</Mark>
          </Fact>
        )}
        <Fact label="Size">
          <Size of={asset.size} />
          {asset.fileCount !== null && ` in ${count(asset.fileCount, "file")}`}
        </Fact>
        {asset.created !== null && (
          <Fact label="Created">
            <Time of={asset.created} />
          </Fact>
        )}
        <Fact label="Last used">
          <Time of={asset.lastUsed} missing="never" />
        </Fact>
        {asset.ownerEmail && <Fact label="Owner">{asset.ownerEmail}</Fact>}
        {asset.mount && <Fact label="Mounted in">{asset.mount}</Fact>}
        {address !== undefined && <Fact label={asset.sourceBucket?.external ? "Kept in" : "From"}>{address}</Fact>}
      </dl>
      {(asset.failureReason || asset.transferError) && (
        <Alert
          color="red"
          variant="light"
          mb="md"
          icon={<WarningIcon />}
          title={asset.failureReason ? "Its creation failed" : "Its last transfer failed"}
          styles={{ title: { color: "var(--mantine-color-text)" }, icon: { color: "var(--bad)" } }}
        >
          <Text size="sm" style={{ overflowWrap: "anywhere" }}>
            {asset.failureReason ?? asset.transferError}
          </Text>
        </Alert>
      )}
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

function AssetSharing({ asset, loading, problems }: { asset: Asset; loading: boolean; problems: readonly Problem[] }) {
  const share = useChange(ShareDataAssetDocument)
  return (
    <Sharing
      id={asset.id}
      name={asset.name}
      permissions={asset.permissions}
      loading={loading}
      forbidden={isForbidden(problems, "dataAsset.permissions")}
      seeing="see and use it"
      change={share}
      onChange={async (input) => {
        const payload = (await share.send({ input: { ...input, dataAssetId: asset.id } }))?.updateDataAssetPermissions
        return payload && "missing" in payload ? payload : undefined
      }}
    />
  )
}
