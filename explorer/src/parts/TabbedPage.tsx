import { Skeleton, Stack, Tabs } from "@mantine/core"
import { useMediaQuery } from "@mantine/hooks"
import type { ReactNode } from "react"
import { useQueryState } from "../app/router.ts"
import classes from "./TabbedPage.module.css"

/** The style sheet has the same. */
const narrow = "(max-width: 68em)"

interface TabbedPageProps {
  /** What the tabs are parts of. */
  label: string
  /** The first one is shown unless the address names another. */
  tabs: readonly { value: string; label: string; content: ReactNode }[]
  /** What the object is. It stands beside the tabs, or is one of them in narrow windows. */
  about: ReactNode
}

/** The content of a page in tabs, which the address names, with a description beside them. */
export function TabbedPage({ label, tabs, about }: TabbedPageProps) {
  const [query, change] = useQueryState()
  const isNarrow = useMediaQuery(narrow, matchMedia(narrow).matches)
  const shown = isNarrow ? [...tabs, { value: "about", label: "About", content: about }] : tabs
  const [first] = shown
  const asked = query.get("tab")
  const tab = shown.some(({ value }) => value === asked) ? asked : first?.value
  return (
    <div className={classes.page}>
      <Tabs
        value={tab ?? null}
        onChange={(value) => change({ tab: value === first?.value ? null : value })}
        keepMounted={false}
        className={classes.tabs}
      >
        <Tabs.List aria-label={label}>
          {shown.map(({ value, label }) => (
            <Tabs.Tab key={value} value={value}>
              {label}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        {shown.map(({ value, content }) => (
          <Tabs.Panel key={value} value={value} pt="md">
            {content}
          </Tabs.Panel>
        ))}
      </Tabs>
      {!isNarrow && <aside aria-label="About">{about}</aside>}
    </div>
  )
}

/** As large as what replaces it. */
export function TabbedPageSkeleton({ children }: { children: ReactNode }) {
  return (
    <div className={classes.page} aria-hidden="true">
      <div>
        <Skeleton height={36} mb="md" />
        {children}
      </div>
      <aside className={classes.wide}>
        <Stack gap="sm">
          {[90, 100, 70, 40, 60, 55, 65].map((width) => (
            <Skeleton key={width} height={14} width={`${width}%`} />
          ))}
        </Stack>
      </aside>
    </div>
  )
}
