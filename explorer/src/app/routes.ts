import { type ComponentType, lazy } from "react"
import { BulkIcon, HomeIcon, MineIcon, SearchIcon } from "../parts/icons.tsx"

/*
 * The table of pages. A page is a folder in `pages/` with its component, and the one request that it sends as a `.graphql` file.
 * Its code is loaded when it is first opened.
 */

export interface PageProps {
  /** The parameters of the path, such as `id` of `capsules/:id`. */
  params: Readonly<Record<string, string>>
}

export interface Route {
  path: string
  page: ComponentType<PageProps>
  /** Loads the code of the page without showing it, for links that the pointer is on. */
  preload(): unknown
}

/** The code of a page could not be loaded. The browser keeps that in mind until the explorer is loaded again. */
export class PageCodeError extends Error {}

function route(path: string, load: () => Promise<{ default: ComponentType<PageProps> }>): Route {
  let loading: ReturnType<typeof load> | undefined
  const preload = () => {
    loading ??= load().catch((cause: unknown) => {
      throw new PageCodeError("The code of this page could not be loaded.", { cause })
    })
    // A link that the pointer is on has nobody who waits.
    loading.catch(() => {})
    return loading
  }
  return { path, page: lazy(preload), preload }
}

export const routes: readonly Route[] = [
  route("", () => import("../pages/home/HomePage.tsx")),
  route("search", () => import("../pages/search/SearchPage.tsx")),
  route("capsules/:id", async () => ({ default: (await import("../pages/runnable/RunnablePage.tsx")).CapsulePage })),
  route("pipelines/:id", async () => ({ default: (await import("../pages/runnable/RunnablePage.tsx")).PipelinePage })),
  route("capsules/:of/runs/:id", async () => ({ default: (await import("../pages/run/RunPage.tsx")).CapsuleRunPage })),
  route("pipelines/:of/runs/:id", async () => ({
    default: (await import("../pages/run/RunPage.tsx")).PipelineRunPage,
  })),
  route("runs/:id", () => import("../pages/run/RunPage.tsx")),
  route("mine", () => import("../pages/mine/MinePage.tsx")),
  route("read", () => import("../pages/readFile/ReadFilePage.tsx")),
  route("bulk", () => import("../pages/bulk/BulkPage.tsx")),
  route("data-assets/:id", () => import("../pages/dataAsset/DataAssetPage.tsx")),
]

/** The pages in the navigation. Each has a shortcut: g, then the letter. */
export const navigation = [
  { path: "", label: "Home", Icon: HomeIcon, key: "h" },
  { path: "search", label: "Search", Icon: SearchIcon, key: "s" },
  { path: "mine", label: "Mine", Icon: MineIcon, key: "m" },
  { path: "bulk", label: "Bulk", Icon: BulkIcon, key: "b" },
] as const

/** The route of a path, with the parameters in it. */
export function matchRoute(path: string): { route: Route; params: Record<string, string> } | undefined {
  const parts = path.split("/")
  for (const route of routes) {
    const pattern = route.path.split("/")
    if (pattern.length !== parts.length) continue
    const params: Record<string, string> = {}
    const matches = pattern.every((name, index) => {
      const part = parts[index]!
      if (!name.startsWith(":")) return name === part
      params[name.slice(1)] = part
      return part !== ""
    })
    if (matches) return { route, params }
  }
  return undefined
}
