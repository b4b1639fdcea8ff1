# Node 26 runs the TypeScript sources as they are, so there is nothing to build: the first stage only fetches packages.
FROM node:26-slim AS packages
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts

FROM node:26-slim
WORKDIR /app
ENV NODE_ENV=production HOST=0.0.0.0
COPY package.json ./
COPY --from=packages /app/node_modules ./node_modules
COPY src ./src
# One start and stop, not as root: Node keeps what it compiled, for this user, and a container's first start finds it, on a
# read-only file system too.
RUN mkdir -p node_modules/.cache && chown node node_modules/.cache
USER node
RUN CODEOCEAN_URL=http://localhost timeout --preserve-status 5 node --max-semi-space-size=128 src/main.ts
EXPOSE 4000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT || 4000}/health`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "--max-semi-space-size=128", "src/main.ts"]
