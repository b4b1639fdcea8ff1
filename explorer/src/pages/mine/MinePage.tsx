import { Anchor, Skeleton } from "@mantine/core"
import { linkTo } from "../../app/router.ts"
import { usePage } from "../../data/usePage.ts"
import { bytes, count } from "../../parts/format.ts"
import { PageTitle } from "../../parts/PageTitle.tsx"
import { Problems } from "../../parts/Problems.tsx"
import { SkeletonRows } from "../../parts/SkeletonRows.tsx"
import { Row } from "../search/Rows.tsx"
import classes from "./Mine.module.css"
import { MineDocument, type MineQuery } from "./mine.generated.ts"

/** How many of each kind are read. A search has the others. */
const first = 200

type Kind = "capsules" | "pipelines" | "data-assets"
type Found = NonNullable<MineQuery["searchCapsules"] | MineQuery["searchPipelines"] | MineQuery["searchDataAssets"]>

/** Everything that the visitor has created: what was opened last first, and the largest data first. */
export default function MinePage() {
  const page = usePage(MineDocument, { first })
  const { searchCapsules, searchPipelines, searchDataAssets } = page.data ?? {}
  const sizes = (searchDataAssets?.nodes ?? []).flatMap((asset) => asset?.size ?? [])
  const total = sizes.reduce((sum, size) => sum + size, 0)
  return (
    <>
      <PageTitle title="Everything that I own" />
      <Problems page={page} />
      <div className={classes.parts}>
        <Part title="Capsules" noun="capsule" kind="capsules" found={searchCapsules} page={page} />
        {/* Where they stand is known once the list above them is. */}
        {(page.data !== undefined || page.problems.length > 0) && (
          <>
            <Part title="Pipelines" noun="pipeline" kind="pipelines" found={searchPipelines} page={page} />
            <Part
              title="Data assets"
              noun="data asset"
              kind="data-assets"
              found={searchDataAssets}
              page={page}
              note={total > 0 ? `, ${bytes(total)}` : ""}
            />
          </>
        )}
      </div>
    </>
  )
}

interface PartProps {
  title: string
  noun: string
  kind: Kind
  /** Undefined until it is known, null if it could not be read. */
  found: Found | null | undefined
  page: { data: unknown; problems: readonly unknown[] }
  note?: string
}

function Part({ title, noun, kind, found, page, note = "" }: PartProps) {
  const items = (found?.nodes ?? []).filter((item) => item !== null)
  const isMore = found?.pageInfo.hasNextPage ?? false
  return (
    <section aria-label={title}>
      <div className={classes.heading}>
        <h2>{title}</h2>
        {found && <span className="number">{`${isMore ? "the first " : ""}${count(items.length, noun)}${note}`}</span>}
        {found === undefined && page.problems.length === 0 && <Skeleton height={14} width={80} />}
        <Anchor size="sm" {...linkTo(`search?${new URLSearchParams({ type: kind, owned: "CREATED" })}`)}>
          {isMore ? `Search all of my ${title.toLowerCase()}` : `Search my ${title.toLowerCase()}`}
        </Anchor>
      </div>
      <div className="panel">
        {found === undefined && page.problems.length === 0 && <SkeletonRows rows={12} />}
        {found === null && <p className={classes.none}>They could not be read.</p>}
        {found && items.length === 0 && <p className={classes.none}>You have created none.</p>}
        {items.length > 0 && (
          <ul className={classes.list} aria-label={`My ${title.toLowerCase()}`}>
            {items.map((item) => (
              <li key={item.id}>
                <Row item={item} withUse />
              </li>
            ))}
          </ul>
        )}
      </div>
    </section>
  )
}
