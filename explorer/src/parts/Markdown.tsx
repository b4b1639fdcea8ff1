import { Anchor } from "@mantine/core"
import { Fragment, type ReactNode } from "react"
import classes from "./Markdown.module.css"

/*
 * Descriptions and instructions are Markdown. This shows its usual parts: headings, lists, quotes, code, emphasis and links. HTML
 * in it is shown as text, images are not loaded, and links lead to http, https and mail addresses only.
 */

export function Markdown({ text }: { text: string }) {
  return <div className={classes.markdown}>{blocksOf(text.replaceAll("\r\n", "\n").split("\n"))}</div>
}

const heading = /^(#{1,6})\s+(.*?)\s*#*$/
const item = /^\s*(?:[-*+]|\d{1,9}[.)])\s+(.*)$/
const ordered = /^\s*\d/
const quote = /^\s*>\s?(.*)$/
const fence = /^\s*(```|~~~)/
const rule = /^\s*(?:-{3,}|\*{3,}|_{3,})\s*$/

function blocksOf(lines: readonly string[]): ReactNode[] {
  const blocks: ReactNode[] = []
  let at = 0
  /** Takes the lines as long as they match, and returns what `part` makes of each. */
  const takeWhile = (matches: (line: string) => boolean): string[] => {
    const taken: string[] = []
    while (at < lines.length && matches(lines[at]!)) taken.push(lines[at++]!)
    return taken
  }
  while (at < lines.length) {
    const line = lines[at]!
    const key = at
    if (line.trim() === "") at += 1
    else if (fence.test(line)) {
      at += 1
      const code = takeWhile((next) => !fence.test(next))
      at += 1
      blocks.push(<pre key={key}>{code.join("\n")}</pre>)
    } else if (rule.test(line)) {
      at += 1
      blocks.push(<hr key={key} />)
    } else if (heading.test(line)) {
      at += 1
      const [, marks = "", title = ""] = heading.exec(line)!
      // Below the headings of the page.
      const Tag = marks.length <= 1 ? "h3" : "h4"
      blocks.push(<Tag key={key}>{spansOf(title)}</Tag>)
    } else if (quote.test(line)) {
      const quoted = takeWhile((next) => quote.test(next)).map((next) => quote.exec(next)![1]!)
      blocks.push(<blockquote key={key}>{blocksOf(quoted)}</blockquote>)
    } else if (item.test(line)) {
      const isOrdered = ordered.test(line)
      const items = takeWhile((next) => item.test(next) && ordered.test(next) === isOrdered)
      const List = isOrdered ? "ol" : "ul"
      blocks.push(
        <List key={key}>
          {items.map((entry, index) => (
            <li key={index}>{spansOf(item.exec(entry)![1]!)}</li>
          ))}
        </List>,
      )
    } else {
      const starts = [heading, item, quote, fence, rule]
      const paragraph = [
        lines[at++]!,
        ...takeWhile((next) => next.trim() !== "" && !starts.some((start) => start.test(next))),
      ]
      blocks.push(<p key={key}>{spansOf(paragraph.join("\n"))}</p>)
    }
  }
  return blocks
}

/** Code, links, strong, emphasis and bare addresses, whichever comes first. None of them spans lines. */
const span =
  /`([^`\n]+)`|!?\[([^[\]\n]*)\]\(([^()\s]+)\)|\*\*([^*\n]+)\*\*|__([^_\n]+)__|\*([^*\s][^*\n]*)\*|(?<![\w])_([^_\s][^_\n]*)_(?![\w])|(https?:\/\/[^\s<>()]+[^\s<>().,;:!?])/

function spansOf(text: string): ReactNode {
  const parts: ReactNode[] = []
  let rest = text
  while (rest !== "") {
    const match = span.exec(rest)
    if (match === null) break
    const [whole, code, label, target, strong, alsoStrong, emphasis, alsoEmphasis, address] = match
    if (match.index > 0) parts.push(rest.slice(0, match.index))
    if (code !== undefined) parts.push(<code>{code}</code>)
    else if (target !== undefined) parts.push(<External to={target}>{label || target}</External>)
    else if (address !== undefined) parts.push(<External to={address}>{address}</External>)
    else if (strong !== undefined || alsoStrong !== undefined)
      parts.push(<strong>{spansOf(strong ?? alsoStrong!)}</strong>)
    else parts.push(<em>{spansOf(emphasis ?? alsoEmphasis!)}</em>)
    rest = rest.slice(match.index + whole.length)
  }
  parts.push(rest)
  return parts.map((part, index) => <Fragment key={index}>{part}</Fragment>)
}

/** A link to another site, in a tab of its own. Only its text if the address is of another kind, such as `javascript:`. */
export function External({ to, children }: { to: string; children: ReactNode }) {
  if (!/^(https?:\/\/|mailto:)/i.test(to)) return children
  return (
    <Anchor inherit href={to} target="_blank" rel="noreferrer">
      {children}
    </Anchor>
  )
}
