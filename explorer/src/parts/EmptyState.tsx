import { Stack, Title } from "@mantine/core"
import type { ReactNode } from "react"
import { useTabTitle } from "./PageTitle.tsx"

/** Says that there is nothing, and what to do about it. */
export function EmptyState({ title, as = "h2", children }: { title: string; as?: "h1" | "h2"; children?: ReactNode }) {
  // As the first heading, it is about the whole page.
  useTabTitle(as === "h1" ? title : undefined)
  return (
    <Stack align="center" gap="xs" py="xl" ta="center">
      <Title order={as === "h1" ? 1 : 2} size="h2" tabIndex={as === "h1" ? -1 : undefined}>
        {title}
      </Title>
      {children}
    </Stack>
  )
}
