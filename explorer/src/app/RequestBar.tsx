import { Anchor, Button, Code, Drawer, Group, Stack, Text, UnstyledButton } from "@mantine/core"
import { useState } from "react"
import { type SentRequest, useRequestLog } from "../data/requestLog.ts"
import { count } from "../parts/format.ts"
import { LinkIcon, WarningIcon } from "../parts/icons.tsx"
import { graphqlUrl, settings } from "./settings.ts"

/** The request of the page, what it cost, and the way to send it oneself. */
export function RequestBar() {
  const requests = useRequestLog()
  const [open, setOpen] = useState(false)
  // Of the last page: what was sent together with its query.
  const latest = requests.find(({ kind }) => kind !== "subscription") ?? requests[0]
  return (
    <footer className="bar">
      {latest !== undefined && (
        <>
          <span className="truncate">
            <strong>{latest.name}</strong>
          </span>
          <span className="number cost">
            <Cost of={latest} />
          </span>
          <Group gap="sm" wrap="nowrap">
            <UnstyledButton fz="xs" td="underline" onClick={() => setOpen(true)}>
              {count(requests.length, "request")}
            </UnstyledButton>
            {settings.graphiql && <OpenInGraphiql request={latest} />}
          </Group>
        </>
      )}
      <Drawer opened={open} onClose={() => setOpen(false)} position="bottom" size="70vh" title="Requests of this visit">
        <Stack gap="md">
          {requests.map((request) => (
            <section key={request.id}>
              <Group justify="space-between" mb={4}>
                <Text size="sm" fw={600}>
                  {request.name}{" "}
                  <Text component="span" size="xs" c="dimmed" fw={400}>
                    {request.kind}, <Cost of={request} />
                  </Text>
                </Text>
                {settings.graphiql && <OpenInGraphiql request={request} />}
              </Group>
              <Code block>
                {request.text}
                {Object.keys(request.variables).length > 0 && `\n\n${JSON.stringify(request.variables, null, 2)}`}
              </Code>
            </section>
          ))}
        </Stack>
        <Button variant="default" mt="md" onClick={() => setOpen(false)}>
          Close
        </Button>
      </Drawer>
    </footer>
  )
}

/** In narrow windows, what everyone guesses is only read aloud, so that there is room for the name. */
function Cost({ of: { kind, milliseconds, calls, failed } }: { of: SentRequest }) {
  if (milliseconds === undefined) return kind === "subscription" ? "waiting for events" : "waiting…"
  return (
    <>
      {failed && (
        <>
          <span className="outcome" style={{ color: "var(--bad)", verticalAlign: "text-bottom" }} title="With errors">
            <WarningIcon width="14" height="14" />
            <span className="wide-text">with errors</span>
          </span>
          <span className="wide-text"> · </span>
        </>
      )}
      {calls !== undefined && (
        <>
          {calls.toLocaleString("en")} <span className="wide-text">REST </span>
          {calls === 1 ? "call" : "calls"} ·{" "}
        </>
      )}
      {Math.round(milliseconds).toLocaleString("en")} ms
    </>
  )
}

function OpenInGraphiql({ request }: { request: SentRequest }) {
  const parameters = new URLSearchParams({ query: request.text })
  if (Object.keys(request.variables).length > 0) parameters.set("variables", JSON.stringify(request.variables))
  return (
    <Anchor href={`${graphqlUrl}?${parameters}`} target="_blank" rel="noreferrer" size="xs" className="outcome">
      <span className="wide-text">Open in GraphiQL</span>
      <LinkIcon width="12" height="12" />
    </Anchor>
  )
}
