import { Text } from "@mantine/core"
import { useQueryState } from "../../app/router.ts"
import classes from "./Files.module.css"
import { FileTree } from "./FileTree.tsx"
import { Preview } from "./Preview.tsx"
import { type Entries, type FileOwner, useFolders } from "./useFolders.ts"

interface FilesProps {
  owner: FileOwner
  /** What the tree is called. */
  label: string
  /** The entries of the root folder. */
  root: Entries
}

/** Files as a tree, and the one that is looked at, which the address names. */
export function Files({ owner, label, root }: FilesProps) {
  const [query, change] = useQueryState()
  const file = query.get("file")
  const { rows, toggle, read } = useFolders(owner, root, file)
  return (
    <div className={classes.files}>
      <FileTree
        label={label}
        rows={rows}
        selected={file}
        onSelect={(path) => change({ file: path }, { replace: true })}
        onToggle={toggle}
        onMore={(folder) => void read(folder)}
      />
      {file === null ? (
        <Text size="sm" c="dimmed" py="xs">
          Choose a file to look at it.
        </Text>
      ) : (
        <Preview owner={owner} path={file} />
      )}
    </div>
  )
}
