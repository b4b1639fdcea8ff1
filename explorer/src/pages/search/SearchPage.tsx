import { Anchor, Button, Group, Loader, NativeSelect, SegmentedControl, Text } from "@mantine/core"
import { useRef } from "react"
import { linkTo, useQueryState } from "../../app/router.ts"
import { isForbidden } from "../../data/problem.ts"
import { type Pages, usePages } from "../../data/usePages.ts"
import { EmptyState } from "../../parts/EmptyState.tsx"
import { count } from "../../parts/format.ts"
import { PageTitle } from "../../parts/PageTitle.tsx"
import { Problems } from "../../parts/Problems.tsx"
import { SkeletonRows } from "../../parts/SkeletonRows.tsx"
import { VirtualList } from "../../parts/VirtualList.tsx"
import { Filters } from "./Filters.tsx"
import { QueryField } from "./QueryField.tsx"
import { Row } from "./Rows.tsx"
import classes from "./Search.module.css"
import { type Item, isUseUnknown, searches, shownOf } from "./searches.ts"
import { isNarrowed, type Kind, readState, type SearchState, sortsOf } from "./state.ts"

const labels: Readonly<Record<Kind, string>> = {
  capsules: "Capsules",
  pipelines: "Pipelines",
  "data-assets": "Data assets",
}

/** Finds capsules, pipelines and data assets. The whole search is in the address. */
export default function SearchPage() {
  const [address, change] = useQueryState()
  const state = readState(address)
  const { document, select, variables } = searches[state.kind]
  const page = usePages(document, variables(state), select)
  const shown = shownOf(page.nodes, state)
  // The fields for metadata are the same for every search: while the next one is answered, the last ones stay.
  const fields = useLast(page.data?.customMetadata?.fields ?? undefined)
  // What is searched for is there without them, so that they are missed only where they would be.
  const problems = page.problems.filter(
    ({ is, paths }) => is !== "forbidden" || paths.some((path) => path !== "customMetadata"),
  )
  const isSettled = !page.isReadingFirst && problems.length === 0

  return (
    <>
      <PageTitle title="Search">
        <SegmentedControl
          aria-label="What to search"
          value={state.kind}
          onChange={(kind) => change({ type: kind === "capsules" ? null : kind, sort: null })}
          data={Object.entries(labels).map(([value, label]) => ({ value, label }))}
        />
      </PageTitle>
      <div className={classes.controls}>
        <QueryField
          query={state.query}
          label={`Search ${labels[state.kind].toLowerCase()}`}
          onChange={(q) => change({ q }, { replace: true })}
        />
        <Filters
          state={state}
          fields={fields ?? []}
          areFieldsHidden={isForbidden(page.problems, "customMetadata")}
          change={change}
        />
      </div>
      <Problems page={{ ...page, problems }} />
      <div className="panel">
        <div className={classes.summary}>
          <Summary page={{ ...page, problems }} state={state} shown={shown.length} />
          {state.kind === "data-assets" && shown.length > 0 && (
            <Group gap="md" className={classes.links}>
              <Anchor size="sm" {...linkTo(`read?${withoutKind(address)}`)}>
                Read a file of each
              </Anchor>
              <Anchor size="sm" {...linkTo(`bulk?${withoutKind(address)}`)}>
                Change many
              </Anchor>
            </Group>
          )}
          <NativeSelect
            aria-label="Order"
            variant="unstyled"
            size="xs"
            value={state.sort}
            onChange={(event) => change({ sort: event.currentTarget.value })}
            data={Object.entries(sortsOf(state.kind)).map(([value, label]) => ({ value, label }))}
          />
        </div>
        {page.isReadingFirst && <SkeletonRows />}
        {isSettled && shown.length === 0 && (
          <EmptyState title={`No ${labels[state.kind].toLowerCase()} found${page.hasMore ? " so far" : ""}`}>
            {page.hasMore ? (
              <LookFurther page={page} />
            ) : isNarrowed(state) ? (
              <Button
                variant="default"
                onClick={() => {
                  const names = [...address.keys()].filter((name) => name !== "type" && name !== "sort")
                  change(Object.fromEntries(names.map((name) => [name, null])))
                }}
              >
                Remove all conditions
              </Button>
            ) : (
              <Text size="sm" c="dimmed">
                Your token sees none.
              </Text>
            )}
          </EmptyState>
        )}
        {shown.length > 0 && (
          <VirtualList<Item>
            key={`${state.kind} ${address}`}
            label={labels[state.kind]}
            items={shown}
            keyOf={({ id }) => id}
            row={(item) => <Row item={item} withUse={state.unused} />}
            // Whether they are used takes two calls for each, so that the next ones are read only if the visitor wants it.
            onEnd={page.moreProblem === undefined && !state.unused ? page.loadMore : undefined}
          />
        )}
        {shown.length > 0 && state.unused && page.hasMore && page.moreProblem === undefined && (
          <Group p="xs">
            <LookFurther page={page} />
          </Group>
        )}
        {page.moreProblem !== undefined && (
          <EmptyState title="The next rows could not be read">
            <Text size="sm">{page.moreProblem.message}</Text>
            <Button variant="default" loading={page.loadingMore} onClick={page.loadMore}>
              Try again
            </Button>
          </EmptyState>
        )}
      </div>
    </>
  )
}

function LookFurther({ page }: { page: { loadingMore: boolean; loadMore(): void } }) {
  return (
    <Button variant="default" size="compact-sm" loading={page.loadingMore} onClick={page.loadMore}>
      Look further
    </Button>
  )
}

interface SummaryProps {
  page: Pick<Pages<unknown, Item>, "nodes" | "isReadingFirst" | "problems" | "loading" | "loadingMore" | "hasMore">
  state: SearchState
  /** How many of the nodes are shown. */
  shown: number
}

function Summary({ page, state, shown }: SummaryProps) {
  if (page.isReadingFirst) return <span>Searching…</span>
  if (page.problems.length > 0 && page.nodes.length === 0) return <span>Could not be searched</span>
  const { hasMore, nodes } = page
  const noun = (number: number) => count(number, labels[state.kind].toLowerCase().replace(/s$/, ""))
  const unknown = state.unused ? nodes.filter(isUseUnknown).length : 0
  const text = state.unused
    ? `${shown.toLocaleString("en")} of ${hasMore ? "the first " : ""}${noun(nodes.length)} ${shown === 1 ? "is" : "are"} not attached to anything that you see${unknown > 0 ? `. Of ${unknown.toLocaleString("en")}, it is not known` : ""}`
    : hasMore
      ? `The first ${noun(nodes.length)}, more below`
      : `${noun(nodes.length)}${isNarrowed(state) ? " found" : ""}`
  return (
    <Group gap="xs" role="status">
      <span className="number">{text}</span>
      {(page.loading || page.loadingMore) && <Loader size={14} aria-label="Loading" />}
    </Group>
  )
}

/** The last value that was defined. */
function useLast<Value>(value: Value | undefined): Value | undefined {
  const last = useRef(value)
  if (value !== undefined) last.current = value
  return last.current
}

/** The same conditions, for the page that changes what they find. */
function withoutKind(address: URLSearchParams): URLSearchParams {
  const rest = new URLSearchParams(address)
  rest.delete("type")
  return rest
}
