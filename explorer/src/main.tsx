import "@mantine/core/styles.layer.css"
import "./app/main.css"
import { MantineProvider } from "@mantine/core"
import { StrictMode } from "react"
import { createRoot } from "react-dom/client"
import { App } from "./app/App.tsx"
import { cssVariables, theme } from "./app/theme.ts"

/** The content security policy allows the styles that Mantine adds only with the nonce of this page. */
const nonce = () => document.querySelector<HTMLElement>("script[nonce]")?.nonce ?? ""

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <MantineProvider theme={theme} cssVariablesResolver={cssVariables} defaultColorScheme="auto" getStyleNonce={nonce}>
      <App />
    </MantineProvider>
  </StrictMode>,
)
