import { Box, Group, Title } from "@mantine/core"
import { type ReactNode, useEffect } from "react"

/** The heading of a page, which is also the title of the browser's tab. Actions stand at its right. */
export function PageTitle({ title, icon, children }: { title: string; icon?: ReactNode; children?: ReactNode }) {
  useEffect(() => {
    document.title = `${title} – Code Ocean explorer`
  }, [title])
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
