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
import { type Cost, type Count, costOf } from "./cost.ts"

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
}

/** The steps on an object of one type. */
interface Branch {
  steps: Step[]
  /** How many calls the steps share, each made once for an object. */
  sharedCalls: number
}

/** All that an operation's cost depends on, but its variables. */
interface Plan {
  root: Branch
  /** How many calls are made once for the request. */
  callsPerRequest: number
  /** The variables' defaults. */
  defaults: Variables
  /** The cost where it depends on no variable. */
  constant: number | undefined
}

/** How many calls to Code Ocean an operation is expected to make. */
export interface Estimate {
  calls: number
  /** Why so many are refused: names the costliest field, and a smaller request that would pass. */
  refusal(limit: number): GraphQLError
}

export type Estimator = (document: DocumentNode, operationName: string | null, variables: Variables) => Estimate

/**
 * Makes the estimator for a schema, from what its fields were declared to cost. The document must be valid. What depends on
 * the document alone is worked out once and kept with it.
 */
export function createEstimator(schema: GraphQLSchema): Estimator {
  const known = new WeakMap<DocumentNode, { switches: readonly string[]; plans: Map<string, Plan> }>()
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
      plan = planOf(schema, document, operationName, variables)
      // Somebody who tries all combinations of many switches must not fill the memory.
      if (plans.size >= mostPlans) plans.clear()
      plans.set(key, plan)
    }
    const made = plan
    return {
      calls: made.constant ?? new Calculation(made, variables).total(),
      refusal: (limit) => refusalOf(made, variables, limit),
    }
  }
}

const mostPlans = 16

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
  const branches = new Map<string, Branch | null>()
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

  /** The steps for these selections; null where none of them costs anything. */
  function branchOf(type: GraphQLObjectType, sets: readonly SelectionSetNode[]): Branch | null {
    const id = `${type.name} ${sets.map((set) => numberOf(numbers, set)).join(" ")}`
    const before = branches.get(id)
    if (before !== undefined) return before
    const shared = new Set<string>()
    const steps: Step[] = []
    for (const [key, nodes] of collect(type, sets)) {
      const step = stepOf(type, key, nodes)
      if (step === undefined) continue
      steps.push(step)
      if (step.cost.oncePerObject !== undefined) shared.add(step.cost.oncePerObject)
      if (step.cost.oncePerRequest !== undefined) callsPerRequest.add(step.cost.oncePerRequest)
    }
    const branch = steps.length === 0 ? null : { steps, sharedCalls: shared.size }
    branches.set(id, branch)
    return branch
  }

  function stepOf(type: GraphQLObjectType, key: string, nodes: readonly FieldNode[]): Step | undefined {
    const [node] = nodes as [FieldNode]
    const field = type.getFields()[node.name.value]
    if (field === undefined) return undefined
    const cost = costOf(field) ?? {}
    const named = getNamedType(field.type)
    const sets = nodes.flatMap(({ selectionSet }) => selectionSet ?? [])
    const types = objectTypes(schema, named)
    if (cost.idsAreFree && types.every((one) => [...collect(one, sets).values()].every(isOnlyId))) return undefined
    const below = types.map((one) => branchOf(one, sets)).filter((branch) => branch !== null)
    const callsItself = cost.calls ?? cost.oncePerObject ?? cost.oncePerRequest
    if (callsItself === undefined && below.length === 0) return undefined
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
  const root = branchOf(rootType, [operation.selectionSet]) ?? { steps: [], sharedCalls: 0 }
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

  constructor(plan: Plan, variables: Variables, cap = uncapped) {
    this.plan = plan
    this.variables = withDefaults(plan.defaults, variables)
    this.cap = cap
  }

  total(): number {
    const { root, callsPerRequest } = this.plan
    return this.#callsOf(root, 1) + callsPerRequest + this.callsById(root.steps)
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

function refusalOf(plan: Plan, variables: Variables, limit: number): GraphQLError {
  const calculation = new Calculation(plan, variables)
  const estimated = calculation.total()
  const steps = costliest(calculation)
  const field = steps.map(({ key }) => key).join(".")
  const passes = (cap: Cap) => new Calculation(plan, variables, cap).total() <= limit
  return new GraphQLError(
    `This operation may cost ${estimated} calls to Code Ocean, and at most ${limit} are allowed; the largest part is for \`${field}\`. ${smaller(steps, passes)}`,
    {
      nodes: steps.at(-1)?.node,
      extensions: {
        code: "OPERATION_TOO_COSTLY" satisfies ErrorCode,
        http: { spec: true, status: 400 },
        field,
        estimatedUpstreamCalls: estimated,
        limit,
      },
    },
  )
}

/** The way to the field that most calls are made for. */
function costliest(calculation: Calculation): Step[] {
  const way: Step[] = []
  let branches: readonly Branch[] = [calculation.plan.root]
  let above = 1
  for (;;) {
    const costs = branches
      .flatMap(({ steps }) => steps)
      .map((step) => {
        const shared = step.cost.oncePerObject === undefined ? 0 : 1
        const own = calculation.own(step) + calculation.callsById([step]) + shared
        const below = calculation.below(step, above)
        return { step, own, below }
      })
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
