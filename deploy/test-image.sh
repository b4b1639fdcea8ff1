#!/usr/bin/env bash
# Builds the image, and checks it while it runs: as an unprivileged user, on a read-only file system, without capabilities, and
# with the sandbox as Code Ocean. Ends with "The image is as expected", or at the first check that fails.
#
#   deploy/test-image.sh
#
# Needs bash 4.4, docker, or podman with DOCKER=podman, and node for reading JSON. The build fetches node:26-slim and npm packages.
# The containers have no network. BUILD_FLAGS and RUN_FLAGS are passed to build and run.
#
# LOCAL_BASE=true builds a replacement for node:26-slim from Debian's packages and the npm packages node and npm, for machines
# that reach no registry of images. It needs podman and mmdebstrap, and must run as root.
set -euo pipefail
cd "$(dirname "$0")/.."

docker=${DOCKER:-docker}
read -ra build_flags <<<"${BUILD_FLAGS:-}"
read -ra run_flags <<<"${RUN_FLAGS:-}"
max_megabytes=270 # of a million bytes, as docker counts them
image=codeocean-gateway:test
sandbox_image=codeocean-sandbox:test
gateway=codeocean-gateway-test-$$
sandbox=codeocean-sandbox-test-$$
work=$(mktemp -d)
trap 'for container in "$gateway" "$sandbox"; do "$docker" rm --force "$container" >/dev/null 2>&1 || true; done; rm -rf "$work"' EXIT

fail() {
  echo "FAILED: $1" >&2
  "$docker" logs "$gateway" 2>/dev/null | tail -5 >&2 || true
  exit 1
}

passed() { echo "ok: $1"; }

# Runs a script from standard input in the sandbox's container, which shares its network with the gateway's.
client() { "$docker" exec --interactive "$sandbox" node --input-type=module -; }

build_local_base() {
  mmdebstrap --quiet --variant=minbase --include=libatomic1,libstdc++6 bookworm "$work/debian.tar"
  npm install --loglevel=error --prefix "$work/npm" node@26 npm@11
  cp -L "$work/npm/node_modules/node/bin/node" "$work/node"
  cp "${NODE_EXTRA_CA_CERTS:-/dev/null}" "$work/authorities.pem"
  cat >"$work/Dockerfile" <<'END'
FROM scratch
ADD debian.tar /
COPY node /usr/local/bin/node
COPY npm/node_modules/npm /usr/local/lib/node_modules/npm
COPY authorities.pem /usr/local/share/authorities.pem
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm \
  && groupadd --gid 1000 node && useradd --uid 1000 --gid node --create-home node
ENV NODE_EXTRA_CA_CERTS=/usr/local/share/authorities.pem
END
  podman build --quiet "${build_flags[@]}" --format docker --tag docker.io/library/node:26-slim "$work"
  build_flags+=(--pull-never)
}

[ "${LOCAL_BASE:-false}" = true ] && build_local_base
# Podman's own format has no health check.
[ "$(basename "$docker")" = podman ] && build_flags+=(--format docker)
"$docker" build "${build_flags[@]}" --tag "$image" .
"$docker" build "${build_flags[@]}" --tag "$sandbox_image" --target sandbox .

bytes=$("$docker" image inspect --format '{{.Size}}' "$image")
[ "$bytes" -le $((max_megabytes * 1000000)) ] || fail "the image has $bytes bytes, more than $max_megabytes MB"
passed "the image has $((bytes / 1000000)) MB"

"$docker" run --detach --name "$sandbox" "${run_flags[@]}" --network none --env SANDBOX_LATENCY_MS=500 "$sandbox_image" >/dev/null
# With everything that is loaded only if a setting asks for it. There is no Redis and no collector, and the gateway works without.
"$docker" run --detach --name "$gateway" "${run_flags[@]}" --network "container:$sandbox" \
  --read-only --cap-drop all --security-opt no-new-privileges \
  --env CODEOCEAN_URL=http://127.0.0.1:4100 --env GRAPHIQL=true --env METRICS_PORT=9464 \
  --env EXPLORER=true --env SESSION_SECRETS=0123456789abcdefghijklmnopqrstuvwxyz \
  --env REDIS_URL=redis://127.0.0.1:6379 --env OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 "$image" >/dev/null

# The list goes to a file, because grep -q would end before tar has written everything.
"$docker" export "$gateway" | tar --list >"$work/files"
for unwanted in 'bin/([bd]a)?sh$' '(bin|node_modules)/(npm|corepack|yarn|apt-get|dpkg)' '\.map$' '\.d\.[cm]?ts$' \
  'node_modules/(typescript|vitest|@types|@codemirror|playwright-core)/' '^app/(test|bench|sandbox|docs|explorer/(src|node_modules))/'; do
  ! grep -E "$unwanted" "$work/files" >"$work/found" || fail "the image contains $(head -1 "$work/found")"
done
grep -q '^var/lib/dpkg/status.d/libc6$' "$work/files" || fail "the image has no record of libc6 for vulnerability scanners"
passed "it contains no shell, no package manager, and nothing that is only for development"

client <<'END' || fail "the gateway is not healthy or not ready"
const get = (path) => fetch(`http://127.0.0.1:4000${path}`)
const deadline = Date.now() + 60_000
while (true) {
  const health = await get("/health").catch(() => undefined)
  if (health?.status === 200) break
  if (Date.now() > deadline) throw new Error("it does not start")
  await new Promise((resolve) => setTimeout(resolve, 50))
}
const ready = await get("/ready")
if (ready.status !== 200) throw new Error(await ready.text())
const metrics = await fetch("http://127.0.0.1:9464/metrics")
if (!(await metrics.text()).includes("\ngateway_info{")) throw new Error("there are no metrics")
END
passed "/health and /ready respond with 200, and there are metrics"

"$docker" exec --interactive "$gateway" node --input-type=module - <<'END' || fail "the process has more rights than it should"
import assert from "node:assert"
import { readFileSync, writeFileSync } from "node:fs"
const status = readFileSync("/proc/1/status", "utf8")
assert.match(status, /^Uid:\t1000\t1000\t1000\t1000$/m)
assert.match(status, /^Gid:\t1000\t1000\t1000\t1000$/m)
for (const set of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]) assert.match(status, new RegExp(`^${set}:\t0+$`, "m"))
assert.match(status, /^NoNewPrivs:\t1$/m)
for (const path of ["/file", "/app/file", "/app/node_modules/.cache/file"]) {
  assert.throws(() => writeFileSync(path, ""), { code: "EROFS" })
}
END
passed "it runs as user 1000 without capabilities, and cannot write to any file"

client <<'END' || fail "a query has a wrong response"
import assert from "node:assert"
const response = await fetch("http://127.0.0.1:4000/graphql", {
  method: "POST",
  headers: { "content-type": "application/json", authorization: "Bearer cop_demo_ada" },
  body: JSON.stringify({ query: "{ searchCapsules(first: 2) { nodes { id name computations(first: 1) { nodes { id } } } } }" }),
})
assert.equal(response.status, 200)
const { data, errors } = await response.json()
assert.equal(errors, undefined)
assert.equal(data.searchCapsules.nodes.length, 2)
END
passed "a query is answered from the sandbox"

client <<'END' || fail "GraphiQL or the explorer is not complete"
import assert from "node:assert"
for (const path of ["/graphql", "/explorer/"]) {
  const page = await fetch(`http://127.0.0.1:4000${path}`, { headers: { accept: "text/html" } })
  assert.equal(page.status, 200)
  const addresses = [...(await page.text()).matchAll(/(?:src|href)="(?!data:)([^"]+)"/g)].map(([, address]) => address)
  assert(addresses.length >= 3, "the page names no files")
  for (const address of addresses) {
    const file = await fetch(new URL(address, page.url))
    assert.equal(file.status, 200, address)
    assert((await file.text()).length > 500, address)
  }
}
END
passed "the pages of GraphiQL and of the explorer have all their files"

"$docker" image inspect "$image" | node -e '
  const [image] = JSON.parse(require("fs").readFileSync(0))
  const { Test: [kind, ...command] } = image.Config.Healthcheck ?? image.Healthcheck ?? image.HealthCheck
  if (kind !== "CMD") throw new Error(kind)
  process.stdout.write(command.map((part) => `${part}\0`).join(""))' >"$work/health"
mapfile -d '' -t health <"$work/health"
"$docker" exec "$gateway" "${health[@]}" || fail "the health check fails"
passed "the health check of the image passes"

# The request waits for two calls of half a second when the signal arrives.
client >"$work/drained" <<'END' &
const response = fetch("http://127.0.0.1:4000/graphql", {
  method: "POST",
  headers: { "content-type": "application/json", authorization: "Bearer cop_demo_ada" },
  body: JSON.stringify({ query: "{ searchCapsules(first: 3) { nodes { computations(first: 1) { nodes { id } } } } }" }),
})
await fetch("http://127.0.0.1:4000/health")
console.log("in flight")
const { data, errors } = await (await response).json()
console.log(errors === undefined && data.searchCapsules.nodes.length === 3 ? "complete" : "incomplete")
END
client_job=$!
until grep -q "in flight" "$work/drained"; do
  kill -0 "$client_job" 2>/dev/null || fail "the last request was not sent"
  sleep 0.05
done
"$docker" stop --time 45 "$gateway" >/dev/null
wait "$client_job" || fail "the request in flight got no response"
grep -q "^complete" "$work/drained" || fail "the request in flight got $(tail -1 "$work/drained")"
[ "$("$docker" inspect --format '{{.State.ExitCode}}' "$gateway")" = 0 ] || fail "it did not exit with code 0"
"$docker" logs "$gateway" 2>&1 | grep -q '"finished":true,"msg":"stopped"' || fail "it stopped with requests unfinished"
passed "on SIGTERM it finishes the request in flight, and exits with code 0"

echo "The image is as expected."
