import { badUserInput, type Failure, Refusal, toRefusal } from "../errors.ts"
import { builder, type InputType, type ObjectType } from "./builder.ts"
import type { Context } from "./context.ts"
import { type Cost, cost } from "./cost.ts"

const RefusalCode = builder.enumType("RefusalCode", {
  description: "Why Code Ocean refused a change.",
  values: {
    BAD_USER_INPUT: { description: "The input can't be used." },
    FORBIDDEN: { description: "The caller, or the token, may not do this." },
    NOT_FOUND: { description: "There is no such object, or the caller may not see it." },
    CONFLICT: { description: "It doesn't fit the object's present state." },
  } as Record<string, { description: string }>,
})

export const MutationRefused = builder.objectRef<Refusal>("MutationRefused").implement({
  description: "The change was refused, and nothing happened.",
  fields: (t) => ({
    code: t.field({ type: RefusalCode, nullable: false, description: "Why.", resolve: ({ code }) => code }),
    message: t.exposeString("message", {
      nullable: false,
      description: "What to tell a person: Code Ocean's own words, where Code Ocean refused it.",
    }),
    details: t.expose("details", {
      type: "JSON",
      description: "What else Code Ocean says, such as the `datasets` that are in the way.",
    }),
  }),
})

/**
 * Defines a mutation that takes one `input` and returns a union of its payload and MutationRefused. The result is nullable:
 * were it not, one change that goes wrong would take with it the payloads of those before it, which have happened, and
 * those after it would be left out without a word.
 * @param mutation.run sends the write; what upstream refuses of it becomes data, everything else stays an error
 */
export function defineMutation<Input extends object, Payload extends object>(mutation: {
  name: string
  description: string
  cost: Cost
  input: InputType<Input>
  payload: ObjectType<Payload>
  run: (input: Input, context: Context) => Promise<Payload>
}): void {
  const Result = builder.unionType(`${capitalized(mutation.name)}Result`, {
    description: `What came of \`${mutation.name}\`.`,
    types: [mutation.payload, MutationRefused],
    resolveType: (value) => ((value as object) instanceof Refusal ? MutationRefused : mutation.payload) as never,
  })
  builder.mutationField(mutation.name, (t) =>
    t.field({
      type: Result,
      description: mutation.description,
      extensions: cost(mutation.cost),
      args: {
        input: t.arg({ type: mutation.input as InputType<object>, required: true, description: "What to change." }),
      },
      // The payload's type is open here, and Pothos can't see that the union is made of just these two.
      resolve: (async (_root: unknown, { input }: { input: object }, context: Context) => {
        try {
          return await mutation.run(input as Input, context)
        } catch (error) {
          const refusal = toRefusal(error)
          if (refusal === undefined) throw error
          return refusal
        }
      }) as never,
    }),
  )
}

/** `archiveCapsule` as `ArchiveCapsule`. */
export function capitalized(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1)
}

/** A failed call as data, in payloads that say how far they came. */
export const FailureType = builder.objectRef<Failure>("Failure").implement({
  description: "What went wrong with one part of a mutation.",
  fields: (t) => ({
    code: t.exposeString("code", { nullable: false, description: "One of the codes that errors have." }),
    message: t.exposeString("message", { nullable: false, description: "What to tell a person." }),
    outcomeUnknown: t.exposeBoolean("outcomeUnknown", {
      nullable: false,
      description: "True where the change was sent and its answer lost: it may have happened.",
    }),
  }),
})

/** The first of the texts that stands there a second time. */
export function firstDuplicate(texts: readonly string[]): string | undefined {
  const seen = new Set<string>()
  for (const text of texts) {
    if (seen.has(text)) return text
    seen.add(text)
  }
  return undefined
}

/**
 * Throws BAD_USER_INPUT unless there are ids, each of them once.
 * @param field the input field they stand in
 */
export function checkIds(field: string, ids: readonly string[]): void {
  if (ids.length === 0) throw badUserInput(`\`${field}\` is empty: name at least one.`)
  const repeated = firstDuplicate(ids)
  if (repeated !== undefined) {
    throw badUserInput(`\`${field}\` names ${JSON.stringify(repeated.slice(0, 100))} more than once: name each once.`)
  }
}
