import { Box, Group, Title } from "@mantine/core"
import { type ReactNode, useEffect } from "react"

/** Gives the browser's tab a title, if there is one. */
export function useTabTitle(title: string | undefined): void {
  useEffect(() => {
    if (title !== undefined) document.title = `${title} – Code Ocean explorer`
  }, [title])
}

/** The heading of a page, which is also the title of the browser's tab. Actions stand at its right. */
export function PageTitle({ title, icon, children }: { title: string; icon?: ReactNode; children?: ReactNode }) {
  useTabTitle(title)
  return (
    <Group justify="space-between" align="center" mb="md" gap="sm" mih="2.25rem">
      <Group gap="xs" wrap="nowrap" miw={0}>
        {icon && <Box flex="none">{icon}</Box>}
        <Title order={1} tabIndex={-1} style={{ overflowWrap: "anywhere" }}>
          {title}
        </Title>
      </Group>
      {children}
    </Group>
  )
}
