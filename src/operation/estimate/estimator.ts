import {
  type DocumentNode,
  type FieldNode,
  GraphQLError,
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  getOperationAST,
  isAbstractType,
  isListType,
  isObjectType,
  type OperationDefinitionNode,
  type SelectionNode,
  type SelectionSetNode,
  type ValueNode,
  valueFromASTUntyped,
  visit,
} from "graphql"
import type { ErrorCode } from "../errors.ts"
import { type Cost, type Count, costOf, makesCalls } from "../graph/cost.ts"
import { bytesOfKey, bytesOfLeaf, bytesOfObject, introspectionItems, placeOf } from "./answerBytes.ts"
import { fieldOf } from "./executor/operation.ts"
import { leastBytesOfCall } from "./responseSize.ts"

type Variables = Readonly<Record<string, unknown>>

/** A field that costs calls, or below which there are such fields. Whatever else an operation selects is left out. */
interface Step {
  /** Its name in the answer. */
  key: string
  node: FieldNode
  cost: Cost
  isList: boolean
  /** Of what type it is: the same id of the same type is fetched once. */
  typeName: string
  /** What is given for an argument. */
  given: (argument: string, variables: Variables) => unknown
  /** What is selected of the answer, for each type that it can be. */
  below: Branch[]
  /** What it counts of the answer's size itself, in bytes, without what is below it. */
  bytes: number
}

/** What is selected on an object of one type. */
interface Branch {
  steps: Step[]
  /** How many calls the steps share, each made once for an object. */
  sharedCalls: number
  /** About how many bytes of an answer the object takes, without what is below its steps. */
  bytes: number
  /** How many more it takes for each item of those lists that declare nothing themselves. */
  bytesOfItem: number
}

/** All that an operation's cost depends on, but its variables. */
interface Plan {
  root: Branch
  /** How many calls are made once for the request. */
  callsPerRequest: number
  /** The variables' defaults. */
  defaults: Variables
  /** The cost where it depends on no variable. */
  constant: Expected | undefined
}

/** What is expected of an operation: calls to Code Ocean, and about how many bytes of answer. */
interface Expected {
  calls: number
  bytes: number
}

type Measure = keyof Expected

export interface Estimate extends Expected {
  /** Why it is refused for one of the two: names the costliest field, and a smaller request that would pass. */
  refusal(measure: Measure, limit: number): GraphQLError
}

export type Estimator = (document: DocumentNode, operationName: string | null, variables: Variables) => Estimate

/**
 * Makes the estimator for a schema, from what its fields were declared to cost. The document must be valid. What depends on
 * the document alone is worked out once and kept with it.
 */
export function createEstimator(schema: GraphQLSchema): Estimator {
  const known = new WeakMap<DocumentNode, { switches: readonly string[]; plans: Map<string, Plan> }>()
  const itemsOfIntrospection = introspectionItems(schema)
  return (document, operationName, variables) => {
    let entry = known.get(document)
    if (entry === undefined) {
      entry = { switches: switchesIn(document), plans: new Map() }
      known.set(document, entry)
    }
    const { switches, plans } = entry
    const key = [operationName, ...switches.map((name) => settingOf(variables[name]))].join(" ")
    let plan = plans.get(key)
    if (plan === undefined) {
      plan = planOf(schema, itemsOfIntrospection, document, operationName, variables)
      // Somebody who tries all combinations of many switches must not fill the memory.
      if (plans.size >= mostPlans) plans.clear()
      plans.set(key, plan)
    }
    return new PlannedEstimate(plan, variables)
  }
}

const mostPlans = 16

class PlannedEstimate implements Estimate {
  readonly calls: number
  readonly bytes: number
  readonly #plan: Plan
  readonly #variables: Variables

  constructor(plan: Plan, variables: Variables) {
    const { calls, bytes } = plan.constant ?? new Calculation(plan, variables).total()
    this.calls = calls
    this.bytes = bytes
    this.#plan = plan
    this.#variables = variables
  }

  refusal(measure: Measure, limit: number): GraphQLError {
    return refusalOf(this.#plan, this.#variables, measure, limit)
  }
}

const settingOf = (value: unknown) => (typeof value === "boolean" || value === undefined ? String(value) : "other")

/** The variables that `@skip` and `@include` look at. */
function switchesIn(document: DocumentNode): string[] {
  const names = new Set<string>()
  visit(document, {
    Directive(directive) {
      for (const { value } of directive.arguments ?? []) if (value.kind === "Variable") names.add(value.name.value)
    },
  })
  return [...names]
}

function planOf(
  schema: GraphQLSchema,
  itemsOfIntrospection: ReadonlyMap<string, number>,
  document: DocumentNode,
  operationName: string | null,
  variables: Variables,
): Plan {
  const operation = getOperationAST(document, operationName) as OperationDefinitionNode
  const defaults: Record<string, unknown> = Object.create(null)
  for (const { variable, defaultValue } of operation.variableDefinitions ?? []) {
    if (defaultValue !== undefined) defaults[variable.name.value] = valueFromASTUntyped(defaultValue)
  }
  const fragments = new Map(
    document.definitions.flatMap((definition) =>
      definition.kind === "FragmentDefinition" ? [[definition.name.value, definition] as const] : [],
    ),
  )
  const switchedBy = withDefaults(defaults, variables)
  let idsAreConstant = true
  let isConstantOtherwise = true
  const callsPerRequest = new Set<string>()
  const branches = new Map<string, Branch>()
  const numbers = new Map<SelectionSetNode, number>()

  /** The selected fields of an object of this type by their key in the answer, as an executor collects them. */
  function collect(type: GraphQLObjectType, sets: readonly SelectionSetNode[]): Map<string, FieldNode[]> {
    const fields = new Map<string, FieldNode[]>()
    const spread = new Set<string>()
    const add = ({ selections }: SelectionSetNode): void => {
      for (const selection of selections) {
        if (isLeftOut(selection, switchedBy)) continue
        if (selection.kind === "Field") {
          const key = selection.alias?.value ?? selection.name.value
          const nodes = fields.get(key)
          if (nodes === undefined) fields.set(key, [selection])
          else nodes.push(selection)
          continue
        }
        const name = selection.kind === "FragmentSpread" ? selection.name.value : undefined
        const fragment = selection.kind === "FragmentSpread" ? fragments.get(selection.name.value) : selection
        if (fragment === undefined || (name !== undefined && spread.has(name))) continue
        if (name !== undefined) spread.add(name)
        if (applies(schema, fragment.typeCondition?.name.value, type)) add(fragment.selectionSet)
      }
    }
    for (const set of sets) add(set)
    return fields
  }

  function branchOf(type: GraphQLObjectType, sets: readonly SelectionSetNode[]): Branch {
    const id = `${type.name} ${sets.map((set) => numberOf(numbers, set)).join(" ")}`
    const before = branches.get(id)
    if (before !== undefined) return before
    const shared = new Set<string>()
    const branch: Branch = { steps: [], sharedCalls: 0, bytes: bytesOfObject, bytesOfItem: 0 }
    for (const [key, nodes] of collect(type, sets)) {
      const field = fieldOf(schema, type, (nodes[0] as FieldNode).name.value)
      if (field === undefined) continue
      branch.bytes += bytesOfKey(key)
      const step = stepOf(field, key, nodes)
      if (step === undefined) addBytes(branch, type, field, nodes)
      else {
        branch.steps.push(step)
        if (step.cost.oncePerObject !== undefined) shared.add(step.cost.oncePerObject)
        if (step.cost.oncePerRequest !== undefined) callsPerRequest.add(step.cost.oncePerRequest)
      }
    }
    branch.sharedCalls = shared.size
    branches.set(id, branch)
    return branch
  }

  /** Adds what a field that costs no calls takes in an answer, with all that is below it. */
  function addBytes(
    branch: Branch,
    type: GraphQLObjectType,
    field: GraphQLField<unknown, unknown>,
    nodes: readonly FieldNode[],
  ): void {
    const sets = nodes.flatMap(({ selectionSet }) => selectionSet ?? [])
    if (sets.length === 0) {
      branch.bytes += bytesOfLeaf(field)
      return
    }
    const items = costOf(field)?.items?.assumed ?? itemsOfIntrospection.get(placeOf(type, field))
    const isList = isListType(getNullableType(field.type))
    const below = objectTypes(schema, getNamedType(field.type)).map((one) => {
      const { bytes, bytesOfItem } = branchOf(one, sets)
      return bytes + bytesOfItem * (isList ? 1 : (items ?? 1))
    })
    const most = Math.max(0, ...below)
    if (!isList) branch.bytes += most
    else if (items === undefined) branch.bytesOfItem += most
    else branch.bytes += most * items
  }

  function stepOf(field: GraphQLField<unknown, unknown>, key: string, nodes: readonly FieldNode[]): Step | undefined {
    const [node] = nodes as [FieldNode]
    const cost = costOf(field) ?? {}
    const named = getNamedType(field.type)
    const sets = nodes.flatMap(({ selectionSet }) => selectionSet ?? [])
    const types = objectTypes(schema, named)
    if (cost.idsAreFree && types.every((one) => [...collect(one, sets).values()].every(isOnlyId))) return undefined
    const below = types.map((one) => branchOf(one, sets))
    const callsItself = makesCalls(field)
    if (!callsItself && below.every(({ steps }) => steps.length === 0)) return undefined
    const readers = new Map<string, (variables: Variables) => unknown>()
    for (const path of [cost.per?.argument, cost.items?.argument, cost.byId]) {
      if (path === undefined) continue
      const { read, isConstant } = argumentAt(field, node, path)
      readers.set(path, read)
      if (path === cost.byId) idsAreConstant &&= isConstant
      else isConstantOtherwise &&= isConstant
    }
    return {
      key,
      node,
      cost,
      isList: isListType(getNullableType(field.type)),
      typeName: named.name,
      given: (argument, variables) => readers.get(argument)?.(variables),
      below,
      bytes: (sets.length === 0 ? bytesOfLeaf(field) : 0) + (callsItself ? leastBytesOfCall : 0),
    }
  }

  /** Reads an argument, or a field of an input (`input.ids`); undefined where it isn't given. */
  function argumentAt(
    field: GraphQLField<unknown, unknown>,
    node: FieldNode,
    path: string,
  ): { read: (variables: Variables) => unknown; isConstant: boolean } {
    const [name = "", ...keys] = path.split(".")
    const value: ValueNode | undefined = node.arguments?.find((argument) => argument.name.value === name)?.value
    const byDefault = field.args.find((argument) => argument.name === name)?.defaultValue
    if (value !== undefined && holdsVariable(value)) {
      const read = (variables: Variables) => dig(valueFromASTUntyped(value, variables) ?? byDefault, keys)
      return { read, isConstant: false }
    }
    const constant = dig(value === undefined ? byDefault : valueFromASTUntyped(value), keys)
    return { read: () => constant, isConstant: true }
  }

  const rootType = schema.getRootType(operation.operation) as GraphQLObjectType
  const root = branchOf(rootType, [operation.selectionSet])
  const [lookup, another] = root.steps.filter(({ cost }) => cost.byId !== undefined)
  if (lookup !== undefined && another === undefined && !lookup.isList) {
    // One object by its id costs the same, whichever it is.
    lookup.cost = { ...lookup.cost, byId: undefined }
    idsAreConstant = true
  }
  const plan: Plan = { root, callsPerRequest: callsPerRequest.size, defaults, constant: undefined }
  if (idsAreConstant && isConstantOtherwise) plan.constant = new Calculation(plan, {}).total()
  return plan
}

function numberOf(numbers: Map<SelectionSetNode, number>, set: SelectionSetNode): number {
  const number = numbers.get(set) ?? numbers.size
  numbers.set(set, number)
  return number
}

function isOnlyId(nodes: readonly FieldNode[]): boolean {
  return nodes.every(({ name }) => name.value === "id" || name.value === "__typename")
}

function isLeftOut({ directives }: SelectionNode, variables: Variables): boolean {
  return (directives ?? []).some((directive) => {
    const leavesOut = directive.name.value === "skip" ? true : directive.name.value === "include" ? false : undefined
    const value = directive.arguments?.find(({ name }) => name.value === "if")?.value
    return leavesOut !== undefined && value !== undefined && valueFromASTUntyped(value, variables) === leavesOut
  })
}

function applies(schema: GraphQLSchema, condition: string | undefined, type: GraphQLObjectType): boolean {
  if (condition === undefined || condition === type.name) return true
  const conditional = schema.getType(condition)
  return isAbstractType(conditional) && schema.isSubType(conditional, type)
}

function objectTypes(schema: GraphQLSchema, type: GraphQLNamedType): readonly GraphQLObjectType[] {
  if (isObjectType(type)) return [type]
  return isAbstractType(type) ? schema.getPossibleTypes(type) : []
}

function holdsVariable(value: ValueNode): boolean {
  if (value.kind === "Variable") return true
  if (value.kind === "ListValue") return value.values.some(holdsVariable)
  return value.kind === "ObjectValue" && value.fields.some((field) => holdsVariable(field.value))
}

function dig(value: unknown, keys: readonly string[]): unknown {
  return keys.reduce<unknown>(
    (inner, key) => (typeof inner === "object" && inner !== null ? (inner as Variables)[key] : undefined),
    value,
  )
}

function withDefaults(defaults: Variables, variables: Variables): Variables {
  return Object.keys(defaults).length === 0 ? variables : { ...defaults, ...variables }
}

/** The most items that a field is reckoned with, instead of what it is given. */
type Cap = (node: FieldNode) => number

const uncapped: Cap = () => Number.POSITIVE_INFINITY

/** What a plan comes to with these variables. */
class Calculation {
  readonly plan: Plan
  readonly variables: Variables
  readonly cap: Cap
  /** What one object costs: fragments can lead to the same selections in many ways. */
  readonly known = new Map<Branch, number>()
  readonly #knownBytes = new Map<Branch, number>()

  constructor(plan: Plan, variables: Variables, cap = uncapped) {
    this.plan = plan
    this.variables = withDefaults(plan.defaults, variables)
    this.cap = cap
  }

  total(): Expected {
    const { root, callsPerRequest } = this.plan
    const calls = this.#callsOf(root, 1) + callsPerRequest + this.callsById(root.steps)
    return { calls, bytes: this.#bytesOf(root, 1) }
  }

  #bytesOf(branch: Branch, above: number): number {
    let bytes = this.#knownBytes.get(branch)
    if (bytes === undefined) {
      bytes = branch.bytes + branch.bytesOfItem * above
      for (const step of branch.steps) bytes += this.bytesBelow(step, above, branch === this.plan.root)
      this.#knownBytes.set(branch, bytes)
    }
    return bytes
  }

  /** What a field's value takes. Pages further down are seldom full, so they count as long as they usually are. */
  bytesBelow(step: Step, above: number, isRoot: boolean): number {
    const { below, bytes, cost, isList } = step
    if (below.length === 0) return bytes
    const assumed = cost.items?.assumed ?? Number.POSITIVE_INFINITY
    const items = (others: number) => Math.min(this.items(step, others), isRoot ? Number.POSITIVE_INFINITY : assumed)
    const times = isList ? items(above) : 1
    const inside = isList ? 1 : items(1)
    return bytes + times * Math.max(0, ...below.map((branch) => this.#bytesOf(branch, inside)))
  }

  /** @param above how many items a list has that declares nothing itself */
  #callsOf(branch: Branch, above: number): number {
    let calls = this.known.get(branch)
    if (calls === undefined) {
      calls = branch.sharedCalls
      for (const step of branch.steps) calls += this.own(step) + this.below(step, above)
      this.known.set(branch, calls)
    }
    return calls
  }

  /** The calls of a field itself. */
  own(step: Step): number {
    const { calls, byId, per } = step.cost
    if (calls === undefined || byId !== undefined) return 0
    return calls * (per === undefined ? 1 : this.#count(per, step))
  }

  /** The calls of everything that is selected of a field's answer. */
  below(step: Step, above: number): number {
    if (step.below.length === 0) return 0
    const times = step.isList ? this.items(step, above) : 1
    const inside = this.inside(step)
    return times * Math.max(...step.below.map((branch) => this.#callsOf(branch, inside)))
  }

  items(step: Step, above: number): number {
    return step.cost.items === undefined ? above : this.#count(step.cost.items, step)
  }

  /** How many items the lists have that a field's answer holds, and that declare nothing themselves. */
  inside(step: Step): number {
    return step.isList ? 1 : this.items(step, 1)
  }

  #count(count: Count, { node, given }: Step): number {
    if (count.argument === undefined) return count.assumed
    const value = given(count.argument, this.variables) ?? count.assumed
    const many = Array.isArray(value) ? value.length : typeof value === "number" ? Math.max(0, value) : 1
    return Math.min(many, count.most ?? many, this.cap(node))
  }

  /** The lookups by id, of which the same id and type costs once. They are roots: nothing multiplies them. */
  callsById(steps: readonly Step[]): number {
    const lookups = new Map<string, { calls: number; ids: Set<unknown> }>()
    for (const { cost, node, given, typeName } of steps) {
      if (cost.byId === undefined) continue
      const { calls = 0 } = cost
      const kind = `${typeName} ${calls}`
      const lookup = lookups.get(kind) ?? { calls, ids: new Set() }
      lookups.set(kind, lookup)
      const ids = [given(cost.byId, this.variables) ?? []].flat()
      for (const id of ids.slice(0, this.cap(node))) lookup.ids.add(typeof id === "object" ? JSON.stringify(id) : id)
    }
    return [...lookups.values()].reduce((sum, { calls, ids }) => sum + calls * ids.size, 0)
  }
}

function refusalOf(plan: Plan, variables: Variables, measure: Measure, limit: number): GraphQLError {
  const calculation = new Calculation(plan, variables)
  const estimated = Math.ceil(calculation.total()[measure])
  const steps = costliest(calculation, measure)
  const field = steps.map(({ key }) => key).join(".")
  const passes = (cap: Cap) => new Calculation(plan, variables, cap).total()[measure] <= limit
  const largest = steps.length === 0 ? "" : `; the largest part is for \`${field}\``
  const problem =
    measure === "calls"
      ? `This operation may cost ${estimated} calls to Code Ocean, and at most ${limit} are allowed`
      : `The answer to this operation may take ${estimated} bytes, and at most ${limit} are allowed`
  return new GraphQLError(`${problem}${largest}. ${smaller(steps, passes)}`, {
    nodes: steps.at(-1)?.node,
    extensions: {
      code: "OPERATION_TOO_COSTLY" satisfies ErrorCode,
      http: { spec: true, status: 400 },
      ...(steps.length > 0 && { field }),
      [measure === "calls" ? "estimatedUpstreamCalls" : "estimatedBytes"]: estimated,
      limit,
    },
  })
}

/** The path to the field that takes most of an estimate. */
function costliest(calculation: Calculation, measure: Measure): Step[] {
  const way: Step[] = []
  let branches: readonly Branch[] = [calculation.plan.root]
  let above = 1
  for (;;) {
    const costs = branches
      .flatMap(({ steps }) => steps)
      .map((step) => {
        const shared = step.cost.oncePerObject === undefined ? 0 : 1
        return measure === "calls"
          ? {
              step,
              own: calculation.own(step) + calculation.callsById([step]) + shared,
              below: calculation.below(step, above),
            }
          : { step, own: 0, below: calculation.bytesBelow(step, above, way.length === 0) }
      })
    if (costs.length === 0) return way
    const { step, own, below } = costs.reduce((a, b) => (b.own + b.below > a.own + a.below ? b : a))
    way.push(step)
    if (own >= below) return way
    branches = step.below
    above = calculation.inside(step)
  }
}

/** A sentence with a request that would pass. */
function smaller(way: readonly Step[], passes: (cap: Cap) => boolean): string {
  for (const { node, cost } of way) {
    const argument = cost.items?.argument ?? cost.per?.argument
    if (argument === undefined) continue
    const most = largest((size) => passes((other) => (other === node ? size : Number.POSITIVE_INFINITY)))
    if (most > 0) return `${withSize(node, argument, most)} would pass.`
  }
  const most = largest((size) => passes(() => size))
  if (most > 0) return `With every \`first\` and every list of ids at ${most} or less it would pass.`
  return "Ask for less of it at once, in several requests."
}

const numbers: ReadonlySet<string> = new Set(["first", "depth"])

function withSize({ alias, name }: FieldNode, argument: string, size: number): string {
  const field = alias === undefined ? name.value : `${alias.value}: ${name.value}`
  return numbers.has(argument)
    ? `\`${field}(${argument}: ${size})\``
    : `\`${field}\` with ${size} of its \`${argument}\``
}

const mostItems = 1000

/** The largest size that passes, 0 where none does: larger ones never cost less. */
function largest(passes: (size: number) => boolean): number {
  let passing = 0
  let failing = mostItems + 1
  while (failing - passing > 1) {
    const middle = Math.floor((passing + failing) / 2)
    if (passes(middle)) passing = middle
    else failing = middle
  }
  return passing
}
