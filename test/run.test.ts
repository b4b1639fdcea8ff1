import { describe, expect, test } from "vitest"
import { seed } from "../sandbox/seed.ts"
import { startGateway } from "./support/gateway.ts"

const runCapsule = `mutation ($input: RunCapsuleInput!) {
  runCapsule(input: $input) {
    __typename
    ... on RunCapsulePayload { computation { id name state runnable { id name } parameters { paramName value } dataAssets { dataAssetId mount } } }
    ... on MutationRefused { code message details problems { parameter process message } }
  }
}`
const runPipeline = `mutation ($input: RunPipelineInput!) {
  runPipeline(input: $input) {
    __typename
    ... on RunPipelinePayload { computation { id state runnable { __typename id } } }
    ... on MutationRefused { code message details problems { parameter process message } }
  }
}`

const capsuleId = seed.cellCounter
const pipelineId = seed.ecephysPipeline

describe("running a capsule", () => {
  test("running a capsule starts a run with its parameters and data assets, and the run knows its capsule", async () => {
    const { ask, sandbox } = await startGateway()
    const { data, errors } = await ask(runCapsule, {
      input: {
        capsuleId,
        namedParameters: [{ paramName: "stain", value: "NeuN" }],
        dataAssets: [{ id: seed.mouseRecording, mount: "recording" }],
      },
    })
    expect(errors).toBeUndefined()
    expect(data.runCapsule.computation).toMatchObject({
      state: "INITIALIZING",
      runnable: { id: capsuleId, name: "Cell Counter" },
    })
    expect(sandbox.requestsTo("POST /computations")[0]?.body).toEqual({
      capsule_id: capsuleId,
      named_parameters: [{ param_name: "stain", value: "NeuN" }],
      data_assets: [{ id: seed.mouseRecording, mount: "recording" }],
    })
    const listed = await ask(`{ capsule(id: "${capsuleId}") { computations(first: 1) { nodes { id } } } }`)
    expect(listed.data.capsule.computations.nodes).toEqual([{ id: data.runCapsule.computation.id }])
  })

  test("running a capsule checks the parameters against the panel with one more call, or with none if that is disabled", async () => {
    const { ask, sandbox } = await startGateway()
    await ask(runCapsule, { input: { capsuleId } })
    expect(sandbox.requestsTo("GET /capsules/*/app_panel")).toHaveLength(1)
    await ask(runCapsule, { input: { capsuleId, checkParameters: false } })
    expect(sandbox.requestsTo("GET /capsules/*/app_panel")).toHaveLength(1)
    expect(sandbox.requestsTo("POST /computations")).toHaveLength(2)
  })

  test("running a capsule without a panel checks no parameters", async () => {
    const { ask, sandbox } = await startGateway()
    await ask(runCapsule, { input: { capsuleId: seed.oldForms, parameters: ["1"] } })
    expect(sandbox.requestsTo("POST /computations")).toHaveLength(1)
  })

  test("a run whose response is lost is sent once, and its outcome is unknown", async () => {
    const { ask, sandbox } = await startGateway()
    sandbox.failNext("POST /computations", { afterwards: "reset" })
    const { errors } = await ask(runCapsule, { input: { capsuleId } })
    expect(errors?.[0]?.message).toContain("unknown whether the change happened")
    expect(sandbox.requestsTo("POST /computations")).toHaveLength(1)
  })

  test.each([
    [
      "a value of 4,097 characters",
      { namedParameters: [{ paramName: "trace", value: "x".repeat(4097) }] },
      /`input.namedParameters\[0\].value` has at most 4096 characters. This one has 4097/,
    ],
    ["a data asset twice", { dataAssets: [{ id: seed.cellImages }, { id: seed.cellImages }] }, /more than once/],
  ])("a run with %s is an error before anything is sent", async (_name, input, sentence) => {
    const { ask, sandbox } = await startGateway()
    const { errors } = await ask(runCapsule, { input: { capsuleId, ...input } })
    expect(errors?.[0]?.message).toMatch(sentence)
    expect(errors?.[0]?.extensions.code).toBe("BAD_USER_INPUT")
    expect(sandbox.requestsTo("POST /computations")).toHaveLength(0)
  })

  test.each([
    [
      "an unknown name",
      { namedParameters: [{ paramName: "colour", value: "red" }] },
      /"colour".*not in the app panel.*"stain"/,
    ],
    [
      "a name given twice",
      { namedParameters: ["DAPI", "NeuN"].map((value) => ({ paramName: "stain", value })) },
      /"stain".*twice/,
    ],
    [
      "a value below the minimum",
      { namedParameters: [{ paramName: "threshold", value: "-0.1" }] },
      /"threshold".*at least 0/,
    ],
    [
      "a value above the maximum",
      { namedParameters: [{ paramName: "threshold", value: "1" }] },
      /"threshold".*at most 0.95/,
    ],
    [
      "a value that is no number",
      { namedParameters: [{ paramName: "threshold", value: "high" }] },
      /"threshold".*number/,
    ],
    [
      "a value that doesn't match the pattern",
      { namedParameters: [{ paramName: "sample", value: "ab12" }] },
      /"sample".*pattern/,
    ],
    [
      "a value that is no option",
      { namedParameters: [{ paramName: "stain", value: "Nissl" }] },
      /"stain".*"DAPI", "Hoechst", "NeuN"/,
    ],
    ["an ordered value that is no option", { parameters: ["Nissl"] }, /"stain".*"DAPI"/],
    [
      "more ordered values than parameters",
      { parameters: ["DAPI", "", "", "", "", "x"] },
      /6 ordered parameters.*has 5/,
    ],
  ])("a run with %s is refused as data before anything is sent", async (_name, input, sentence) => {
    const { ask, sandbox } = await startGateway()
    const { data, errors } = await ask(runCapsule, { input: { capsuleId, ...input } })
    expect(errors).toBeUndefined()
    expect(data.runCapsule).toMatchObject({
      __typename: "MutationRefused",
      code: "BAD_USER_INPUT",
      message: expect.stringMatching(sentence),
      problems: [{ process: null, message: expect.stringMatching(sentence) }],
    })
    expect(sandbox.requestsTo("POST /computations")).toHaveLength(0)
  })

  test("a run with values at the limits of the panel is sent", async () => {
    const { ask, sandbox } = await startGateway()
    for (const value of ["0", "0.95", " 0.5 "]) {
      await ask(runCapsule, { input: { capsuleId, namedParameters: [{ paramName: "threshold", value }] } })
    }
    expect(sandbox.requestsTo("POST /computations")).toHaveLength(3)
  })

  test("a run of a capsule that the caller may not see is refused as data", async () => {
    const { ask } = await startGateway()
    const { data } = await ask(runCapsule, { input: { capsuleId: seed.graceNotebook } })
    expect(data.runCapsule).toMatchObject({ __typename: "MutationRefused", code: "NOT_FOUND" })
  })
})

describe("running a pipeline", () => {
  test("running a pipeline starts a run with values for its processes", async () => {
    const { ask, sandbox } = await startGateway()
    const { data, errors } = await ask(runPipeline, {
      input: {
        pipelineId,
        nextflowProfile: "standard",
        processes: [{ name: "capsule_drift_correction_1", namedParameters: [{ paramName: "window", value: "60" }] }],
      },
    })
    expect(errors).toBeUndefined()
    expect(data.runPipeline.computation).toMatchObject({ runnable: { __typename: "Pipeline", id: pipelineId } })
    expect(sandbox.requestsTo("POST /computations")[0]?.body).toEqual({
      pipeline_id: pipelineId,
      nextflow_profile: "standard",
      processes: [{ name: "capsule_drift_correction_1", named_parameters: [{ param_name: "window", value: "60" }] }],
    })
  })

  test.each([
    ["ordered parameters, which Code Ocean would ignore", { parameters: ["kilosort"] }, /kilosort.*`namedParameters`/],
    ["an unknown process", { processes: [{ name: "nothing" }] }, /no process "nothing".*Its processes/],
    ["a process twice", { processes: [{ name: "x" }, { name: "x" }] }, /"x" is given twice/],
  ])("a pipeline's run with %s is refused as data before anything is sent", async (_name, input, sentence) => {
    const { ask, sandbox } = await startGateway()
    const { data } = await ask(runPipeline, { input: { pipelineId, ...input } })
    expect(data.runPipeline).toMatchObject({ code: "BAD_USER_INPUT", message: expect.stringMatching(sentence) })
    expect(sandbox.requestsTo("POST /computations")).toHaveLength(0)
  })
})

describe("a panel that would harm the gateway", () => {
  test("a panel with patterns that can't be checked safely leaves its values to Code Ocean", async () => {
    const { ask, sandbox } = await startGateway()
    sandbox.failNext("GET /capsules/*/app_panel", {
      status: 200,
      body: {
        parameters: [
          { name: "A", type: "text", param_name: "a", pattern: "^(?=b)a" },
          { name: "B", param_name: "b", pattern: "(" },
        ],
      },
    })
    const namedParameters = [
      { paramName: "a", value: `${"a".repeat(4000)}b` },
      { paramName: "b", value: "x" },
    ]
    const { errors } = await ask(runCapsule, { input: { capsuleId, namedParameters } })
    expect(errors).toBeUndefined()
    expect(sandbox.requestsTo("POST /computations")).toHaveLength(1)
  })

  test("a required parameter without default must have a value, in a process too", async () => {
    const { ask, sandbox } = await startGateway()
    const parameters = [{ name: "Subject", param_name: "subject", type: "text", required: true }]
    sandbox.failNext("GET /capsules/*/app_panel", { status: 200, body: { parameters } })
    const ofCapsule = await ask(runCapsule, { input: { capsuleId } })
    expect(ofCapsule.data.runCapsule.message).toMatch(/"subject" is required/)
    sandbox.failNext("GET /pipelines/*/app_panel", {
      status: 200,
      body: { processes: [{ name: "first", parameters }] },
    })
    const ofPipeline = await ask(runPipeline, { input: { pipelineId } })
    expect(ofPipeline.data.runPipeline.problems).toEqual([
      {
        parameter: "subject",
        process: "first",
        message: 'Parameter "subject" of process "first" is required and has no default. Give it a value.',
      },
    ])
    expect(sandbox.requestsTo("POST /computations")).toHaveLength(0)
  })
})

describe("the check of a run's values", () => {
  async function problemsOf(panel: object, input: object): Promise<string[]> {
    const { ask, sandbox } = await startGateway()
    sandbox.failNext("GET /capsules/*/app_panel", { status: 200, body: panel })
    const { data, errors } = await ask(runCapsule, { input: { capsuleId, ...input } })
    expect(errors).toBeUndefined()
    expect(sandbox.requestsTo("POST /computations")).toHaveLength(data.runCapsule.problems === undefined ? 1 : 0)
    return (data.runCapsule.problems ?? []).map(({ message }: { message: string }) => message)
  }
  const named = (values: Record<string, string>) => ({
    namedParameters: Object.entries(values).map(([paramName, value]) => ({ paramName, value })),
  })

  test("all problems of a run are reported at once", async () => {
    const parameters = [
      { name: "Depth", param_name: "depth", maximum: 3 },
      { name: "Subject", param_name: "subject", required: true },
    ]
    const input = {
      namedParameters: [...named({ depth: "4", colour: "red" }).namedParameters, { paramName: "colour", value: "" }],
    }
    expect(await problemsOf({ parameters }, input)).toEqual([
      'Parameter "colour" is given twice. Give each once.',
      'Parameter "colour" is not in the app panel. Its named parameters: "depth", "subject".',
      'Parameter "depth" must be at most 3, not "4".',
      'Parameter "subject" is required and has no default. Give it a value.',
    ])
  })

  test("a hundred problems are reported and no more", async () => {
    const unknown = Array.from({ length: 300 }, (_, n) => ({ paramName: `p${n}`, value: "x" }))
    expect(await problemsOf({ parameters: [] }, { namedParameters: unknown })).toHaveLength(100)
    // Each given twice, and unknown too.
    const twice = [...unknown.slice(0, 70), ...unknown.slice(0, 70)]
    expect(await problemsOf({ parameters: [] }, { namedParameters: twice })).toHaveLength(100)
  })

  test.each([
    [{ value_type: "integer" }, "2.5", "must be an integer"],
    [{ value_type: "Integer" }, "high", "must be an integer"],
    [{ value_type: "number" }, "high", "must be a number"],
    [{ minimum: "2" }, "1", "must be at least 2"],
    [{ value_options: [1, 2.5, true] }, "3", `can't be "3". Its values: "1", "2.5", "true".`],
  ])("a panel's %j refuses the value %s", async (constraint, value, problem) => {
    const parameters = [{ name: "P", param_name: "p", ...constraint }]
    expect(await problemsOf({ parameters }, named({ p: value }))).toEqual([expect.stringContaining(problem)])
  })

  test.each([
    [{ value_type: "integer" }, "12345678901234567890"],
    [{ value_type: "integer" }, " 7 "],
    [{ value_type: "integer", default_value: "all" }, "all"],
    [{ value_type: "number" }, "1e3"],
    [{ value_options: [1, 2.5, true] }, "true"],
    [{ required: "false" }, ""],
    [{ required: true, default_value: 0 }, ""],
  ])("a panel's %j takes the value %s", async (constraint, value) => {
    const parameters = [{ name: "P", param_name: "p", ...constraint }]
    expect(await problemsOf({ parameters }, named({ p: value }))).toEqual([])
  })

  test.each<[string, object]>([
    ["a null parameter", { parameters: [null] }],
    ["a null before a parameter", { parameters: [null, { param_name: "q" }] }],
    ["a parameter that is a string", { parameters: ["p"] }],
    ["a parameter whose name is an object", { parameters: [{ param_name: {} }] }],
    ["an object for the list of parameters", { parameters: { name: "P", param_name: "p" } }],
    ["a number for the list of parameters", { parameters: 7 }],
    [
      "a limit that is an object",
      { parameters: [{ param_name: "p", minimum: {}, maximum: [], pattern: [], value_options: 3 }] },
    ],
    ["an unreadable flag", { parameters: [{ param_name: "p" }, { param_name: "q", required: "perhaps" }] }],
    ["a null process", { parameters: [{ param_name: "p" }], processes: [null, 3, { name: {}, parameters: 1 }] }],
  ])("a panel with %s does not stop the run", async (_what, panel) => {
    expect(await problemsOf(panel, named({ p: "x" }))).toEqual([])
  })
})

describe("a run", () => {
  test("a run is renamed", async () => {
    const { ask } = await startGateway()
    const { data } = await ask(`mutation {
      renameComputation(input: {id: "${seed.countedCells}", name: "The final count"}) { ... on RenameComputationPayload { computation { name } } }
    }`)
    expect(data.renameComputation.computation.name).toBe("The final count")
  })

  test("a run can't get an empty name", async () => {
    const { ask, sandbox } = await startGateway()
    const { errors } = await ask(
      `mutation { renameComputation(input: {id: "${seed.countedCells}", name: " "}) { __typename } }`,
    )
    expect(errors?.[0]?.extensions.code).toBe("BAD_USER_INPUT")
    expect(sandbox.requests).toHaveLength(0)
  })

  test("a run is deleted permanently", async () => {
    const { ask } = await startGateway()
    const { data } = await ask(`mutation {
      deleteComputation(input: {id: "${seed.countedCells}"}) { ... on DeleteComputationPayload { deletedComputationId } }
    }`)
    expect(data.deleteComputation.deletedComputationId).toBe(seed.countedCells)
    expect((await ask(`{ computation(id: "${seed.countedCells}") { id } }`)).data).toEqual({ computation: null })
  })
})
