import type { CacheKind, CacheTtls } from "../config/kinds.ts"
import { DecodeError, isObject } from "./decoders.ts"

/**
 * Which setting says how long the response to a read may be kept. Undefined if it must not be kept.
 * @param value the decoded body
 */
type Policy = (value: unknown, query: Query) => CacheKind | undefined

type Query = Readonly<Record<string, unknown>> | undefined

/** Not kept. The reason stands beside each route. */
const never = undefined

const lowerCase = (value: unknown) => (typeof value === "string" ? value.toLowerCase() : undefined)

/** Statuses of a released capsule or pipeline. The latter two are those of older platforms. */
const released: ReadonlySet<unknown> = new Set(["release", "published", "verified"])

const runnable: Policy = (value) => {
  if (!isObject(value)) return undefined
  return released.has(lowerCase(value.status)) ? "releases" : "capsules"
}

/** The panel of one release never changes. Without a version it is the latest. */
const appPanel: Policy = (_value, query) => (query?.version === undefined ? "app_panels" : "release_app_panels")

/** Kept once it is in a final state. */
const ended = (finalStates: readonly string[]) => (value: unknown) =>
  isObject(value) && finalStates.includes(lowerCase(value.state) ?? "")

const isEndedRun = ended(["completed", "failed"])
/** In the forms of older platforms, too. */
const isCompleteAsset = ended(["ready", "failed", "data_asset_state_ready", "data_asset_state_failed"])

const runs: Policy = (value) => (Array.isArray(value) && value.every(isEndedRun) ? "computations" : undefined)

const searchOf =
  (isKept: (item: unknown) => boolean): Policy =>
  (value) =>
    isObject(value) && Array.isArray(value.results) && value.results.every(isKept) ? "searches" : undefined

/** An item that could not be decoded is an error, which is not kept. */
const isReadable = (item: unknown) => !(item instanceof DecodeError)

/**
 * All routes of the API that the gateway calls, and which of their reads may be kept. A route that is not in this table does not
 * compile. Only responses with the status 200 are kept.
 */
export const cachePolicies = {
  custom_metadata: () => "custom_metadata",
  "capsules/{id}": runnable,
  "pipelines/{id}": runnable,
  "capsules/{id}/app_panel": appPanel,
  "pipelines/{id}/app_panel": appPanel,
  "capsules/search": searchOf(isReadable),
  "pipelines/search": searchOf(isReadable),
  // A list with a run that goes on is read again.
  "capsules/{id}/computations": runs,
  "pipelines/{id}/computations": runs,
  "computations/{id}": (value) => (isEndedRun(value) ? "computations" : undefined),
  "data_assets/{id}": (value) => (isCompleteAsset(value) ? "data_assets" : undefined),
  // A page with a draft is read again.
  "data_assets/search": searchOf(isCompleteAsset),
  // The response does not say whether the run has ended, or the data asset is complete.
  "computations/{id}/results": never,
  "data_assets/{id}/files": never,
  // Signed addresses, which expire.
  "computations/{id}/results/urls": never,
  "data_assets/{id}/files/urls": never,
  // Whoever looks at permissions wants to know them as they are.
  "capsules/{id}/permissions": never,
  "pipelines/{id}/permissions": never,
  "data_assets/{id}/permissions": never,
  // A job that goes on.
  "capsules/{id}/release/{job_id}": never,
  "pipelines/{id}/release/{job_id}": never,
  // Only for changes.
  computations: never,
  data_assets: never,
  "capsules/{id}/archive": never,
  "pipelines/{id}/archive": never,
  "data_assets/{id}/archive": never,
  "capsules/{id}/data_assets": never,
  "pipelines/{id}/data_assets": never,
  "computations/{id}/data_assets": never,
  "capsules/{id}/data_assets/": never,
  "pipelines/{id}/data_assets/": never,
  "computations/{id}/data_assets/": never,
  "capsules/{id}/sync": never,
  "pipelines/{id}/sync": never,
  "capsules/{id}/release": never,
  "pipelines/{id}/release": never,
  "data_assets/{id}/transfer": never,
} satisfies Record<string, Policy | undefined>

/** The path of an endpoint below `/api/v1/`, with placeholders for ids. */
export type Route = keyof typeof cachePolicies

/** Signatures in the addresses of AWS, Google and Azure. JSON may write `&` as an escape. */
const signature = /(?:X-Amz-Signature|X-Amz-Security-Token|X-Goog-Signature|(?:[?&;]|\\u0026)(?:sig|signature))=/i
/** A user name or password in an address. */
const credentials = /:\\?\/\\?\/[^/?#\s"\\]*@/

/** Whether the text of a response contains an address with a signature or a password, wherever Code Ocean has put it. */
export function hasSecretAddress(text: string): boolean {
  return signature.test(text) || credentials.test(text)
}

/** How long the response may be kept, in milliseconds. Undefined if it must not be kept. */
export function ttlOf(
  { route, query }: { route: Route; query?: Query },
  value: unknown,
  ttls: CacheTtls,
): number | undefined {
  const policy: Policy | undefined = cachePolicies[route]
  const kind = policy?.(value, query)
  return kind === undefined ? undefined : ttls[kind] || undefined
}
