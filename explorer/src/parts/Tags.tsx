import { linkTo } from "../app/router.ts"
import classes from "./Tags.module.css"

interface TagsProps {
  of: readonly (string | null)[] | null | undefined
  /** The search that a tag leads to. Without it, tags are texts. */
  pathOf?(tag: string): string
}

/** Tags in one line. Those that do not fit are cut off; the title has all. */
export function Tags({ of, pathOf }: TagsProps) {
  const tags = (of ?? []).flatMap((tag) => tag || [])
  return (
    <span className={classes.tags} title={tags.join(", ") || undefined}>
      {tags.map((tag) =>
        pathOf === undefined ? (
          <span key={tag} className={classes.tag}>
            {tag}
          </span>
        ) : (
          <TagLink key={tag} tag={tag} path={pathOf(tag)} />
        ),
      )}
    </span>
  )
}

/** All tags, in as many lines as they need. */
export function TagList({ of, pathOf }: Required<TagsProps>) {
  const tags = (of ?? []).flatMap((tag) => tag || [])
  if (tags.length === 0) return null
  return (
    <ul className={classes.list} aria-label="Tags">
      {tags.map((tag, index) => (
        <li key={`${index} ${tag}`}>
          <a className={classes.tag} {...linkTo(pathOf(tag))}>
            {tag}
          </a>
        </li>
      ))}
    </ul>
  )
}

function TagLink({ tag, path }: { tag: string; path: string }) {
  const { href, onClick } = linkTo(path)
  return (
    <a className={classes.tag} href={href} onClick={onClick} aria-label={`Tag ${tag}`}>
      {tag}
    </a>
  )
}
