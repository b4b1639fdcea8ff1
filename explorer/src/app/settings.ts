/** What the gateway wrote into the page. */
interface Settings {
  graphiql: boolean
  codeoceanUrl: string
  /** The longest time that the gateway takes for a request. */
  deadlineMs: number
  token?: string
}

export const settings: Settings = {
  graphiql: true,
  codeoceanUrl: "",
  deadlineMs: 30_000,
  ...JSON.parse(document.getElementById("settings")?.textContent || "{}"),
}

/** The path of the explorer, with a slash at the end. This file is built into `assets/` below it. */
export const root = import.meta.env.DEV ? "/" : new URL(/* @vite-ignore */ "..", import.meta.url).pathname

const gateway = import.meta.env.DEV
  ? location.origin
  : new URL(/* @vite-ignore */ "../..", import.meta.url).href.replace(/\/$/, "")

export const graphqlUrl = `${gateway}/graphql`
export const sessionUrl = `${gateway}/session`
/** Where images of results are. */
export const filesUrl = `${gateway}/files`

/** A page of Code Ocean's own. Undefined if its address is unknown. */
export function codeoceanPage(path: string): string | undefined {
  return settings.codeoceanUrl === "" ? undefined : new URL(path, settings.codeoceanUrl).href
}
