import { badUserInput, type Failure, type InputProblem, Refusal, toRefusal } from "../errors.ts"
import { builder, type InputType, type ObjectType } from "./builder.ts"
import type { Context } from "./context.ts"
import { type Cost, cost, listOf } from "./cost.ts"

const RefusalCode = builder.enumType("RefusalCode", {
  description: "Why a change was rejected.",
  values: {
    BAD_USER_INPUT: { description: "The input is invalid." },
    FORBIDDEN: { description: "The caller, or the token, may not do this." },
    NOT_FOUND: { description: "The object does not exist, or the caller may not see it." },
    CONFLICT: { description: "It conflicts with the current state of the object." },
  } as Record<string, { description: string }>,
})

const InputProblemType = builder.objectRef<InputProblem>("InputProblem").implement({
  description:
    "One reason why a change was rejected: a value of a run that does not fit the app panel, or a requirement of a release that is not met.",
  fields: (t) => ({
    parameter: t.exposeString("parameter", {
      description: "The parameter's `paramName`, or its label. Null if the problem is not about one parameter.",
    }),
    process: t.exposeString("process", { description: "The process of a pipeline. Null if it is not about one." }),
    message: t.exposeString("message", { nullable: false, description: "A message for people." }),
  }),
})

export const MutationRefused = builder.objectRef<Refusal>("MutationRefused").implement({
  description: "The change was rejected. Nothing has changed.",
  fields: (t) => ({
    code: t.field({ type: RefusalCode, nullable: false, description: "The reason.", resolve: ({ code }) => code }),
    message: t.exposeString("message", {
      nullable: false,
      description: "A message for people, in Code Ocean's own words if Code Ocean rejected the change.",
    }),
    details: t.expose("details", {
      type: "JSON",
      description: "Further details from Code Ocean, such as the `datasets` that prevent the change.",
    }),
    problems: t.field({
      type: [InputProblemType],
      nullable: { list: false, items: false },
      description:
        "All problems of the values of a run, or all requirements of a release that are not met, at most 100. Otherwise empty.",
      extensions: listOf(2),
      resolve: ({ problems }) => [...problems],
    }),
    requiredScope: t.exposeString("requiredScope", {
      description: "The scope that the token lacks, such as `Data Asset write`. Null if that is not the reason.",
    }),
  }),
})

/**
 * Defines a mutation that takes one `input` and returns a union of its payload and MutationRefused. The result is nullable:
 * otherwise one failed change would null the payloads of the earlier ones, which have taken effect, and later ones would be
 * skipped silently.
 * @param mutation.run sends the write. A write that Code Ocean rejects becomes data, every other failure an error
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
    description: `The result of \`${mutation.name}\`.`,
    types: [mutation.payload, MutationRefused],
    resolveType: (value) => ((value as object) instanceof Refusal ? MutationRefused : mutation.payload) as never,
  })
  builder.mutationField(mutation.name, (t) =>
    t.field({
      type: Result,
      description: mutation.description,
      extensions: cost(mutation.cost),
      args: {
        input: t.arg({ type: mutation.input as InputType<object>, required: true, description: "The change." }),
      },
      // The payload's type is generic here, so Pothos cannot see that the union has exactly these two members.
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

/** A failed call as data, for payloads that report partial success. */
export const FailureType = builder.objectRef<Failure>("Failure").implement({
  description: "The failure of one part of a mutation.",
  fields: (t) => ({
    code: t.exposeString("code", { nullable: false, description: "The code, the same as in errors." }),
    message: t.exposeString("message", { nullable: false, description: "A message for people." }),
    outcomeUnknown: t.exposeBoolean("outcomeUnknown", {
      nullable: false,
      description: "True if the change was sent and its response was lost. The change may have taken effect.",
    }),
  }),
})

/** The first of the strings that occurs twice, or undefined. */
export function firstDuplicate(texts: readonly string[]): string | undefined {
  const seen = new Set<string>()
  for (const text of texts) {
    if (seen.has(text)) return text
    seen.add(text)
  }
  return undefined
}

/**
 * Throws BAD_USER_INPUT if there are no ids, or one occurs twice.
 * @param field the name of the input field
 */
export function checkIds(field: string, ids: readonly string[]): void {
  if (ids.length === 0) throw badUserInput(`\`${field}\` is empty. Give at least one.`)
  const repeated = firstDuplicate(ids)
  if (repeated !== undefined) {
    throw badUserInput(
      `\`${field}\` names ${JSON.stringify(repeated.slice(0, 100))} more than once. Give each one once.`,
    )
  }
}
