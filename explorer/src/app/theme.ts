import { type CSSVariablesResolver, createTheme, Drawer, type MantineColorsTuple, Modal } from "@mantine/core"

const ocean: MantineColorsTuple = [
  "#eaf6f8",
  "#d6eaee",
  "#aed5dd",
  "#82bfcb",
  "#5eadbc",
  "#48a2b3",
  "#3b9caf",
  "#2b889a",
  "#1b7184",
  "#0b5c6e",
]

/** Greys of the same hue as the page. */
const dark: MantineColorsTuple = [
  "#c9d0d6",
  "#b3bcc4",
  "#8a949d",
  "#66717b",
  "#414b54",
  "#363f47",
  "#20262b",
  "#1c2126",
  "#171c20",
  "#12161a",
]

export const theme = createTheme({
  primaryColor: "ocean",
  colors: { ocean, dark },
  // White on these has a contrast of more than 5:1 in both themes.
  primaryShade: { light: 9, dark: 8 },
  autoContrast: true,
  defaultRadius: "sm",
  cursorType: "pointer",
  respectReducedMotion: true,
  fontFamily: "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif",
  fontFamilyMonospace: "ui-monospace, SFMono-Regular, Menlo, Consolas, 'Liberation Mono', monospace",
  fontSizes: { xs: "0.75rem", sm: "0.8125rem", md: "0.875rem", lg: "1rem", xl: "1.125rem" },
  components: {
    Modal: Modal.extend({ defaultProps: { closeButtonProps: { "aria-label": "Close" } } }),
    Drawer: Drawer.extend({ defaultProps: { closeButtonProps: { "aria-label": "Close" } } }),
  },
  headings: {
    fontWeight: "600",
    sizes: { h1: { fontSize: "1.375rem" }, h2: { fontSize: "1rem" }, h3: { fontSize: "0.875rem" } },
  },
})

/** Mantine's own dimmed texts have a contrast below 4.5:1. */
export const cssVariables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    "--mantine-color-dimmed": "#56606a",
    "--mantine-color-placeholder": "#646e78",
    "--mantine-color-anchor": "#0b5c6e",
    "--mantine-color-body": "#ffffff",
    "--mantine-color-error": "#c92a2a",
  },
  dark: {
    "--mantine-color-dimmed": "#a9b1b9",
    "--mantine-color-placeholder": "#a0a8b0",
    "--mantine-color-anchor": "#82bfcb",
    "--mantine-color-body": "#15191c",
    "--mantine-color-default": "#1d2226",
    "--mantine-color-default-hover": "#252b30",
    "--mantine-color-default-border": "#343c43",
    "--mantine-color-text": "#dde2e6",
    "--mantine-color-error": "#ff8787",
    // Mantine's own backgrounds of notices are louder than what they say.
    "--mantine-color-red-light": "#33191c",
    "--mantine-color-yellow-light": "#2c2515",
    "--mantine-color-gray-light": "#20262b",
  },
})
