import { describe, expect, test } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { startAnswering, startFaultyUpstream } from "./support/faultyUpstream.ts"
import { callsOf, startGateway, startGatewayOn } from "./support/gateway.ts"
import { follow, pushedTime, untilLive } from "./support/live.ts"

const as = (token: string) => ({ authorization: `Bearer ${token}` })
const job = "jobId status started duration releaseCapsule { id } releaseVersion { majorVersion minorVersion doi } error"
const refusal = "... on MutationRefused { code message details requiredScope problems { message parameter } }"

const kinds = [
  {
    kind: "capsules",
    one: "capsule",
    mutation: "releaseCapsule",
    id: seed.cellCounter,
    token: tokens.ada,
    released: seed.releasedCellCounter,
    next: 3,
  },
  {
    kind: "pipelines",
    one: "pipeline",
    mutation: "releasePipeline",
    id: seed.imagingPipeline,
    token: tokens.grace,
    released: seed.imagingPipeline,
    next: 2,
  },
]

describe.each(kinds)("$mutation", ({ kind, one, mutation, id, token, released, next }) => {
  const path = `/${kind}/${id}/release`
  const payload = `${mutation.charAt(0).toUpperCase()}${mutation.slice(1)}Payload`
  const start = `mutation { it: ${mutation}(input: { id: "${id}" }) {
    __typename ... on ${payload} { release { ${job} } ${one} { id } } ${refusal}
  } }`

  test(`${mutation} starts a job by one call without a body, and the job ends with the new version`, async () => {
    const { ask, sandbox } = await startGateway()
    const started = await ask(start, {}, as(token))
    expect(started.errors).toBeUndefined()
    const { jobId } = started.data.it.release
    expect(started.data.it).toEqual({
      __typename: payload,
      release: {
        jobId: expect.any(String),
        status: "CREATED",
        started: null,
        duration: null,
        releaseCapsule: null,
        releaseVersion: null,
        error: null,
      },
      [one]: { id },
    })
    expect(callsOf(sandbox.requests)).toEqual({ [`POST ${path}`]: 1 })
    expect(sandbox.requests[0]?.body).toBeUndefined()

    sandbox.clock.advance(35)
    const done = await ask(`{ ${one}(id: "${id}") { release(jobId: "${jobId}") { ${job} } } }`, {}, as(token))
    expect(done.errors).toBeUndefined()
    expect(done.data[one].release).toEqual({
      jobId,
      status: "COMPLETED",
      started: expect.stringMatching(/Z$/),
      duration: 30,
      releaseCapsule: { id: released },
      releaseVersion: { majorVersion: next, minorVersion: 0, doi: null },
      error: null,
    })
    expect(callsOf(sandbox.requests)).toEqual({ [`POST ${path}`]: 1, [`GET ${path}/${jobId}`]: 1 })
  })

  test(`${mutation} lists the requirements that are not met as problems, and Code Ocean's flags as details`, async () => {
    const { ask, sandbox } = await startGateway()
    const flags = { missing_reproducible_run: true, git_out_of_sync: true, uncommitted_files: false }
    sandbox.failNext(`POST ${path}`, { status: 403, body: flags })
    const { data, errors } = await ask(start, {}, as(token))
    expect(errors).toBeUndefined()
    const messages = [
      `The ${one} has no completed reproducible run.`,
      `The ${one} is out of sync with its linked Git repository.`,
    ]
    expect(data.it).toEqual({
      __typename: "MutationRefused",
      code: "FORBIDDEN",
      message: messages.join(" "),
      details: flags,
      requiredScope: null,
      problems: messages.map((message) => ({ message, parameter: null })),
    })
  })

  test.each([
    [400, "never released", "BAD_USER_INPUT"],
    [403, "only the owner may", "FORBIDDEN"],
    [404, "not found", "NOT_FOUND"],
    [409, "a release is in progress", "CONFLICT"],
  ])(`${mutation} that is refused with %i has Code Ocean's message and no problems`, async (status, message, code) => {
    const { ask, sandbox } = await startGateway()
    sandbox.failNext(`POST ${path}`, { status, body: { message } })
    const { data, errors } = await ask(start, {}, as(token))
    expect(errors).toBeUndefined()
    expect(data.it).toMatchObject({ code, message, details: null, problems: [] })
  })

  test(`${mutation} by a token without the scope is refused, and names the scope`, async () => {
    const { ask, sandbox } = await startGateway()
    const { data } = await ask(start, {}, as(tokens.readOnly))
    expect(data.it).toMatchObject({ code: "FORBIDDEN", requiredScope: "Capsule write", problems: [] })
    expect(sandbox.requests).toHaveLength(1)
  })

  test.each([
    ["503", { status: 503 } as const],
    ["lost response", { afterwards: "reset" } as const],
    ["response cut short", { afterwards: "truncate" } as const],
  ])(`${mutation} that meets a %s is sent once, and says that it may have happened`, async (_what, failure) => {
    const { ask, sandbox } = await startGateway()
    sandbox.failNext(`POST ${path}`, failure)
    const { data, errors } = await ask(start, {}, as(token))
    expect(data.it).toBeNull()
    expect(errors?.[0]?.extensions).toMatchObject({
      outcomeUnknown: true,
      upstream: { endpoint: `POST /${kind}/{id}/release` },
    })
    expect(sandbox.requestsTo(`POST ${path}`)).toHaveLength(1)
  })
})

test("a second release while one is in progress is a CONFLICT", async () => {
  const { ask } = await startGateway()
  const release = (alias: string) =>
    `${alias}: releaseCapsule(input: { id: "${seed.cellCounter}" }) { __typename ${refusal} }`
  const { data } = await ask(`mutation { ${release("first")} ${release("second")} }`)
  expect(data.first).toEqual({ __typename: "ReleaseCapsulePayload" })
  expect(data.second).toMatchObject({ code: "CONFLICT", message: "a release of this capsule is in progress" })
})

describe("a refused release", () => {
  const refused = async (body: unknown) => {
    const { ask, sandbox } = await startGateway()
    sandbox.failNext("POST /capsules/*/release", { status: 403, body })
    const { data, errors } = await ask(
      `mutation { it: releaseCapsule(input: { id: "${seed.cellCounter}" }) { ${refusal} } }`,
    )
    expect(errors).toBeUndefined()
    return data.it
  }

  test("a refused release has a sentence for each requirement that Code Ocean documents", async () => {
    const flags = [
      "missing_reproducible_run",
      "uncommitted_files",
      "missing_metadata",
      "non_default_branch",
      "git_out_of_sync",
      "unreleased_pipeline_capsules",
      "missing_release_functionality",
      "invalid_app_panel",
      "unreleased_post_run_capsule",
    ]
    const { problems } = await refused(Object.fromEntries(flags.map((flag) => [flag, true])))
    expect(problems).toHaveLength(flags.length)
    for (const { message } of problems) expect(message).toMatch(/^The capsule [^`]+\.$/)
  })

  test("a refused release names a requirement that the gateway does not know by its flag", async () => {
    expect(await refused({ unsigned_commits: true, missing_metadata: "true" })).toMatchObject({
      message:
        "The capsule does not meet the requirement `unsigned_commits`. The capsule lacks metadata that a release requires.",
      details: { unsigned_commits: true, missing_metadata: "true" },
    })
  })

  test("a refused release keeps Code Ocean's message beside the flags", async () => {
    expect(await refused({ message: "not yet", missing_metadata: true })).toMatchObject({
      message: "not yet",
      problems: [{ message: "The capsule lacks metadata that a release requires." }],
    })
  })

  test.each([
    ["an empty object", {}],
    ["flags that are false", { missing_metadata: false, uncommitted_files: 0, git_out_of_sync: "" }],
    ["flags of other types", { missing_metadata: null, uncommitted_files: {}, git_out_of_sync: [true], a: 2 }],
    ["a list", ["missing_metadata"]],
    ["no JSON", "<html></html>"],
    ["nothing", undefined],
  ])("a refused release with %s in the body has no problems", async (_what, body) => {
    expect(await refused(body)).toMatchObject({
      code: "FORBIDDEN",
      message: "Code Ocean answered 403.",
      problems: [],
    })
  })

  test("a refused release with very many flags lists 100 of them, each shortened", async () => {
    const flags = Array.from({ length: 150 }, (_, index) => [`${index}${"x".repeat(90)}`, true])
    const { problems } = await refused(Object.fromEntries(flags))
    expect(problems).toHaveLength(100)
    const [{ message }] = (await refused({ ["y".repeat(5_000)]: true })).problems
    expect(message.length).toBeLessThan(200)
  })
})

describe("reading a release job", () => {
  const capsule = { id: "c1", created: 1, name: "One", status: "non_release", owner: "u1", slug: "1" }
  const done = { job_id: "j1", status: "completed", started: 1_700_000_000, duration: 42 }

  /** What the graph shows of a job that Code Ocean sends. */
  async function shown(wire: unknown, jobId = "j1", selection = job) {
    const upstream = await startAnswering({ "/capsules/c1": capsule, [`/capsules/c1/release/${jobId}`]: wire })
    const { ask } = startGatewayOn(upstream.url)
    return ask(`{ capsule(id: "c1") { name release(jobId: "${jobId}") { ${selection} } } }`)
  }

  test("a failed release job says why, and a canceled one that it was canceled", async () => {
    const { ask } = await startGateway()
    const { data, errors } = await ask(`{ capsule(id: "${seed.cellCounter}") {
      failed: release(jobId: "${seed.failedRelease}") { status error releaseVersion { doi } }
      canceled: release(jobId: "${seed.canceledRelease}") { status error duration }
    } }`)
    expect(errors).toBeUndefined()
    expect(data.capsule).toEqual({
      failed: { status: "FAILED", error: "the environment could not be built", releaseVersion: null },
      canceled: { status: "CANCELED", error: null, duration: 3 },
    })
  })

  test("a release job's release and its versions are read by a call of their own", async () => {
    const { ask, sandbox } = await startGateway()
    const { data } = await ask(`{ capsule(id: "${seed.cellCounter}") { release(jobId: "${seed.secondRelease}") {
      releaseCapsule { id name versions { majorVersion } } releaseVersion { majorVersion minorVersion doi releaseTime }
    } } }`)
    expect(data.capsule.release).toEqual({
      releaseCapsule: {
        id: seed.releasedCellCounter,
        name: "Cell Counter",
        versions: [{ majorVersion: 1 }, { majorVersion: 2 }],
      },
      releaseVersion: {
        majorVersion: 2,
        minorVersion: 1,
        doi: "10.5555/example.cellcounter.v2",
        releaseTime: "2025-07-01T00:00:00.000Z",
      },
    })
    expect(sandbox.requests).toHaveLength(2)
  })

  test("a release job that does not exist, or belongs to another capsule, is null without an error", async () => {
    const { ask } = await startGateway()
    const { data, errors } = await ask(`{
      a: capsule(id: "${seed.cellCounter}") { release(jobId: "none") { status } }
      b: capsule(id: "${seed.spikeSorting}") { release(jobId: "${seed.failedRelease}") { status } }
      c: capsule(id: "00000000-0000-4000-8000-000000000000") { release(jobId: "none") { status } }
    }`)
    expect(errors).toBeUndefined()
    expect(data).toEqual({ a: { release: null }, b: { release: null }, c: null })
  })

  test("the same release job twice costs one call, and two jobs cost two", async () => {
    const { ask, sandbox } = await startGateway()
    const { data } = await ask(`{ capsule(id: "${seed.cellCounter}") {
      a: release(jobId: "${seed.failedRelease}") { status }
      b: release(jobId: "${seed.failedRelease}") { error }
      c: release(jobId: "${seed.canceledRelease}") { status }
    } }`)
    expect(data.capsule.c).toEqual({ status: "CANCELED" })
    expect(sandbox.requests).toHaveLength(2)
  })

  test("a release job is read by a token that may only read, and not by one without the scope", async () => {
    const { ask } = await startGateway()
    const query = `{ capsule(id: "${seed.cellCounter}") { release(jobId: "${seed.failedRelease}") { status } } }`
    expect((await ask(query, {}, as(tokens.readOnly))).data.capsule.release).toEqual({ status: "FAILED" })
    const { data, errors } = await ask(query, {}, as(tokens.noCapsules))
    expect(data).toEqual({ capsule: null })
    expect(errors).toMatchObject([{ extensions: { code: "FORBIDDEN", requiredScope: "Capsule read" } }])
  })

  test.each([
    ["with a slash", "a/b"],
    ["of two dots", ".."],
    ["that is empty", ""],
    ["with a backslash", "a\\b"],
    ["of 300 characters", "x".repeat(300)],
  ])("a release job's id %s is BAD_USER_INPUT of its field alone", async (_what, jobId) => {
    const { ask, sandbox } = await startGateway()
    const { data, errors } = await ask(
      `query ($jobId: ID!) { capsule(id: "${seed.cellCounter}") { name release(jobId: $jobId) { status } } }`,
      { jobId },
    )
    expect(data).toEqual({ capsule: { name: "Cell Counter", release: null } })
    expect(errors).toMatchObject([{ path: ["capsule", "release"], extensions: { code: "BAD_USER_INPUT" } }])
    expect(callsOf(sandbox.requests)).toEqual({ [`GET /capsules/${seed.cellCounter}`]: 1 })
  })

  test("a release job's id that is a number, and texts in place of its numbers, are read", async () => {
    const wire = { ...done, job_id: 42, started: "1700000000", duration: "42", release_capsule: 7 }
    const { data, errors } = await shown(wire, "42")
    expect(errors).toBeUndefined()
    expect(data.capsule.release).toMatchObject({
      jobId: "42",
      started: "2023-11-14T22:13:20.000Z",
      duration: 42,
      releaseCapsule: { id: "7" },
    })
  })

  test.each(["absent", "null", "empty"])("a release job's optional fields are null if they are %s", async (how) => {
    const nothing = { absent: undefined, null: null, empty: "" }[how]
    const keys = ["started", "duration", "release_capsule", "release_version", "error"]
    const { data, errors } = await shown({ ...done, ...Object.fromEntries(keys.map((key) => [key, nothing])) })
    expect(errors).toBeUndefined()
    const { jobId, status, ...others } = data.capsule.release
    expect({ jobId, status }).toEqual({ jobId: "j1", status: "COMPLETED" })
    expect(new Set(Object.values(others))).toEqual(new Set([null]))
  })

  test("a release job's start at 0 is no time, and its unknown status is UNRECOGNIZED", async () => {
    const { data, errors } = await shown({ ...done, started: 0, status: "queued" }, "j1", "status started")
    expect(errors).toBeUndefined()
    expect(data.capsule.release).toEqual({ status: "UNRECOGNIZED", started: null })
  })

  test.each(["Completed", "COMPLETED"])("a release job's status is read in any case: %s", async (status) => {
    expect((await shown({ ...done, status })).data.capsule.release.status).toBe("COMPLETED")
  })

  test.each([
    ["without a status", { job_id: "j1" }, ["capsule", "release", "status"]],
    ["whose status is null", { job_id: "j1", status: null }, ["capsule", "release", "status"]],
    ["without an id", { status: "started" }, ["capsule", "release"]],
    ["of another id", { ...done, job_id: "j2" }, ["capsule", "release"]],
    ["that is a list", [done], ["capsule", "release"]],
    ["that is null", null, ["capsule", "release"]],
  ])("a release job %s is null with an error, and the capsule stays", async (_what, wire, path) => {
    const { data, errors } = await shown(wire)
    expect(data).toEqual({ capsule: { name: "One", release: null } })
    expect(errors).toMatchObject([{ path, extensions: { code: "UPSTREAM_INVALID_RESPONSE" } }])
  })

  test("a release job's unreadable values lose their own fields", async () => {
    const wire = { ...done, duration: "long", started: {}, release_capsule: "a/b", release_version: [], error: {} }
    const { data, errors } = await shown(wire)
    expect(data.capsule.release).toMatchObject({ jobId: "j1", status: "COMPLETED", duration: null, error: null })
    expect(errors?.map(({ path }) => path?.at(-1)).sort()).toEqual([
      "duration",
      "error",
      "releaseCapsule",
      "releaseVersion",
      "started",
    ])
  })
})

describe("the response to a release that was started", () => {
  const start = `mutation { it: releaseCapsule(input: { id: "${seed.cellCounter}" }) {
    ... on ReleaseCapsulePayload { release { jobId status } capsule { name } }
  } }`

  test("a numeric job id in the response to a release is read as text", async () => {
    const { ask, sandbox } = await startGateway()
    sandbox.failNext("POST /capsules/*/release", { status: 200, body: { job_id: 42, status: "created" } })
    expect((await ask(start)).data.it.release).toEqual({ jobId: "42", status: "CREATED" })
  })

  test.each([
    ["no body", undefined],
    ["no job id", { status: "created" }],
    ["a job id that is no part of a path", { job_id: "../x", status: "created" }],
    ["a list", []],
  ])(
    "a release whose response has %s says that it succeeded and could not be read, and is sent once",
    async (_what, body) => {
      const { ask, sandbox } = await startGateway()
      sandbox.failNext("POST /capsules/*/release", { status: 200, body })
      const { data, errors } = await ask(start)
      expect(data.it).toBeNull()
      expect(errors).toMatchObject([
        {
          message: expect.stringMatching(/^The change succeeded/),
          extensions: { code: "UPSTREAM_INVALID_RESPONSE" },
        },
      ])
      expect(sandbox.requestsTo("POST /capsules/*/release")).toHaveLength(1)
    },
  )
})

describe("the version of Code Ocean that release calls need", () => {
  const read = `{ capsule(id: "${seed.cellCounter}") { release(jobId: "${seed.failedRelease}") { status } } }`
  const start = `mutation { releaseCapsule(input: { id: "${seed.cellCounter}" }) { __typename } }`

  test.each([
    ["4.6.0", "4.8.0"],
    ["4.8.0", "4.8.0"],
    ["4.10.0", "4.10.0"],
    ["5.0.0", "5.0.0"],
  ])("release calls send with MIN_SERVER_VERSION=%s the version %s, and others the setting", async (setting, sent) => {
    const { ask, sandbox } = await startGateway({
      config: { minServerVersion: setting },
      sandbox: { version: "9.0.0" },
    })
    await ask(read)
    await ask(start)
    await ask(`{ capsule(id: "${seed.cellCounter}") { name } }`)
    expect(sandbox.requests.map(({ headers }) => headers["min-server-version"])).toEqual([sent, sent, setting])
  })

  test.each([
    ["reading a job", read],
    ["starting a release", start],
  ])("%s says on an older platform which version it requires, and others go on", async (_what, query) => {
    const { ask } = await startGateway({ sandbox: { version: "4.7.3" } })
    const { errors } = await ask(query)
    expect(errors).toMatchObject([
      {
        message:
          "this server's version is 4.7.3, the client needs 4.8.0 or newer (Requires Code Ocean 4.8.0 or later.)",
        extensions: { code: "UPSTREAM_INVALID_RESPONSE", upstream: { status: 412 } },
      },
    ])
    expect((await ask(`{ capsule(id: "${seed.cellCounter}") { name } }`)).errors).toBeUndefined()
  })
})

describe("following a release job", () => {
  async function startLive() {
    const time = pushedTime()
    const world = await startGateway({ clock: time })
    const url = await world.gateway.listen()
    const start = async () => {
      const { data } = await world.ask(
        `mutation { releaseCapsule(input: { id: "${seed.cellCounter}" }) { ... on ReleaseCapsulePayload { release { jobId } } } }`,
      )
      return data.releaseCapsule.release.jobId as string
    }
    return {
      ...world,
      time,
      start,
      pass(seconds: number) {
        world.sandbox.clock.advance(seconds)
        time.push(seconds)
      },
      follow: (query: string, headers?: Record<string, string>) => follow(url, query, headers),
    }
  }
  const followed = (jobId: string, more = "") =>
    `subscription { release(capsuleId: "${seed.cellCounter}", jobId: "${jobId}") { status ${more} } }`

  test("a release job is followed from status to status, and the stream completes after the final one", async () => {
    const { follow, start, pass, time, sandbox, gateway } = await startLive()
    const jobId = await start()
    const stream = await follow(followed(jobId, "releaseCapsule { versions { majorVersion } }"))
    expect(await stream.next()).toEqual({ data: { release: { status: "CREATED", releaseCapsule: null } } })
    expect(await time.waits()).toEqual([5])
    pass(6)
    expect((await stream.next())?.data.release.status).toBe("STARTED")
    expect(await time.waits()).toEqual([5])
    pass(30)
    const versions = [1, 2, 3].map((majorVersion) => ({ majorVersion }))
    expect(await stream.rest()).toEqual([{ data: { release: { status: "COMPLETED", releaseCapsule: { versions } } } }])
    expect(sandbox.requestsTo(`GET /capsules/*/release/${jobId}`)).toHaveLength(3)
    expect(gateway.stats).toMatchObject({ pollers: 0, listeners: 0 })
  })

  test.each([
    ["completed", `capsuleId: "${seed.cellCounter}", jobId: "${seed.secondRelease}"`, "COMPLETED"],
    ["failed", `capsuleId: "${seed.cellCounter}", jobId: "${seed.failedRelease}"`, "FAILED"],
    ["canceled", `capsuleId: "${seed.cellCounter}", jobId: "${seed.canceledRelease}"`, "CANCELED"],
    ["a pipeline's", `pipelineId: "${seed.imagingPipeline}", jobId: "${seed.imagingRelease}"`, "COMPLETED"],
  ])("a release job that is over gives one event for one call: %s", async (_which, args, status) => {
    const { follow, sandbox } = await startLive()
    const stream = await follow(`subscription { release(${args}) { status } }`)
    expect(await stream.rest()).toEqual([{ data: { release: { status } } }])
    expect(sandbox.requests).toHaveLength(1)
  })

  test("a release job is polled while its status is CANCELING or unknown", async () => {
    const statuses = ["canceling", "queued", "canceled"]
    const upstream = await startFaultyUpstream(() => ({ body: { job_id: "j1", status: statuses.shift() } }))
    const time = pushedTime()
    const { gateway } = startGatewayOn(upstream.url, { clock: time })
    const stream = await follow(
      await gateway.listen(),
      `subscription { release(pipelineId: "p1", jobId: "j1") { status } }`,
    )
    for (const status of ["CANCELING", "UNRECOGNIZED"]) {
      expect((await stream.next())?.data.release.status).toBe(status)
      await time.waits()
      time.push(5)
    }
    expect(await stream.rest()).toEqual([{ data: { release: { status: "CANCELED" } } }])
    expect(upstream.requests.map(({ path }) => path)).toEqual(Array(3).fill("/pipelines/p1/release/j1"))
  })

  test("a caller's subscriptions to one release job share their polls, and another caller's has its own", async () => {
    const { follow, start, pass, time, sandbox, gateway } = await startLive()
    const jobId = await start()
    const before = sandbox.requests.length
    const first = await follow(followed(jobId))
    await first.next()
    const second = await follow(followed(jobId))
    await second.next()
    expect(sandbox.requests).toHaveLength(before + 1)
    const other = await follow(followed(jobId), as(tokens.readOnly))
    await other.next()
    expect(gateway.stats).toMatchObject({ pollers: 2, listeners: 3 })
    first.leave()
    await untilLive(gateway, { listeners: 2 })
    await time.waits(2)
    pass(6)
    expect((await second.next())?.data.release.status).toBe("STARTED")
    expect((await other.next())?.data.release.status).toBe("STARTED")
    expect(sandbox.requests).toHaveLength(before + 4)
  })

  test("a release job is polled at the client's interval and up to its time limit", async () => {
    const { follow, start, pass, time } = await startLive()
    const args = `capsuleId: "${seed.cellCounter}", jobId: "${await start()}", pollingIntervalSeconds: 20, timeLimitSeconds: 25`
    const stream = await follow(`subscription { release(${args}) { status } }`)
    expect((await stream.next())?.data.release.status).toBe("CREATED")
    expect(await time.waits()).toEqual([20])
    pass(20)
    expect((await stream.next())?.data.release.status).toBe("STARTED")
    await time.waits()
    pass(20)
    const [event] = await stream.rest()
    expect(event?.errors?.[0]?.extensions.code).toBe("TIME_LIMIT_REACHED")
  })

  test("a release job is no longer polled when the client has left", async () => {
    const { follow, start, gateway } = await startLive()
    const stream = await follow(followed(await start()))
    await stream.next()
    stream.leave()
    await untilLive(gateway, { pollers: 0, listeners: 0 })
  })

  test("a release job that does not exist is null in a subscription, and the stream completes", async () => {
    const { follow, sandbox } = await startLive()
    expect(await (await follow(followed("none"))).rest()).toEqual([{ data: { release: null } }])
    expect(sandbox.requests).toHaveLength(1)
  })

  test("a release job is polled again after a temporary failure, and the error of a permanent one ends the stream", async () => {
    const { follow, start, pass, time, sandbox } = await startLive()
    const stream = await follow(followed(await start()))
    await stream.next()
    sandbox.failNext("GET /capsules/*/release/*", { status: 503 })
    await time.waits()
    pass(6)
    await time.waits()
    sandbox.failNext("GET /capsules/*/release/*", { status: 403, body: { message: "no longer" } })
    pass(8)
    const [event, ...more] = await stream.rest()
    expect(more).toEqual([])
    expect(event).toMatchObject({
      data: { release: null },
      errors: [{ message: "no longer", path: ["release"], extensions: { code: "FORBIDDEN" } }],
    })
  })

  test("a subscription to a release job on an older platform says which version it requires", async () => {
    const { gateway } = await startGateway({ sandbox: { version: "4.7.3" } })
    const stream = await follow(await gateway.listen(), followed(seed.failedRelease))
    const [event] = await stream.rest()
    expect(event?.errors?.[0]?.message).toContain("(Requires Code Ocean 4.8.0 or later.)")
  })

  test.each([
    ["neither a capsule nor a pipeline", 'jobId: "j"'],
    ["a capsule and a pipeline", 'capsuleId: "c", pipelineId: "p", jobId: "j"'],
    ["null for both", 'capsuleId: null, pipelineId: null, jobId: "j"'],
    ["a job id that cannot be part of a path", 'capsuleId: "c", jobId: "a/b"'],
    ["a capsule id that cannot be part of a path", 'capsuleId: "..", jobId: "j"'],
    ["an interval of a second", 'capsuleId: "c", jobId: "j", pollingIntervalSeconds: 1'],
  ])("a subscription to a release job with %s is BAD_USER_INPUT without a call", async (_what, args) => {
    const { follow, sandbox } = await startLive()
    const [event] = await (await follow(`subscription { release(${args}) { status } }`)).rest()
    expect(event?.errors).toMatchObject([{ extensions: { code: "BAD_USER_INPUT" } }])
    expect(sandbox.requests).toHaveLength(0)
  })
})
