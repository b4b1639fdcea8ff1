import { type GraphQLList, type GraphQLObjectType, type GraphQLOutputType, getNullableType } from "graphql"
import {
  checkSize,
  type Data,
  type Execution,
  type LinkedObject,
  nullForError,
  type Path,
  type PendingValues,
  pathOf,
  type SelectedField,
  type Target,
  type WaitingPlaces,
} from "./execution.ts"
import { infoForCompletion } from "./resolveInfo.ts"

/*
 * Values that are still pending. Each lies as a PendingValue in its place in the response, and a PendingGroup counts them. Objects
 * and lists know nothing of it: what contains a value that failed is found by the value's path.
 */

/** A promise, or another object with a method `then`. */
export interface Thenable {
  then(resolve: (value: unknown) => unknown, reject?: (error: unknown) => unknown): unknown
}

export function isThenable(value: unknown): value is Thenable {
  return typeof value === "object" && value !== null && typeof (value as Thenable).then === "function"
}

/** What is called with the value or the error of a promise. Never at once. */
export interface Receiver {
  onValue(value: unknown): void
  onError(error: unknown): void
}

// Kept out of line: a function that contains a closure allocates its context on every call.
export function whenSettled(value: Thenable, receiver: Receiver): void {
  const promise = value instanceof Promise ? value : Promise.resolve(value)
  promise.then(
    (resolved) => receiver.onValue(resolved),
    (error) => receiver.onError(error),
  )
}

type Values = Record<string | number, unknown>

/** A value that has to be completed when it arrives. It lies in its place in the response until then. */
export class PendingValue implements Receiver {
  group: PendingValues
  /** The object or list that contains it. */
  private readonly values: Values
  private readonly field: SelectedField
  private target: Target
  private readonly path: Path

  constructor(group: PendingValues, values: object, field: SelectedField, target: Target, path: Path) {
    group.count += 1
    this.group = group
    this.values = values as Values
    this.field = field
    this.target = target
    this.path = path
  }

  await(value: Thenable): this {
    whenSettled(value, this)
    return this
  }

  onValue(value: unknown): void {
    const { group, values, field, path } = this
    const { execution } = group
    execution.group = group
    let completed: unknown = null
    try {
      if (execution.stopped === undefined) {
        completed = this.target.complete(execution, field, infoForCompletion(execution, field, path), path, value)
        checkSize(execution)
      }
    } catch (error) {
      this.onError(error)
      return
    }
    if (completed instanceof LaterValue) {
      this.target = completed.target(this.target)
      whenSettled(completed.value, this)
      return
    }
    values[path.key] = completed
    group.settle()
  }

  /** Fails in a further microtask, as in graphql-js: errors below values that arrive in the same one come first. */
  onError(cause: unknown): void {
    queueMicrotask(() => this.fail(cause))
  }

  private fail(cause: unknown): void {
    const { group, values, field, path } = this
    const { execution } = group
    try {
      values[path.key] = nullForError(execution, field, this.target.type, path, cause)
    } catch (error) {
      values[path.key] = null
      failAt(group, path.prev, error)
    }
    group.settle()
  }
}

/**
 * The places of links that wait for the same object. It lies in all of them until then, and takes a fraction of a PendingValue for each.
 * They belong to one group.
 */
export class PendingLinks implements WaitingPlaces, Receiver {
  readonly group: PendingValues
  private readonly field: SelectedField
  private readonly object: LinkedObject
  private readonly places: Data[] = []
  private readonly parentPaths: (Path | undefined)[] = []
  /** Instead of the places, as soon as one of them moves to another group. */
  private single: PendingValue[] | undefined

  constructor(group: PendingValues, field: SelectedField, object: LinkedObject) {
    this.group = group
    this.field = field
    this.object = object
  }

  add(data: Data, parentPath: Path | undefined): this {
    this.group.count += 1
    this.places.push(data)
    this.parentPaths.push(parentPath)
    return this
  }

  onValue(value: unknown): void {
    const { group, field, object, places } = this
    const { execution } = group
    object.waiting = undefined
    if (this.single !== undefined) {
      for (const pending of this.single) pending.onValue(value)
      return
    }
    const { key } = field
    for (let index = 0; index < places.length; index++) {
      const data = places[index] as Data
      if (object.data !== undefined && execution.stopped === undefined) {
        data[key] = object.data
        execution.size += object.size
        checkSize(execution)
        group.settle()
      } else this.complete(index, value)
    }
  }

  /** Completes the value for one place. If it has neither pending values nor errors, it is used for the others. */
  private complete(index: number, value: unknown): void {
    const { group, object, field } = this
    const { execution } = group
    const { size, errors } = execution
    const before = group.count
    const failures = errors.count
    this.pendAt(index).onValue(value)
    // The value itself is pending no more.
    if (group.count !== before - 1 || errors.count !== failures || execution.stopped !== undefined) return
    object.data = (this.places[index] as Data)[field.key] as Data | null
    object.size = execution.size - size
  }

  onError(cause: unknown): void {
    this.object.waiting = undefined
    for (const pending of this.split()) pending.onError(cause)
  }

  /** Puts a PendingValue into each place. */
  split(): PendingValue[] {
    this.object.waiting = undefined
    this.single ??= this.places.map((_data, index) => this.pendAt(index))
    return this.single
  }

  /** Puts a PendingValue into a place. It has to lie there, so that it is found if a part of the response is left out. */
  private pendAt(index: number): PendingValue {
    const { group, field } = this
    const data = this.places[index] as Data
    // It takes over what this has counted.
    group.count -= 1
    const pending = new PendingValue(group, data, field, field, pathOf(field, this.parentPaths[index]))
    data[field.key] = pending
    return pending
  }
}

/** What completes a value whose type is a promise. */
export class LaterValue {
  readonly value: Thenable
  private readonly complete: (settled: unknown) => unknown

  /** @param complete completes the value when the promise has settled */
  constructor(value: Thenable, complete: (settled: unknown) => unknown) {
    this.value = value
    this.complete = complete
  }

  target({ type }: Target): Target {
    return { type, complete: (_execution, _field, _info, _path, settled) => this.complete(settled) }
  }

  /** The pending value for its place in the response. */
  at(group: PendingValues, values: object, field: SelectedField, target: Target, path: Path): PendingValue {
    const pending = new PendingValue(group, values, field, this.target(target), path)
    whenSettled(this.value, pending)
    return pending
  }
}

/**
 * The pending values of a whole operation, or those of a part of the response:
 * - of an object that has failed already and waits for them, so that their errors are reported too. The group is itself a pending
 *   value of the group around it, and lies in the place of the object
 * - of a part that is left out of the response. Nothing waits for them
 */
export class PendingGroup implements PendingValues {
  readonly execution: Execution
  count = 0
  data: object | undefined
  readonly path: Path | undefined
  private isOver = false
  private around: PendingValues | undefined
  /** Why the object has failed. */
  private error: unknown
  private resolve: ((data: Data) => void) | undefined
  private reject: ((error: unknown) => void) | undefined

  constructor(execution: Execution, data?: object, path?: Path) {
    this.execution = execution
    this.data = data
    this.path = path
  }

  /** The whole data when all values have settled. Rejects with the error of a value for which nothing could be null. */
  promise(): Promise<Data> {
    return new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
  }

  settle(): void {
    this.count -= 1
    if (this.count > 0 || this.isOver) return
    if (this.around === undefined) this.resolve?.(this.data as Data)
    else this.fail(this.error)
  }

  defer(data: Data, error: unknown, path: Path | undefined): PendingGroup {
    const failed = new PendingGroup(this.execution, data, path)
    failed.error = error
    failed.around = this
    this.count += 1
    move(data, failed)
    return failed
  }

  abandon(part: object, path: Path | undefined): void {
    move(part, new PendingGroup(this.execution, part, path))
  }

  /** Joins another group. */
  moveTo(group: PendingValues): void {
    if (this.around === undefined || this.isOver) return
    this.around.count -= 1
    this.around = group
    group.count += 1
  }

  fail(error: unknown): void {
    if (this.isOver) return
    const { around, path } = this
    if (around === undefined) {
      this.reject?.(error)
      return
    }
    this.isOver = true
    failAt(around, path, this.error)
    around.settle()
  }
}

/** Moves the pending values in a part of the response to this group. */
function move(part: unknown, group: PendingValues): void {
  if (typeof part !== "object" || part === null) return
  if (part instanceof PendingGroup) part.moveTo(group)
  else if (part instanceof PendingValue) {
    part.group.count -= 1
    part.group = group
    group.count += 1
  } else
    for (const key in part) {
      const value = (part as Values)[key]
      if (value instanceof PendingLinks) value.split()
      move((part as Values)[key], group)
    }
}

/** Nulls the value at this path, or the nearest one around it that may be null. If there is none, fails the group. */
function failAt(group: PendingValues, path: Path | undefined, cause: unknown): void {
  let error = cause
  const places = placesOf(group, path)
  for (let at = path; at !== undefined && at !== group.path; at = at.prev) {
    const { values, field, type } = places.pop() as Place
    try {
      const part = values[at.key]
      values[at.key] = nullForError(group.execution, field, type, at, error)
      if (part !== null) group.abandon(part as object, at)
      return
    } catch (located) {
      error = located
    }
  }
  group.fail(error)
}

/** A place in the response. */
interface Place {
  /** The object or list that contains it. */
  values: Values
  field: SelectedField
  type: GraphQLOutputType
}

/** The places that lead to this path, from the group's data on. */
function placesOf({ execution, data, path: start }: PendingValues, path: Path | undefined): Place[] {
  const { operation, variables } = execution
  const steps: Path[] = []
  for (let at = path; at !== undefined; at = at.prev) steps.push(at)
  const places: Place[] = []
  let selection = operation.selectionFor(variables)
  let place: Place | undefined
  let values = data as Values
  let isInside = start === undefined
  for (const step of steps.reverse()) {
    const { key, typename } = step
    if (typeof key === "number") {
      const { field, type } = place as Place
      place = { values, field, type: (getNullableType(type) as GraphQLList<GraphQLOutputType>).ofType }
    } else {
      const parentType = operation.schema.getType(typename as string) as GraphQLObjectType
      const field = selection.fieldsOf(parentType).find((field) => field.key === key) as SelectedField
      selection = field.selection
      place = { values, field, type: field.type }
    }
    if (isInside) {
      places.push(place)
      values = values[key] as Values
    } else isInside = step === start
  }
  return places
}
