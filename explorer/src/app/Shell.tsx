import { ActionIcon, Group, Kbd, Menu, Table, TextInput, useMantineColorScheme, VisuallyHidden } from "@mantine/core"
import { type ReactNode, useEffect, useRef, useState } from "react"
import { Dialog } from "../parts/Dialog.tsx"
import { MoonIcon, SearchIcon, SunIcon, UserIcon, WaveIcon } from "../parts/icons.tsx"
import { RequestBar } from "./RequestBar.tsx"
import { linkTo, navigate, usePath, useQueryState } from "./router.ts"
import { matchRoute, navigation } from "./routes.ts"
import { signOut } from "./session.ts"
import { codeoceanPage } from "./settings.ts"

/** What stands around every page: navigation, search, theme, the bar with the request. */
export function Shell({ children }: { children: ReactNode }) {
  const path = usePath()
  const [help, setHelp] = useState(false)
  const find = useRef<HTMLInputElement>(null)
  useShortcuts(() => setHelp(true), find)

  return (
    <div className="shell">
      <a className="skip" href="#content">
        Skip to the content
      </a>
      <header className="top">
        <a className="brand" {...linkTo("")}>
          <WaveIcon width="22" height="22" />
          <span aria-hidden="true">Explorer</span>
          <VisuallyHidden>Code Ocean explorer, home</VisuallyHidden>
        </a>
        <nav aria-label="Pages">
          {navigation.map(({ path: target, label, Icon }) => (
            <a
              key={target}
              {...linkTo(target)}
              aria-current={path === target ? "page" : undefined}
              onPointerEnter={() => matchRoute(target)?.route.preload()}
            >
              <Icon />
              {label}
            </a>
          ))}
        </nav>
        <Find input={find} isSearch={path === "search"} />
        <Group gap={4} wrap="nowrap">
          <ThemeButton />
          <UserMenu onHelp={() => setHelp(true)} />
        </Group>
      </header>
      <main className="main" id="content" tabIndex={-1}>
        {children}
      </main>
      <RequestBar />
      <Dialog opened={help} onClose={() => setHelp(false)} title="Keyboard shortcuts" size="sm">
        <Shortcuts />
      </Dialog>
    </div>
  )
}

/** The search of every page. It opens the search page, which has its own field. */
function Find({ input, isSearch }: { input: React.RefObject<HTMLInputElement | null>; isSearch: boolean }) {
  const [text, setText] = useState("")
  const [query] = useQueryState()
  const type = query.get("type")
  return (
    <search className="find" style={isSearch ? { visibility: "hidden" } : undefined}>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          const parameters = new URLSearchParams({ ...(type !== null && { type }), ...(text !== "" && { q: text }) })
          setText("")
          navigate(`search?${parameters}`)
        }}
      >
        <TextInput
          ref={input}
          size="sm"
          aria-label="Search capsules, pipelines and data assets"
          placeholder="Search"
          leftSection={<SearchIcon />}
          rightSection={<Kbd aria-hidden="true">/</Kbd>}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
        />
      </form>
    </search>
  )
}

function ThemeButton() {
  const { colorScheme, setColorScheme } = useMantineColorScheme()
  const dark = colorScheme === "dark" || (colorScheme === "auto" && matchMedia("(prefers-color-scheme: dark)").matches)
  const label = dark ? "Use the light theme" : "Use the dark theme"
  return (
    <ActionIcon
      variant="subtle"
      color="gray"
      c="dimmed"
      size="lg"
      aria-label={label}
      title={label}
      onClick={() => setColorScheme(dark ? "light" : "dark")}
    >
      {dark ? <SunIcon /> : <MoonIcon />}
    </ActionIcon>
  )
}

function UserMenu({ onHelp }: { onHelp(): void }) {
  const codeocean = codeoceanPage("")
  return (
    <Menu position="bottom-end" width={220} shadow="md">
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" c="dimmed" size="lg" aria-label="Account and help">
          <UserIcon />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item onClick={onHelp} rightSection={<Kbd>?</Kbd>}>
          Keyboard shortcuts
        </Menu.Item>
        {codeocean !== undefined && (
          <Menu.Item component="a" href={codeocean} target="_blank" rel="noreferrer">
            Open Code Ocean
          </Menu.Item>
        )}
        <Menu.Divider />
        <Menu.Item onClick={() => void signOut()}>Sign out</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  )
}

function Shortcuts() {
  const rows: [ReactNode, string][] = [
    [<Kbd key="/">/</Kbd>, "To the search field"],
    ...navigation.map(({ key, label }): [ReactNode, string] => [
      <span key={key}>
        <Kbd>g</Kbd> <Kbd>{key}</Kbd>
      </span>,
      label,
    ]),
    [<Kbd key="?">?</Kbd>, "This list"],
  ]
  return (
    <Table>
      <Table.Tbody>
        {rows.map(([keys, meaning]) => (
          <Table.Tr key={meaning}>
            <Table.Td w={90}>{keys}</Table.Td>
            <Table.Td>{meaning}</Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  )
}

/** `/` goes to the search, g and a letter to a page, ? to the list of shortcuts. Not while something is typed. */
function useShortcuts(onHelp: () => void, find: React.RefObject<HTMLInputElement | null>): void {
  const actions = useRef({ onHelp, find })
  actions.current = { onHelp, find }
  useEffect(() => {
    let afterG = 0
    function onKey(event: KeyboardEvent) {
      const { target, key } = event
      const typing = target instanceof HTMLElement && target.closest("input, textarea, select, [contenteditable]")
      if (typing || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("[role=dialog]")) return
      const page = event.timeStamp < afterG ? navigation.find((entry) => entry.key === key) : undefined
      afterG = key === "g" ? event.timeStamp + 1_500 : 0
      if (page !== undefined) navigate(page.path)
      else if (key === "?") actions.current.onHelp()
      else if (key === "/") {
        const field =
          document.querySelector<HTMLInputElement>("main input[type=search]") ?? actions.current.find.current
        field?.focus()
        field?.select()
      } else return
      event.preventDefault()
    }
    addEventListener("keydown", onKey)
    return () => removeEventListener("keydown", onKey)
  }, [])
}
