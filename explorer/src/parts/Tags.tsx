import classes from "./Tags.module.css"

/** Tags in one line. Those that do not fit are cut off; the title has all. */
export function Tags({ of }: { of: readonly (string | null)[] | null | undefined }) {
  const tags = (of ?? []).filter((tag) => tag !== null && tag !== "")
  return (
    <span className={classes.tags} title={tags.join(", ") || undefined}>
      {tags.map((tag) => (
        <span key={tag} className={classes.tag}>
          {tag}
        </span>
      ))}
    </span>
  )
}
