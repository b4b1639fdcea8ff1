import {
  type ASTVisitor,
  type FloatValueNode,
  GraphQLError,
  GraphQLFloat,
  getNullableType,
  type IntValueNode,
  type ValidationContext,
} from "graphql"
import { isExact } from "../upstream/rawNumber.ts"

const maxQuoted = 50

/** Rejects a literal of type Float that would be rounded to another integer, or to infinity. Fractions are rounded to a double. */
export function exactFloats(context: ValidationContext): ASTVisitor {
  const check = (node: IntValueNode | FloatValueNode) => {
    if (getNullableType(context.getInputType()) !== GraphQLFloat) return
    const number = Number(node.value)
    if (Number.isFinite(number) && (!Number.isInteger(number) || isExact(number, node.value))) return
    const nearest = Number.isFinite(number)
      ? ` The nearest number is ${String(BigInt(number)).slice(0, maxQuoted)}.`
      : ""
    context.reportError(
      new GraphQLError(`Float cannot represent ${node.value.slice(0, maxQuoted)} exactly.${nearest}`, { nodes: node }),
    )
  }
  return { IntValue: check, FloatValue: check }
}
