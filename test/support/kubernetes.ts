import { pathToFileURL } from "node:url"
import { inDeploy } from "./deploy.ts"

export interface KubernetesObject {
  apiVersion: string
  kind: string
  metadata: { name: string; namespace?: string; labels: Record<string, string> }
  // biome-ignore lint/suspicious/noExplicitAny: the schemas have the types.
  spec?: any
}

interface Validate {
  (object: unknown): boolean
  errors: { instancePath: string; message?: string; keyword: string; params: unknown }[] | null
}

const coreGroups: Record<string, string> = {
  v1: "CoreV1",
  "apps/v1": "AppsV1",
  "autoscaling/v2": "AutoscalingV2",
  "networking.k8s.io/v1": "NetworkingV1",
  "policy/v1": "PolicyV1",
}

/** Kubernetes' own schema of this kind, from the packages in deploy/. */
async function schemaOf({ apiVersion, kind }: KubernetesObject): Promise<Validate> {
  const group = coreGroups[apiVersion]
  const file =
    group === undefined
      ? `@kubernetes-models/prometheus-operator/_schemas/ComGithubPrometheusOperatorPrometheusOperatorPkgApisMonitoringV1${kind}.js`
      : `kubernetes-models/_schemas/IoK8sApi${group}${kind}.js`
  return (await import(pathToFileURL(inDeploy(file)).href)).validate
}

/**
 * Returns what is wrong with the object: values of a wrong type, missing fields, and fields that the schema does not have. The
 * schemas themselves allow any additional field. They read each field that they know, and no other, so the others are found by
 * recording what is read.
 */
export async function problemsOf(object: KubernetesObject): Promise<string[]> {
  const validate = await schemaOf(object)
  const read = new Set<object>()
  const known = new Map<object, Set<string>>()
  const recorded = <Value>(value: Value): Value => {
    if (typeof value !== "object" || value === null) return value
    read.add(value)
    return new Proxy(value, {
      get(target, key, receiver) {
        if (typeof key === "string") known.set(target, (known.get(target) ?? new Set()).add(key))
        return recorded(Reflect.get(target, key, receiver))
      },
    })
  }
  const isValid = validate(recorded(object))
  const problems = isValid
    ? []
    : validate.errors!.map(
        ({ instancePath, keyword, params }) => `${instancePath} ${keyword} ${JSON.stringify(params)}`,
      )
  const visit = (value: unknown, path: string): void => {
    if (typeof value !== "object" || value === null) return
    for (const [key, child] of Object.entries(value)) {
      if (known.get(value)?.has(key)) visit(child, `${path}/${key}`)
      else problems.push(`${path}/${key} is unknown`)
    }
  }
  visit(object, "")
  return problems
}
