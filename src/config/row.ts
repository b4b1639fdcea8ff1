import type * as v from "valibot"

/** The default of switches that are on, except in production. */
export const outsideProduction = Symbol("on, and off in production")

export interface Row {
  name: string
  /** Another name of the same variable, which wins. */
  alias?: string
  kind: v.GenericSchema<string | undefined, unknown>
  /** Absent if the setting is required, or unset by default. */
  default?: string | number | boolean | typeof outsideProduction
  /** Whether the value is a secret, or an address that may contain a password. The Helm chart reads it from a Secret. */
  secret?: "value" | "password"
  meaning: string
}

export type Rows = Readonly<Record<string, Row>>
export type Values<Group extends Rows> = { readonly [Key in keyof Group]: v.InferOutput<Group[Key]["kind"]> }
