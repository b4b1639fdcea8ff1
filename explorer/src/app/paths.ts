/* The addresses of objects, to be used by every link. */

/** A capsule or pipeline. */
export function runnablePath({ __typename, id }: { __typename?: string; id: string }): string {
  return `${__typename === "Pipeline" ? "pipelines" : "capsules"}/${id}`
}

/** A run. Code Ocean's runs do not say what ran, so the address has it, where it is known. */
export function runPath(run: {
  id: string
  runnable?: { __typename?: string; id: string } | null | undefined
}): string {
  return run.runnable ? `${runnablePath(run.runnable)}/runs/${run.id}` : `runs/${run.id}`
}

/** The search of one kind for what has this value in a field, such as `tags` or one of the custom metadata. */
export function searchPath(type: "capsules" | "pipelines" | "data-assets", key: string, value: unknown): string {
  return `search?${new URLSearchParams({ type, filters: JSON.stringify([{ key, value }]) })}`
}

export const dataAssetPath = (id: string): string => `data-assets/${id}`
