import type { FieldNode, GraphQLError } from "graphql"
import { requestError } from "../requestError.ts"
import { Calculation, type Cap, type Expected } from "./calculation.ts"
import type { CostedField, Plan, SelectionCost, Variables } from "./plan.ts"

export type Measure = keyof Expected

/** The error of an operation that is too costly. It names the costliest field and, if there is one, a smaller request. */
export function tooCostlyError(plan: Plan, variables: Variables, measure: Measure, limit: number): GraphQLError {
  const calculation = new Calculation(plan, variables)
  const estimated = Math.ceil(calculation.total()[measure])
  const path = costliestPath(calculation, measure)
  const field = path.map(({ key }) => key).join(".")
  const isAllowed = (cap: Cap) => new Calculation(plan, variables, cap).total()[measure] <= limit
  const problem =
    measure === "calls"
      ? `This operation may need ${estimated} calls to Code Ocean; at most ${limit} are allowed.`
      : `The response to this operation may need ${estimated} bytes; at most ${limit} are allowed.`
  const costliest = path.length === 0 ? "" : ` The costliest field is \`${field}\`.`
  return requestError("OPERATION_TOO_COSTLY", 400, `${problem}${costliest} ${smallerRequest(path, isAllowed)}`, {
    node: path.at(-1)?.node,
    extensions: {
      ...(path.length > 0 && { field }),
      [measure === "calls" ? "estimatedUpstreamCalls" : "estimatedBytes"]: estimated,
      limit,
    },
  })
}

/** The path to the field with the largest part of the estimate. */
function costliestPath(calculation: Calculation, measure: Measure): CostedField[] {
  const path: CostedField[] = []
  let selections: readonly SelectionCost[] = [calculation.plan.root]
  let items = 1
  for (;;) {
    const costs = selections
      .flatMap(({ fields }) => fields)
      .map((field) => ({ field, ...costOf(calculation, field, items, measure, path.length === 0) }))
    if (costs.length === 0) return path
    const { field, own, children } = costs.reduce((a, b) => (b.own + b.children > a.own + a.children ? b : a))
    path.push(field)
    if (own >= children) return path
    selections = field.children
    items = calculation.itemsBelow(field)
  }
}

function costOf(
  calculation: Calculation,
  field: CostedField,
  items: number,
  measure: Measure,
  isRoot: boolean,
): { own: number; children: number } {
  if (measure === "bytes") return { own: 0, children: calculation.bytesWith(field, items, isRoot) }
  const shared = field.cost.oncePerObject === undefined ? 0 : 1
  return {
    own: calculation.ownCalls(field) + calculation.lookupCalls([field]) + shared,
    children: calculation.childCalls(field, items),
  }
}

/** A sentence with a smaller request that is allowed. */
function smallerRequest(path: readonly CostedField[], isAllowed: (cap: Cap) => boolean): string {
  for (const { node, cost } of path) {
    const counts = [cost.items?.argument, cost.per?.argument].filter((argument) => argument !== undefined)
    if (counts.length === 0) continue
    const size = largestAllowed((max) => isAllowed((other) => (other === node ? max : Number.POSITIVE_INFINITY)))
    if (size > 0) return `${withSize(node, [...new Set(counts)], size)} would be allowed.`
  }
  const size = largestAllowed((max) => isAllowed(() => max))
  if (size > 0) return `It would be allowed with every \`first\` and every list of ids at ${size} or less.`
  return "Split it into several requests."
}

const numericArguments: ReadonlySet<string> = new Set(["first", "depth", "runnables"])

function withSize({ alias, name }: FieldNode, counts: readonly string[], size: number): string {
  const field = alias === undefined ? name.value : `${alias.value}: ${name.value}`
  return counts.every((argument) => numericArguments.has(argument))
    ? `\`${field}(${counts.map((argument) => `${argument}: ${size}`).join(", ")})\``
    : `\`${field}\` with ${size} of its \`${counts.join("` and `")}\``
}

const maxSize = 1000

/** The largest size that is allowed, or 0. Larger sizes never cost less, so a binary search finds it. */
function largestAllowed(isAllowed: (size: number) => boolean): number {
  let allowed = 0
  let rejected = maxSize + 1
  while (rejected - allowed > 1) {
    const middle = Math.floor((allowed + rejected) / 2)
    if (isAllowed(middle)) allowed = middle
    else rejected = middle
  }
  return allowed
}
