import SchemaBuilder, { type InputObjectRef, type ObjectRef } from "@pothos/core"
import type { Context } from "./context.ts"

interface SchemaTypes {
  Context: Context
  Scalars: {
    ID: { Input: string; Output: string }
    /** Epoch seconds inside. */
    DateTime: { Input: number; Output: number }
    ByteCount: { Input: number; Output: number | string }
    JSON: { Input: unknown; Output: unknown }
    /** A reference from another subgraph. */
    _Any: { Input: unknown; Output: unknown }
  }
}

/** The one schema builder: every type, query and mutation registers itself here. */
export const builder = new SchemaBuilder<SchemaTypes>({})

type Types = typeof builder extends PothosSchemaTypes.SchemaBuilder<infer T> ? T : never

/** A reference to an object type whose values are of type T. */
export type ObjectType<T> = ObjectRef<Types, T>

/** A reference to an input type whose values are of type T. */
export type InputType<T> = InputObjectRef<Types, T>

/** What the `fields` of an input type are made with, for fields that several input types have. */
export type InputFields = PothosSchemaTypes.InputFieldBuilder<Types, "InputObject">
