import type { CombinedError } from "urql"

/** What went wrong, in the terms of the person who looks at the page. */
export interface Problem {
  is: "signIn" | "offline" | "codeOceanDown" | "rateLimited" | "forbidden" | "refused" | "broken"
  message: string
  /** After how many seconds to try again, if the gateway says so. */
  retryAfterSeconds?: number
  /** The scope that the token lacks, if that is why something is forbidden. */
  requiredScope?: string
  /** For the log of the gateway. */
  requestId?: string
  /** The fields that failed, such as `capsule.permissions`. Empty if nothing came. */
  paths: string[]
}

/** Problems that pass without a change by the visitor. What was there before is still shown. */
export const passes = ({ is }: Problem): boolean =>
  is === "signIn" || is === "offline" || is === "codeOceanDown" || is === "rateLimited"

const kinds: Readonly<Record<string, Problem["is"]>> = {
  UNAUTHENTICATED: "signIn",
  UPSTREAM_UNAVAILABLE: "codeOceanDown",
  UPSTREAM_TIMEOUT: "codeOceanDown",
  RATE_LIMITED: "rateLimited",
  OVERLOADED: "rateLimited",
  FORBIDDEN: "forbidden",
  BAD_USER_INPUT: "refused",
  OPERATION_TOO_COSTLY: "refused",
}

export const sessionEnded = "Your session has ended. Sign in again to go on."

const messages: Readonly<Partial<Record<Problem["is"], string>>> = {
  signIn: sessionEnded,
  codeOceanDown: "Code Ocean does not answer at present.",
  forbidden: "Your token may not see this.",
}

interface Extensions {
  code?: string
  requestId?: string
  retryAfterSeconds?: number
  requiredScope?: string
}

/** The problems of a response, each kind once, the one that matters most first. */
export function problemsOf(error: CombinedError | undefined): Problem[] {
  if (error === undefined) return []
  const response = error.response as Response | undefined
  if (error.networkError !== undefined && error.graphQLErrors.length === 0) {
    if (response?.status === 401) return [{ is: "signIn", message: messages.signIn!, paths: [] }]
    const { networkError } = error
    const message =
      networkError.name === "TimeoutError"
        ? networkError.message
        : response === undefined
          ? "The gateway does not answer. Is this computer online?"
          : "The gateway sent no usable answer."
    return [{ is: "offline", message, paths: [] }]
  }
  const problems = new Map<string, Problem>()
  for (const { message, path = [], extensions } of error.graphQLErrors) {
    const { code = "", requestId, retryAfterSeconds, requiredScope } = extensions as Extensions
    const is = kinds[code] ?? "broken"
    const text = path.join(".")
    const known = problems.get(is)
    if (known === undefined) {
      problems.set(is, {
        is,
        // When to try again is said by what shows the problem.
        message: messages[is] ?? message.replace(/ Try again in .*$/, ""),
        paths: text === "" ? [] : [text],
        ...(requestId !== undefined && { requestId }),
        ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
        ...(requiredScope !== undefined && { requiredScope }),
      })
    } else if (text !== "") known.paths.push(text)
  }
  const order: Problem["is"][] = ["signIn", "offline", "codeOceanDown", "rateLimited", "broken", "refused", "forbidden"]
  return [...problems.values()].toSorted((a, b) => order.indexOf(a.is) - order.indexOf(b.is))
}

/** Whether a field of the response, such as `capsule.permissions`, failed because the caller may not see it. */
export function isForbidden(problems: readonly Problem[], path: string): boolean {
  return problems.some(({ is, paths }) => is === "forbidden" && paths.some((failed) => failed.startsWith(path)))
}
