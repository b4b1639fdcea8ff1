import { Alert, Button, Center, Loader, Text } from "@mantine/core"
import { Component, type ReactNode, Suspense, useEffect, useLayoutEffect, useMemo, useRef } from "react"
import { Provider } from "urql"
import { createClient } from "../data/client.ts"
import { EmptyState } from "../parts/EmptyState.tsx"
import { fetchFromGateway } from "./gateway.ts"
import { currentPath, linkTo, restoreScroll, usePath } from "./router.ts"
import { matchRoute, PageCodeError } from "./routes.ts"
import { Shell } from "./Shell.tsx"
import { SignInDialog, SignInPage } from "./SignIn.tsx"
import { findSession, type SessionState, useSession } from "./session.ts"

export function App() {
  const session = useSession()
  useEffect(() => void findSession(), [])
  // One client for each sign-in. While a session has expired its pages stay, and with them what was typed.
  const isIn = session.is === "signedIn" || session.is === "expired"
  const client = useMemo(() => (isIn ? createClient() : undefined), [isIn])

  if (session.is === "unknown") return <Waiting />
  if (session.is === "unreachable") return <Unreachable session={session} />
  if (client === undefined) return <SignInPage />
  return (
    <Provider value={client}>
      <Shell>
        <Page />
      </Shell>
      {session.is === "expired" && <SignInDialog other={session.other} />}
    </Provider>
  )
}

function Page() {
  const path = usePath()
  const found = useMemo(() => matchRoute(path), [path])
  const first = useRef(true)
  // Each page has a position of its own.
  useLayoutEffect(restoreScroll, [path])
  useEffect(() => {
    // Loading the explorer leaves the focus where the browser has it. Going to another page moves it to the page's heading.
    if (first.current) {
      first.current = false
      return
    }
    focusHeading(path)
  }, [path])

  if (found === undefined) {
    return (
      <EmptyState title="There is no such page" as="h1">
        <Button component="a" {...linkTo("")} variant="default">
          Go to the home page
        </Button>
      </EmptyState>
    )
  }
  const { route, params } = found
  return (
    <PageBoundary key={path}>
      <Suspense fallback={<Waiting />}>
        <route.page params={params} />
      </Suspense>
    </PageBoundary>
  )
}

/** Moves the focus to the heading of the page, which may still be loading. */
function focusHeading(path: string): void {
  const focus = () => document.querySelector<HTMLElement>("main h1")?.focus({ preventScroll: true })
  if (document.querySelector("main h1")) focus()
  else {
    const main = document.querySelector("main")!
    const observer = new MutationObserver(() => {
      if (document.querySelector("main h1") === null) return
      observer.disconnect()
      if (path === currentPath()) focus()
    })
    observer.observe(main, { childList: true, subtree: true })
    setTimeout(() => observer.disconnect(), 10_000)
  }
}

/** Nothing for a moment, because most waits are over by then. */
function Waiting() {
  return (
    <Center h="50vh" className="waiting">
      <Loader size="sm" type="dots" aria-label="Loading" />
    </Center>
  )
}

function Unreachable({ session }: { session: SessionState & { is: "unreachable" } }) {
  useEffect(() => {
    const timer = setTimeout(() => void findSession(), 3_000)
    return () => clearTimeout(timer)
  }, [session])
  return (
    <Center h="60vh" p="md">
      <EmptyState title="No connection" as="h1">
        <Text size="sm" c="dimmed">
          {session.message} The explorer tries again every few seconds.
        </Text>
      </EmptyState>
    </Center>
  )
}

/** When the explorer was last loaded again for the code of a page. */
const reloadedKey = "explorer:reloaded"

/**
 * The code of a page comes when the page is first opened. If it does not, the explorer is loaded again as soon as the gateway
 * answers, and opens the same page.
 */
function CodeMissing({ error }: { error: PageCodeError }) {
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout>
    let hasLeft = false
    // Code that is missing for another reason is not asked for all the time.
    const isSecondTime = Date.now() - Number(sessionStorage.getItem(reloadedKey)) < 60_000
    const pause = isSecondTime ? 30_000 : 3_000
    async function look() {
      const response = await fetchFromGateway(location.href).catch(() => undefined)
      if (hasLeft) return
      if (response?.ok) {
        sessionStorage.setItem(reloadedKey, String(Date.now()))
        location.reload()
      } else timer = setTimeout(look, pause)
    }
    timer = setTimeout(look, pause)
    return () => {
      hasLeft = true
      clearTimeout(timer)
    }
  }, [])
  return (
    <Center h="60vh" p="md">
      <EmptyState title="No connection to the gateway" as="h1">
        <Text size="sm" c="dimmed">
          {error.message} The explorer tries again every few seconds.
        </Text>
      </EmptyState>
    </Center>
  )
}

interface BoundaryState {
  error?: Error
}

/** Shows that a page has failed, and lets the others work. After an update of the gateway, the code of a page may be gone. */
class PageBoundary extends Component<{ children: ReactNode }, BoundaryState> {
  override state: BoundaryState = {}

  static getDerivedStateFromError(error: Error): BoundaryState {
    return { error }
  }

  override render(): ReactNode {
    const { error } = this.state
    if (error === undefined) return this.props.children
    if (error instanceof PageCodeError) return <CodeMissing error={error} />
    return (
      <Alert color="red" variant="light" title="This page does not work" role="alert">
        <Text size="sm" mb="sm">
          {error.message}
        </Text>
        <Button size="compact-sm" variant="default" onClick={() => location.reload()}>
          Load the explorer again
        </Button>
      </Alert>
    )
  }
}
