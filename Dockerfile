# Node 26 runs the TypeScript sources as they are, so there is nothing to compile. The last stage contains only what runs:
# Node, the libraries that it loads, and the gateway. It has no shell and no package manager.

FROM node:26-slim AS packages
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --omit=peer --ignore-scripts
# The GraphiQL page consists of these files. The packages that they were made from are not used.
RUN mkdir /page \
  && cp --parents node_modules/graphiql/package.json node_modules/graphiql/LICENSE node_modules/graphiql/graphiql.min.js \
    node_modules/graphiql/graphiql.min.css node_modules/react/package.json node_modules/react/LICENSE \
    node_modules/react/umd/react.production.min.js node_modules/react-dom/package.json node_modules/react-dom/LICENSE \
    node_modules/react-dom/umd/react-dom.production.min.js node_modules/@graphiql/plugin-explorer/package.json \
    node_modules/@graphiql/plugin-explorer/dist/index.umd.js node_modules/@graphiql/plugin-explorer/dist/style.css \
    node_modules/@graphiql/plugin-explorer/node_modules/graphiql-explorer/LICENSE /page \
  && npm uninstall --offline --ignore-scripts --omit=dev --omit=peer \
    @graphiql/plugin-explorer graphiql react react-dom typescript \
  && cp -R /page/node_modules . \
  && find node_modules -type f \( -name '*.d.?ts' -o -name '*.d.ts' -o -name '*.map' \) -delete \
  && find node_modules -type d -empty -delete

# The explorer, as files for browsers. Nothing else of this stage is kept.
FROM node:26-slim AS explorer
WORKDIR /app/explorer
COPY explorer/package.json explorer/package-lock.json ./
RUN npm ci --ignore-scripts
COPY schema.graphql /app/
COPY explorer ./
RUN npm run build

# The sandbox needs no packages: docker build --target sandbox.
FROM node:26-slim AS sandbox
WORKDIR /app
ENV SANDBOX_HOST=0.0.0.0
COPY package.json ./
COPY sandbox ./sandbox
USER node
EXPOSE 4100
STOPSIGNAL SIGTERM
CMD ["node", "sandbox/main.ts"]

# Node with its shared libraries, and Debian's records of their packages for vulnerability scanners.
FROM node:26-slim AS runtime
RUN node=$(command -v node) && libraries=$(ldd "$node" | grep -o '/[^ ]*') \
  && mkdir -p /runtime/tmp /runtime/var/lib/dpkg/status.d && chmod 1777 /runtime/tmp \
  && cp --parents -L "$node" $libraries /etc/passwd /etc/group /etc/os-release /runtime \
  && echo 'hosts: files dns' > /runtime/etc/nsswitch.conf \
  && for library in $libraries; do dpkg-query --search "$library" "/usr$library" 2>/dev/null; done \
  | grep -v '^diversion' | cut -d: -f1 | sort -u \
  | while read -r package; do dpkg-query --status "$package" > "/runtime/var/lib/dpkg/status.d/$package" \
    && cp --parents -L "/usr/share/doc/$package/copyright" /runtime || exit 1; done

FROM node:26-slim AS app
WORKDIR /app
ENV NODE_ENV=production NODE_COMPILE_CACHE=/app/node_modules/.cache/compiled
COPY package.json ./
COPY --from=packages /app/node_modules ./node_modules
COPY src ./src
COPY --from=explorer /app/explorer/dist ./explorer/dist
# One start and stop, not as root: Node keeps what it compiled, for this user, and a container's first start finds it, on a
# read-only file system too.
RUN mkdir -p node_modules/.cache && chown node node_modules/.cache
USER node
RUN CODEOCEAN_URL=http://localhost PORT=0 METRICS_PORT=0 MCP=true REDIS_URL=redis://localhost \
  timeout --preserve-status 5 node --max-semi-space-size=128 src/main.ts && chmod -R a+rX node_modules/.cache

FROM scratch
COPY --from=runtime /runtime /
WORKDIR /app
COPY --from=app /app ./
ENV PATH=/usr/local/bin NODE_ENV=production HOST=0.0.0.0 NODE_COMPILE_CACHE=/app/node_modules/.cache/compiled
# The user node. Kubernetes needs the number to check that it is not root.
USER 1000:1000
EXPOSE 4000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT || 4000}/health`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "--max-semi-space-size=128", "--no-allocation-site-pretenuring", "src/main.ts"]
