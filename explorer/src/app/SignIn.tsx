import { Alert, Anchor, Button, PasswordInput, Stack, Text, Title } from "@mantine/core"
import { type FormEvent, type ReactNode, useState } from "react"
import { Dialog } from "../parts/Dialog.tsx"
import { WarningIcon, WaveIcon } from "../parts/icons.tsx"
import { useTabTitle } from "../parts/PageTitle.tsx"
import { continueWith, type Session, signIn } from "./session.ts"
import { codeoceanPage, settings } from "./settings.ts"

/** The first page of a visitor. The address stays, so the page that was asked for opens afterwards. */
export function SignInPage() {
  useTabTitle("Sign in")
  return (
    <main className="sign-in">
      <Stack gap="lg" w="100%" maw={400}>
        <div>
          <WaveIcon width="36" height="36" style={{ color: "var(--mantine-color-anchor)" }} />
          <Title order={1} mt="xs">
            Code Ocean explorer
          </Title>
          <Text c="dimmed" size="md" mt={4}>
            Capsules, pipelines, runs and data assets, as your access token sees them.
          </Text>
        </div>
        <SignInForm />
      </Stack>
    </main>
  )
}

/**
 * Over the page whose session has ended. What was typed there is kept.
 * @param other a session that began in another tab, maybe of another user
 */
export function SignInDialog({ other }: { other: Session | undefined }) {
  return (
    <Dialog
      opened
      onClose={() => {}}
      withCloseButton={false}
      closeOnEscape={false}
      closeOnClickOutside={false}
      title="Your session has ended"
      centered
    >
      <Text size="sm" mb="md">
        Sign in again to go on. Nothing on this page is lost.
      </Text>
      {other !== undefined && (
        <Alert variant="light" color="gray" p="xs" mb="md" title="You have signed in in another tab">
          <Button size="xs" variant="default" onClick={() => continueWith(other)}>
            Go on with that session
          </Button>
        </Alert>
      )}
      <SignInForm />
    </Dialog>
  )
}

function SignInForm() {
  const [token, setToken] = useState(settings.token ?? "")
  const [problem, setProblem] = useState<string>()
  const [busy, setBusy] = useState(false)

  async function submit(event: FormEvent) {
    event.preventDefault()
    setBusy(true)
    setProblem(undefined)
    setProblem(await signIn(token.trim()))
    setBusy(false)
  }

  return (
    <form onSubmit={(event) => void submit(event)}>
      <Stack gap="sm">
        <PasswordInput
          label="Access token"
          description={<TokenHelp />}
          value={token}
          onChange={(event) => setToken(event.currentTarget.value)}
          error={problem && <span role="alert">{problem}</span>}
          autoComplete="off"
          spellCheck={false}
          data-autofocus
          autoFocus
          required
          withAsterisk={false}
          visibilityToggleButtonProps={{ "aria-label": "Show the token" }}
        />
        <Button type="submit" loading={busy} disabled={token.trim() === ""}>
          Sign in
        </Button>
        <Alert variant="light" color="gray" icon={<WarningIcon />} p="xs">
          <Text size="xs">
            The gateway keeps the token in a sealed cookie, out of the reach of scripts. Signing out deletes the cookie,
            but <strong>does not revoke the token</strong>: it stays valid until you{" "}
            <TokenPage>revoke it in Code Ocean</TokenPage>.
          </Text>
        </Alert>
      </Stack>
    </form>
  )
}

function TokenHelp() {
  return (
    <>
      Paste one from <TokenPage>your account at Code Ocean</TokenPage>, under “Access Tokens”.
    </>
  )
}

function TokenPage({ children }: { children: ReactNode }) {
  const address = codeoceanPage("account/user/security")
  if (address === undefined) return children
  return (
    <Anchor href={address} target="_blank" rel="noreferrer" inherit underline="always">
      {children}
    </Anchor>
  )
}
