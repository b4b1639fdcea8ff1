import "virtual:mantine.css"
import "./app/main.css"
import { MantineProvider } from "@mantine/core"
import { StrictMode } from "react"
import { createRoot } from "react-dom/client"
import { App } from "./app/App.tsx"
import { currentPath } from "./app/router.ts"
import { matchRoute } from "./app/routes.ts"
import { cssVariables, theme } from "./app/theme.ts"

/** The content security policy allows the styles that Mantine adds only with the nonce of this page. */
const nonce = () => document.querySelector<HTMLElement>("script[nonce]")?.nonce ?? ""

// Dialogs add a style that stops the page behind them from scrolling. The library that does it looks for the nonce here.
Object.assign(globalThis, { __webpack_nonce__: nonce() })

// Together with the question for the session, instead of after it.
matchRoute(currentPath())?.route.preload()

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <MantineProvider theme={theme} cssVariablesResolver={cssVariables} defaultColorScheme="auto" getStyleNonce={nonce}>
      <App />
    </MantineProvider>
  </StrictMode>,
)
