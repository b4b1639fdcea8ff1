/**
 * The cost of a field in calls to Code Ocean, and the number of items it returns. Declared beside the field and nowhere else: the
 * estimate and the cost directives of the schema are made from it. If a number depends on the data in Code Ocean, the number in a
 * large deployment is used, not the maximum.
 */
export interface Cost {
  /** The number of calls for each time the field is resolved. */
  calls?: number
  /** The field makes `calls` for each of these. The default is once. */
  per?: Count
  /** The number of calls in addition to `calls`, however many of `per` there are. */
  fixedCalls?: number
  /**
   * The argument with an id, a list of ids, or a list of references with `__typename` and `id`. The field makes `calls` for each of
   * them, but once in a request for the same id and type.
   */
  byId?: string
  /** The search that several objects of `byId` are looked for with. If it finds none of them, it was made in addition to the calls for each. */
  searched?: SearchById
  /** The name of an additional call that is made once for an object, even if several of its fields need it. */
  oncePerObject?: string
  /** The name of an additional call that is made once for a request, even if several fields need it. */
  oncePerRequest?: string
  /** No call is made if only `id` and `__typename` are selected. */
  idsAreFree?: true
  /**
   * Fields below this one, as `Type.field`, that make no call because this one has already read what they show. Fields that make calls
   * in between end this.
   */
  free?: readonly string[]
  /** The approximate size of its value in a response, if it differs from the usual size for its type. */
  bytes?: number
  /** The number of items in its own list, or in the lists of its object that declare no number themselves. */
  items?: Count
}

/** A search that finds several objects by their ids. */
export interface SearchById {
  /** The types of the objects. Each takes a search of its own. */
  types: readonly string[]
  /** The maximum number of ids in one call. */
  maxIds: number
  /** Whether the id may be part of such a call. */
  isSearchable(id: string): boolean
}

/** A number: the value of an argument, or an assumption. */
export interface Count {
  /** An argument, or a field of an input (`input.ids`). A list counts its entries, a number its value. */
  argument?: string
  /** If there is no argument, or it is not given. */
  assumed: number
  /** The maximum. A larger number is rejected. */
  max?: number
}

/** For a field's `extensions`. */
export function cost(declared: Cost): { cost: Cost } {
  return { cost: declared }
}

/** The declared cost of a field. Undefined if it makes no call and its lists need no count. */
export function costOf(field: { extensions: Readonly<{ cost?: unknown }> }): Cost | undefined {
  return field.extensions.cost as Cost | undefined
}

/** Whether a field can make calls. */
export function makesCalls(field: { extensions: Readonly<{ cost?: unknown }> }): boolean {
  return declaresCalls(costOf(field) ?? {})
}

export function declaresCalls({ calls, oncePerObject, oncePerRequest }: Cost): boolean {
  return (calls ?? oncePerObject ?? oncePerRequest) !== undefined
}

/** A field that makes one call. */
export const oneCall = cost({ calls: 1 })

/** A field that links to an object. Makes a call unless only the id of the object is selected. */
export const linkCost = { calls: 1, idsAreFree: true } as const satisfies Cost
export const link = cost(linkCost)

/** A long text written by people, such as a description. */
export const longText = cost({ bytes: 400 })

/** A list that is part of another response, with its usual number of items. */
export const listOf = (assumed: number) => cost({ items: { assumed } })
