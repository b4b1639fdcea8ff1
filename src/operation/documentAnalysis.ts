import { type DocumentNode, Kind, visit } from "graphql"

export interface DocumentAnalysis {
  /** How many fields the document selects. */
  readonly fieldCount: number
  /** The variables in arguments of directives: their values decide which fields `@skip` and `@include` leave out. */
  readonly conditionVariables: readonly string[]
  /** Whether only graphql-js can execute it: incremental delivery, or a key that an object literal cannot have. */
  readonly needsGraphqlJs: boolean
}

const analyses = new WeakMap<DocumentNode, DocumentAnalysis>()

/** Reads a document once. The result is kept as long as the document. */
export function analyze(document: DocumentNode): DocumentAnalysis {
  let analysis = analyses.get(document)
  if (analysis === undefined) {
    analysis = analysisOf(document)
    analyses.set(document, analysis)
  }
  return analysis
}

function analysisOf(document: DocumentNode): DocumentAnalysis {
  let needsGraphqlJs = false
  let fieldCount = 0
  const conditionVariables = new Set<string>()
  visit(document, {
    Field({ alias }) {
      fieldCount += 1
      if (alias?.value === "__proto__") needsGraphqlJs = true
    },
    Directive({ name, arguments: args = [] }) {
      if (name.value === "defer" || name.value === "stream") needsGraphqlJs = true
      for (const { value } of args) if (value.kind === Kind.VARIABLE) conditionVariables.add(value.name.value)
    },
  })
  return { fieldCount, conditionVariables: [...conditionVariables], needsGraphqlJs }
}
