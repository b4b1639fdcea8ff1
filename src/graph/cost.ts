/**
 * What a field costs in calls to Code Ocean, and how many items it answers. It is declared beside the field, and said
 * nowhere else: estimates and the schema's cost directives are made from it. Where the number depends on what Code Ocean
 * holds, it is what a large deployment shows, not the most there could be.
 */
export interface Cost {
  /** The calls that the field makes each time it is asked for. */
  calls?: number
  /** The field makes so many `calls` for each of these; by default once. */
  per?: Count
  /**
   * The argument with an id, a list of ids, or a list of references with `__typename` and `id`: `calls` for each of them, but
   * once in a request for the same id and type.
   */
  byId?: string
  /** The name of one call more, which is made once for an object, however many of its fields need it. */
  oncePerObject?: string
  /** The name of one call more, which is made once for a request, however many fields need it. */
  oncePerRequest?: string
  /** No call is made where nothing but `id` and `__typename` is selected. */
  idsAreFree?: true
  /** About how many bytes its value usually takes in an answer, where that isn't usual for its type. */
  bytes?: number
  /** How many items it answers: in its own list, or in those lists of its object that declare nothing themselves. */
  items?: Count
}

/** How many: what an argument says, or else what is assumed. */
export interface Count {
  /** An argument, or a field of an input (`input.ids`): a list counts its entries, a number itself. */
  argument?: string
  /** Where the argument is not given, or there is none. */
  assumed: number
  /** More than this is refused. */
  most?: number
}

/** For a field's `extensions`. */
export function cost(declared: Cost): { cost: Cost } {
  return { cost: declared }
}

/** The cost that a field was declared with; undefined: it makes no call and its lists are not worth counting. */
export function costOf(field: { extensions: Readonly<{ cost?: unknown }> }): Cost | undefined {
  return field.extensions.cost as Cost | undefined
}

/** Whether a field can make calls. */
export function makesCalls(field: { extensions: Readonly<{ cost?: unknown }> }): boolean {
  const { calls, oncePerObject, oncePerRequest } = costOf(field) ?? {}
  return (calls ?? oncePerObject ?? oncePerRequest) !== undefined
}

/** A field that makes one call. */
export const oneCall = cost({ calls: 1 })

/** A field that links to an object: a call, unless only the object's id is asked for. */
export const link = cost({ calls: 1, idsAreFree: true })

/** A text that people write at length, such as a description. */
export const longText = cost({ bytes: 400 })

/** A list that another call brought along, with so many items as a rule. */
export const listOf = (assumed: number) => cost({ items: { assumed } })
