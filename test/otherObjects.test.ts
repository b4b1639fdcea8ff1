import { describe, expect, test } from "vitest"
import { startAnswering, startFaultyUpstream, type UpstreamAnswer } from "./support/faultyUpstream.ts"
import { startGatewayOn } from "./support/gateway.ts"
import { follow, hastyTime } from "./support/live.ts"

async function startAnsweringAll(answer: () => UpstreamAnswer) {
  const upstream = await startFaultyUpstream(answer)
  return { ...startGatewayOn(upstream.url), upstream }
}

describe("a response with another object than the requested one", () => {
  const other = { id: "other", name: "Odd", state: "ready", type: "dataset", status: "release" }
  const invalid = [{ extensions: { code: "UPSTREAM_INVALID_RESPONSE" } }]

  test.each([
    [`{ capsule(id: "c1") { name } }`, "/capsules/c1"],
    [`{ capsules(ids: ["c1"]) { name } }`, "/capsules/c1"],
    [`{ pipeline(id: "c1") { name } }`, "/pipelines/c1"],
    [`{ computation(id: "c1") { name } }`, "/computations/c1"],
    [`{ dataAsset(id: "c1") { name } }`, "/data_assets/c1"],
    [`{ node(id: "c1") { id } }`, "/pipelines/c1"],
    [
      `{ _entities(representations: [{ __typename: "Capsule", id: "c1" }]) { ... on Capsule { name } } }`,
      "/capsules/c1",
    ],
  ])("a response with another object than the requested one fails %s", async (query, path) => {
    const { ask } = startGatewayOn((await startAnswering({ [path]: other })).url)
    expect((await ask(query)).errors).toMatchObject(invalid)
  })

  test("a response with another object than the requested one fails a write, with a message that the change succeeded", async () => {
    let answered = 0
    const { ask } = await startAnsweringAll(() => ({ body: { ...other, id: answered++ === 0 ? "d1" : "other" } }))
    const { errors } = await ask(`mutation { updateDataAsset(input: { id: "d1", name: "New" }) { __typename } }`)
    expect(errors?.[0]?.message).toBe("The change succeeded, but Code Ocean's response could not be read.")
  })

  test("a response with another object than the requested one is never an event of a subscription", async () => {
    const upstream = await startAnswering({ "/computations/c1": other })
    const url = await startGatewayOn(upstream.url, { clock: hastyTime() }).gateway.listen()
    const [event] = await (await follow(url, `subscription { computation(id: "c1") { name } }`)).rest()
    expect(event?.errors).toMatchObject(invalid)
  })

  test("a response with another object than the requested one is accepted if only the case of the id differs, or the requested id is the object's slug", async () => {
    const upstream = await startAnswering({
      "/capsules/C1": { ...other, id: "c1" },
      "/capsules/1234567": { ...other, id: "c1", slug: "1234567" },
    })
    const { ask } = startGatewayOn(upstream.url)
    const query = `{ upper: capsule(id: "C1") { id name } slug: capsule(id: "1234567") { id name } }`
    const found = { id: "c1", name: "Odd" }
    expect(await ask(query)).toEqual({ data: { upper: found, slug: found } })
  })

  test("a response with another object than the requested one in a search for several ids is ignored", async () => {
    const [first, second] = ["00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"]
    const upstream = await startAnswering({
      "/capsules/search": { has_more: false, results: [other, { ...other, id: second, name: "Second" }] },
      [`/capsules/${first}`]: { ...other, id: first, name: "First" },
    })
    const { ask } = startGatewayOn(upstream.url)
    const answer = await ask(`{ capsules(ids: ["${first}", "${second}"]) { name } }`)
    expect(answer).toEqual({ data: { capsules: [{ name: "First" }, { name: "Second" }] } })
  })
})
