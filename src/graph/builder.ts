import SchemaBuilder, { type InputObjectRef, type ObjectRef } from "@pothos/core"
import type { Context } from "./context.ts"

interface SchemaTypes {
  Context: Context
  Scalars: {
    ID: { Input: string; Output: string }
    /** Epoch seconds internally. */
    DateTime: { Input: number; Output: number }
    ByteCount: { Input: number; Output: number | string }
    JSON: { Input: unknown; Output: unknown }
    /** A reference from another subgraph. */
    _Any: { Input: unknown; Output: unknown }
  }
}

/** The schema builder. Each type, query, mutation and subscription registers itself here. */
export const builder = new SchemaBuilder<SchemaTypes>({})

type Types = typeof builder extends PothosSchemaTypes.SchemaBuilder<infer T> ? T : never

/** A reference to an object type whose values are of type T. */
export type ObjectType<T> = ObjectRef<Types, T>

/** A reference to an input type whose values are of type T. */
export type InputType<T> = InputObjectRef<Types, T>

/** The field builder of an input type, for fields that several input types share. */
export type InputFields = PothosSchemaTypes.InputFieldBuilder<Types, "InputObject">
