import type { GraphQLResolveInfo } from "graphql"
import { type Execution, type Path, pathOf, type SelectedField } from "./execution.ts"

/** Passed to resolvers that do not use `info`. */
const noInfo = undefined as unknown as GraphQLResolveInfo

/**
 * The `info` of a field. There is one for each field of each object, and nearly everything in it is the same for all objects
 * of a list, so it holds only the field's position and looks up the rest when it is read.
 */
class ResolveInfo implements GraphQLResolveInfo {
  private readonly execution: Execution
  private readonly field: SelectedField
  private readonly parentPath: Path | undefined
  private ownPath: Path | undefined

  constructor(execution: Execution, field: SelectedField, parentPath: Path | undefined, path: Path | undefined) {
    this.execution = execution
    this.field = field
    this.parentPath = parentPath
    this.ownPath = path
  }

  get fieldName() {
    return this.field.definition.name
  }
  get fieldNodes() {
    return this.field.nodes
  }
  get returnType() {
    return this.field.definition.type
  }
  get parentType() {
    return this.field.parentType
  }
  get path() {
    this.ownPath ??= pathOf(this.field, this.parentPath)
    return this.ownPath
  }
  get schema() {
    return this.execution.operation.schema
  }
  get fragments() {
    return this.execution.operation.fragments
  }
  get rootValue() {
    return this.execution.rootValue
  }
  get operation() {
    return this.execution.operation.definition
  }
  get variableValues() {
    return this.execution.variables
  }
}

export function infoFor(
  isNeeded: boolean,
  execution: Execution,
  field: SelectedField,
  parentPath: Path | undefined,
  path: Path | undefined,
): GraphQLResolveInfo {
  return isNeeded ? new ResolveInfo(execution, field, parentPath, path) : noInfo
}

/** The `info` for completing a pending value: a field's, or an item of its list. */
export function infoForCompletion(execution: Execution, field: SelectedField, path: Path): GraphQLResolveInfo {
  if (!field.completionNeedsInfo) return noInfo
  let ofField = path
  while (typeof ofField.key === "number" && ofField.prev !== undefined) ofField = ofField.prev
  return new ResolveInfo(execution, field, ofField.prev, ofField)
}
