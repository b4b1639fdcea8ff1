import { Badge } from "@mantine/core"

/** A state that everything on the page depends on, such as "Archived". */
export function Mark({ children, color = "gray" }: { children: string; color?: string }) {
  return (
    <Badge variant="light" color={color} tt="none" c="var(--mantine-color-text)">
      {children}
    </Badge>
  )
}
