import { type Audit, serverAudits } from "graphql-http"
import { describe, expect, test } from "vitest"
import type { Gateway } from "../src/server.ts"
import { startGateway } from "./support/gateway.ts"

/**
 * MAY audits that the gateway decides against: a GET without any header of its own could come from any web page, so it
 * is refused to prevent cross-site request forgery. Each of these GETs passes with an Authorization header.
 */
const declined = new Set(["5A70", "D6D5", "6A70"])

const audits: Audit[] = serverAudits({ url: "http://gateway/graphql" })

test("the audit suite of GraphQL over HTTP has the expected number of audits", () => {
  expect(audits.length).toBeGreaterThan(60)
})

/** Audits use the address `http://gateway`, which is replaced by the gateway's own. */
const paths = [
  {
    path: "over HTTP",
    through: (gateway: Gateway) => async (url: string, init?: RequestInit) => {
      return fetch(url.replace("http://gateway", await gateway.listen()), init)
    },
  },
  { path: "in process, through Yoga alone", through: ({ fetch }: Gateway) => fetch },
]

describe.each(paths)("$path", ({ through }) => {
  test.each(audits.map(({ id, name }) => ({ id, name })))("GraphQL over HTTP, $id: $name", async ({ id }) => {
    const { gateway } = await startGateway()
    const fetchFn = through(gateway)
    const audit = serverAudits({ url: "http://gateway/graphql", fetchFn }).find((one) => one.id === id)
    const result = await audit?.fn()
    expect(result?.status).toBe(declined.has(id) ? "notice" : "ok")
  })
})

test.each([...declined])(
  "GraphQL over HTTP, %s passes once the request shows that no other site made it",
  async (id) => {
    const { gateway } = await startGateway()
    const fetchFn = (url: string, init?: RequestInit) =>
      gateway.fetch(url, {
        ...init,
        headers: { ...(init?.headers as Record<string, string>), authorization: "Bearer any" },
      })
    const audit = serverAudits({ url: "http://gateway/graphql", fetchFn }).find((one) => one.id === id)
    expect((await audit?.fn())?.status).toBe("ok")
  },
)
