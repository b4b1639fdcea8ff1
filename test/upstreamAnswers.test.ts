import { describe, expect, test } from "vitest"
import { createRedaction } from "../src/upstream/redaction.ts"
import { cpuMs } from "./support/cpuTime.ts"
import { startFaultyUpstream, type UpstreamAnswer } from "./support/faultyUpstream.ts"
import { startGatewayOn } from "./support/gateway.ts"
import { follow, hastyTime } from "./support/live.ts"
import { watchProcess } from "./support/unnoticed.ts"

/** Nested lists with this many levels. */
const lists = (levels: number) => "[".repeat(levels) + "]".repeat(levels)
/** Nested objects. */
const objects = (levels: number) => `${'{"a":'.repeat(levels - 1)}{}${"}".repeat(levels - 1)}`
/** A data asset with this JSON in its custom metadata. */
const assetWith = (json: string) =>
  `{"id":"d1","name":"Odd","state":"ready","type":"dataset","custom_metadata":{"k":${json}}}`
const metadata = `{ dataAsset(id: "d1") { name customMetadata { key value } } }`
const as = (token: string) => ({ authorization: `Bearer ${token}` })

async function startAnsweringAll(answer: () => UpstreamAnswer) {
  const upstream = await startFaultyUpstream(answer)
  return { ...startGatewayOn(upstream.url), upstream }
}

describe("deeply nested JSON", () => {
  test.each([
    ["lists", lists],
    ["objects", objects],
    ["lists behind many wide ones", (levels: number) => `[${`${lists(3)},`.repeat(500)}${lists(levels - 1)}]`],
    ["objects before a long text of brackets", (levels: number) => `[${objects(levels - 1)},"${"[{".repeat(1000)}"]`],
  ])("deeply nested JSON is passed on up to 200 levels, and fails its call beyond them: %s", async (_what, json) => {
    watchProcess()
    let levels = 198
    const { ask } = await startAnsweringAll(() => ({ body: assetWith(json(levels)) }))
    expect((await ask(metadata)).data.dataAsset.customMetadata[0].key).toBe("k")
    for (levels of [199, 3_000, 100_000]) {
      const { data, errors } = await ask(metadata)
      expect(data).toEqual({ dataAsset: null })
      expect(errors).toMatchObject([{ extensions: { code: "UPSTREAM_INVALID_RESPONSE" } }])
    }
  })

  test("deeply nested JSON is not found in brackets within strings", async () => {
    const { ask } = await startAnsweringAll(() => ({ body: assetWith(JSON.stringify('[{\\"['.repeat(1000))) }))
    expect((await ask(metadata)).errors).toBeUndefined()
  })

  test("deeply nested JSON ends a subscription to the object with an error, and no other request", async () => {
    watchProcess()
    const upstream = await startFaultyUpstream(() => ({ body: assetWith(lists(3_000)) }))
    const { gateway } = startGatewayOn(upstream.url, { clock: hastyTime() })
    const stream = await follow(await gateway.listen(), `subscription { dataAsset(id: "d1") { name } }`)
    const [event, ...more] = await stream.rest()
    expect(event?.errors).toMatchObject([{ extensions: { code: "UPSTREAM_INVALID_RESPONSE" } }])
    expect(more).toEqual([])
    expect(gateway.stats).toMatchObject({ pollers: 0, listeners: 0 })
  })

  test("deeply nested JSON in a search fails the search, and in an error's body does not change the error", async () => {
    watchProcess()
    const { ask } = await startAnsweringAll(() => ({ status: 400, body: `{"message":"no","more":${lists(3_000)}}` }))
    const { errors } = await ask("{ searchCapsules { nodes { id } } }")
    expect(errors).toMatchObject([{ message: "Code Ocean answered 400.", extensions: { code: "BAD_USER_INPUT" } }])
    const found = await startAnsweringAll(() => ({
      body: `{"has_more":false,"results":[{"id":"c1","x":${lists(300)}}]}`,
    }))
    expect((await found.ask("{ searchCapsules { nodes { id } } }")).errors).toMatchObject([
      { extensions: { code: "UPSTREAM_INVALID_RESPONSE" } },
    ])
  })

  test("deeply nested JSON in the response to a write gives an error that says that the change succeeded", async () => {
    const { ask } = await startAnsweringAll(() => ({ body: assetWith(lists(3_000)) }))
    const { errors } = await ask(
      `mutation { createDataAsset(input: { name: "n", tags: [], mount: "m", source: { aws: { bucket: "b" } } }) { __typename } }`,
    )
    expect(errors?.[0]?.message).toBe("The change succeeded, but Code Ocean's response could not be read.")
  })
})

describe("the data of an error beside its message", () => {
  const archive = `mutation { archiveCapsule(input: { id: "c1", archived: true }) { ... on MutationRefused { message details } } }`
  const refusal = async (body: object) => {
    const { ask } = await startAnsweringAll(() => ({ status: 409, body }))
    return (await ask(archive)).data.archiveCapsule
  }

  test("the data of an error beside its message is passed on up to 16,384 characters of JSON", async () => {
    const small = { datasets: ["x".repeat(16_384 - '{"datasets":[""]}'.length)] }
    expect(await refusal({ message: "In use.", ...small })).toEqual({ message: "In use.", details: small })
    const large = { datasets: ["x".repeat(16_385 - '{"datasets":[""]}'.length)] }
    expect(await refusal({ message: "In use.", ...large })).toEqual({ message: "In use.", details: null })
  })

  test("the data of an error beside its message is left out, as the message is, if the body is larger than a mebibyte", async () => {
    expect(await refusal({ message: "x".repeat(1024 * 1024) })).toEqual({
      message: "Code Ocean answered 409.",
      details: null,
    })
  })
})

describe("a token in a response", () => {
  // Every character that some encoding escapes.
  const token = `cop_a+b/c?d>e~f%41g"h\\i'j&k=l`
  const base64 = (text: string) => Buffer.from(text).toString("base64")
  const hex = (text: string, prefix: string) =>
    [...text].map((letter) => prefix + letter.charCodeAt(0).toString(16).padStart(2, "0")).join("")
  const forms: [string, string][] = [
    ["plain", token],
    ["percent-encoded", encodeURIComponent(token)],
    ["percent-encoded through and through, in small letters", hex(token, "%")],
    ["with JSON's escapes", JSON.stringify(token).slice(1, -1)],
    ["with JSON's escapes, slashes too", JSON.stringify(token).slice(1, -1).replaceAll("/", "\\/")],
    ["with JSON's escapes through and through", hex(token, "\\u00")],
    ["in Base64", base64(token)],
    ["in Base64 without padding", base64(token).replaceAll("=", "")],
    ["in Base64 with its colon", base64(`${token}:`)],
    ["in Base64 with its colon, without padding", base64(`${token}:`).replaceAll("=", "")],
    ["in Base64 with a password", base64(`${token}:secret`)],
    ["in URL-safe Base64", Buffer.from(`${token}:`).toString("base64url")],
    ["in URL-safe Base64 without the colon", Buffer.from(token).toString("base64url")],
    ["in percent-encoded Base64", encodeURIComponent(base64(`${token}:`))],
  ]

  test.each(forms)("a token in a response is redacted %s", (_form, form) => {
    const redact = createRedaction(token)
    expect(redact(`(${form}) and (${form})`)).toBe("([redacted]) and ([redacted])")
    expect(redact(form)).toBe("[redacted]")
  })

  test.each(["cop_0123456789abcdef", "cop_0123456789abcdefg", "cop_0123456789abcdefgh", "ab", "a"])(
    "a token in a response is redacted whatever its length: %s",
    (short) => {
      const redact = createRedaction(short)
      for (const form of [short, base64(short), base64(`${short}:`), Buffer.from(`${short}:`).toString("base64url")]) {
        expect(redact(`<${form}>`)).toBe("<[redacted]>")
      }
    },
  )

  test("a text without the token is not changed by the redaction", () => {
    const text = `100 % of "\\u0041\\/%2F" \\ %zz`
    expect(createRedaction(token)(text)).toBe(text)
  })

  test("a token in a response's message, data, keys or content type reaches neither client nor log", async () => {
    const all = forms.map(([, form]) => form)
    const answers: UpstreamAnswer[] = [
      { status: 400, body: { message: all.join(" "), [all[0]!]: all, deep: [{ [all[7]!]: all }] } },
      { status: 500, body: { message: all.join(" ") } },
      { body: [], headers: { "content-type": `text/x; t=${encodeURIComponent(token)}; ${base64(token)}` } },
      { body: { id: "c1", name: "Odd", status: `${token} ${base64(`${token}:`)}` } },
    ]
    const upstream = await startFaultyUpstream(() => answers[upstream.requests.length - 1]!)
    const { ask, lines } = startGatewayOn(upstream.url, { config: { upstreamRetryPercent: 0 } })
    const archive = `mutation { archiveCapsule(input: { id: "c1", archived: true }) { ... on MutationRefused { message details } } }`
    const seen = [await ask(archive, {}, as(token))]
    for (let times = 1; times < answers.length; times++) {
      seen.push(await ask(`{ capsule(id: "c1") { id status } }`, {}, as(token)))
    }
    const text = JSON.stringify([seen, lines])
    expect(text.match(/\[redacted\]/g)!.length).toBeGreaterThan(40)
    for (const form of all) expect(text).not.toContain(JSON.stringify(form).slice(1, -1))
  })

  test("a token in a response is redacted with linear work", () => {
    const redact = createRedaction(`${"a".repeat(1_000)}%`)
    const begun = cpuMs()
    for (const text of ["a".repeat(1024 * 1024), "%61".repeat(300_000), "YWFh".repeat(262_144)]) redact(text)
    expect(cpuMs() - begun).toBeLessThan(2_000)
  })
})

describe("a list that is longer than any of Code Ocean's", () => {
  const invalid = { extensions: { code: "UPSTREAM_INVALID_RESPONSE" } }
  const asset = (more: object) => ({ id: "d1", name: "Odd", state: "ready", type: "dataset", ...more })
  const strings = (count: number) => Array.from({ length: count }, (_, index) => `x${index}`)

  test.each([
    ["provenance { dataAssets { id } }", (count: number) => ({ provenance: { data_assets: strings(count) } })],
    ["tags", (count: number) => ({ tags: strings(count) })],
    ["appParameters { name }", (count: number) => ({ app_parameters: strings(count).map((name) => ({ name })) })],
    [
      "containedDataAssets { dataAsset { id } }",
      (count: number) => ({ contained_data_assets: strings(count).map((id) => ({ id })) }),
    ],
    [
      "customMetadata { key }",
      (count: number) => ({ custom_metadata: Object.fromEntries(strings(count).map((key) => [key, 1])) }),
    ],
  ])(
    "a list that is longer than any of Code Ocean's fails its field alone beyond 10,000 items: %s",
    async (field, more) => {
      let count = 10_000
      const { ask } = await startAnsweringAll(() => ({ body: asset(more(count)) }))
      const query = `{ dataAsset(id: "d1") { name ${field} } }`
      expect((await ask(query)).errors).toBeUndefined()
      count = 10_001
      const { data, errors } = await ask(query)
      expect(data.dataAsset.name).toBe("Odd")
      expect(errors).toMatchObject([invalid])
    },
  )

  test("a list that is longer than any of Code Ocean's fails its call beyond 250,000 objects", async () => {
    let count = 250_000
    const { ask } = await startFaultyUpstream(({ path }) => ({
      body: path.endsWith("computations")
        ? Array.from({ length: count }, (_, index) => ({ id: `r${index}`, created: index % 1000 }))
        : { id: "c1" },
    })).then(({ url }) => startGatewayOn(url))
    const query = `{ capsule(id: "c1") { computations(first: 1) { nodes { id } } } }`
    const { data, errors } = await ask(query)
    expect(errors).toBeUndefined()
    expect(data.capsule.computations.nodes).toEqual([{ id: "r100999" }])
    count += 1
    expect((await ask(query)).errors).toMatchObject([invalid])
  })

  test("a list of 9,000 inputs is walked in a lineage up to the maximum number of nodes", async () => {
    const upstream = await startFaultyUpstream(({ path }) => ({
      body:
        path === "/data_assets/d1"
          ? asset({ provenance: { data_assets: strings(9_000) } })
          : asset({ id: path.slice("/data_assets/".length) }),
    }))
    const { ask } = startGatewayOn(upstream.url)
    const { data, errors } = await ask(
      `{ dataAsset(id: "d1") { lineage(direction: UP, depth: 1) { truncated nodes { nodeId } edges { from } } } }`,
    )
    expect(errors).toBeUndefined()
    expect(data.dataAsset.lineage.truncated).toBe(true)
    expect(data.dataAsset.lineage.nodes).toHaveLength(2_000)
    expect(data.dataAsset.lineage.edges).toHaveLength(1_999)
    expect(upstream.requests).toHaveLength(2_000)
  })
})

test("an id of more than 256 characters in a response fails its call", async () => {
  let id = "x".repeat(256)
  const { ask } = await startAnsweringAll(() => ({ body: { results: [{ id }] } }))
  expect((await ask("{ searchCapsules { nodes { id } } }")).data.searchCapsules.nodes).toEqual([{ id }])
  id += "x"
  expect((await ask("{ searchCapsules { nodes { id } } }")).errors).toMatchObject([
    { extensions: { code: "UPSTREAM_INVALID_RESPONSE" } },
  ])
})

test("an unknown enum value of a megabyte is logged once and short, without a part of a token in it", async () => {
  const token = `cop_${"0123456789abcdef".repeat(60)}`
  const status = [...token].map((letter) => `\\u00${letter.charCodeAt(0).toString(16)}`).join("")
  const { ask, lines } = await startAnsweringAll(() => ({
    body: { id: "c1", name: "Odd", status: `${status.repeat(200)}${lines.length}` },
  }))
  for (let times = 0; times < 3; times++) await ask(`{ capsule(id: "c1") { a: status b: status } }`, {}, as(token))
  const logged = lines.filter(({ enum: name }) => name === "CapsuleStatus")
  expect(logged).toMatchObject([{ value: "[redacted]".repeat(10) }])
})

test("the first of several custom metadata fields with the same name is used", async () => {
  const { ask } = await startAnsweringAll(() => ({
    body: {
      ...JSON.parse(assetWith("1")),
      fields: [
        { name: { toString: 1 }, type: "date" },
        { name: "k", type: "number", units: "mm" },
        { name: "k", type: "string" },
      ],
    },
  }))
  const { data } = await ask(`{ dataAsset(id: "d1") { customMetadata { type units } } }`)
  expect(data.dataAsset.customMetadata).toEqual([{ type: "NUMBER", units: "mm" }])
})

test("a result whose inputs can't be read leaves the others in a lineage, which is marked as truncated", async () => {
  const result = (id: string, data_assets: unknown) => ({
    id,
    name: id,
    state: "ready",
    type: "result",
    provenance: { data_assets },
  })
  const { ask } = await startFaultyUpstream(({ path, body }) => ({
    body: path.endsWith("search")
      ? { results: body.includes("result") ? [result("odd", 5), result("made", ["d1"])] : [] }
      : { id: "d1", name: "d1", state: "ready", type: "dataset" },
  })).then(({ url }) => startGatewayOn(url))
  const { data, errors } = await ask(
    `{ dataAsset(id: "d1") { lineage(direction: DOWN) { truncated nodes { nodeId } } } }`,
  )
  expect(errors).toBeUndefined()
  expect(data.dataAsset.lineage).toEqual({ truncated: true, nodes: [{ nodeId: "d1" }, { nodeId: "made" }] })
})
