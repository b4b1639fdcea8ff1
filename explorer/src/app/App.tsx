import { Alert, Button, Center, Loader, Text } from "@mantine/core"
import { Component, type ReactNode, Suspense, useEffect, useMemo, useRef } from "react"
import { Provider } from "urql"
import { createClient } from "../data/client.ts"
import { EmptyState } from "../parts/EmptyState.tsx"
import { currentPath, linkTo, usePath } from "./router.ts"
import { matchRoute } from "./routes.ts"
import { Shell } from "./Shell.tsx"
import { SignInDialog, SignInPage } from "./SignIn.tsx"
import { findSession, useSession } from "./session.ts"

export function App() {
  const session = useSession()
  useEffect(() => void findSession(), [])
  // One client for each sign-in. While a session has expired its pages stay, and with them what was typed.
  const isIn = session.is === "signedIn" || session.is === "expired"
  const client = useMemo(() => (isIn ? createClient() : undefined), [isIn])

  if (session.is === "unknown") return <Waiting />
  if (session.is === "unreachable") return <Unreachable message={session.message} />
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

function Unreachable({ message }: { message: string }) {
  useEffect(() => {
    const timer = setInterval(() => void findSession(), 3_000)
    return () => clearInterval(timer)
  }, [])
  return (
    <Center h="60vh" p="md">
      <EmptyState title="No connection" as="h1">
        <Text size="sm" c="dimmed">
          {message} The explorer tries again every few seconds.
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
