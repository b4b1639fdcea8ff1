import { Anchor, Stack, Text } from "@mantine/core"
import type { ReactNode } from "react"
import { searchPath } from "../../app/paths.ts"
import { linkTo } from "../../app/router.ts"
import { codeoceanPage } from "../../app/settings.ts"
import { Time } from "../../parts/Facts.tsx"
import { External, Markdown } from "../../parts/Markdown.tsx"
import { TagList } from "../../parts/Tags.tsx"
import classes from "./Runnable.module.css"
import type { RunnablePageFragment } from "./runnable.generated.ts"

/** What a capsule or pipeline is: description, origin, releases, article. */
export function About({ runnable }: { runnable: RunnablePageFragment }) {
  const { description, tags, versions, article, originalCapsule, submission } = runnable
  const kind = runnable.__typename === "Pipeline" ? "pipelines" : "capsules"
  const inCodeOcean = codeoceanPage(`capsule/${runnable.slug}`)
  return (
    <Stack gap="md" className={classes.about}>
      {description ? (
        <Markdown text={description} />
      ) : (
        <Text size="sm" c="dimmed">
          It has no description.
        </Text>
      )}
      <TagList of={tags} pathOf={(tag) => searchPath(kind, "tags", tag)} />
      <dl className={classes.facts}>
        <Fact name="Owner">{runnable.ownerEmail}</Fact>
        <Fact name="Field">{runnable.field}</Fact>
        <Fact name="Created">{runnable.created && <Time of={runnable.created} />}</Fact>
        <Fact name="Last opened">{runnable.lastAccessed && <Time of={runnable.lastAccessed} />}</Fact>
        <Fact name="Git">
          {runnable.clonedFromUrl && <External to={runnable.clonedFromUrl}>{runnable.clonedFromUrl}</External>}
        </Fact>
        <Fact name="Copied from">
          {originalCapsule?.capsuleId && (
            <Anchor inherit {...linkTo(`capsules/${originalCapsule.capsuleId}`)}>
              {originalCapsule.name ?? originalCapsule.capsuleId}
              {versionOf(originalCapsule)}
            </Anchor>
          )}
        </Fact>
        <Fact name="Release">
          {runnable.releaseCapsule && (
            <Anchor inherit {...linkTo(`capsules/${runnable.releaseCapsule.id}`)}>
              Released capsule
            </Anchor>
          )}
        </Fact>
        <Fact name="Submitted">
          {submission?.timestamp && (
            <>
              <Time of={submission.timestamp} />
              {submission.verified ? ", verified" : ", not verified"}
            </>
          )}
        </Fact>
        <Fact name="Elsewhere">
          {inCodeOcean && (
            <Anchor inherit href={inCodeOcean} target="_blank" rel="noreferrer">
              Open in Code Ocean
            </Anchor>
          )}
        </Fact>
      </dl>
      {versions && versions.length > 0 && (
        <section>
          <h2 className={classes.small}>Versions</h2>
          <ul className={classes.versions}>
            {versions.toReversed().map(
              (version) =>
                version && (
                  <li key={`${version.majorVersion}.${version.minorVersion}`}>
                    <strong>{versionOf(version).trim()}</strong> <Time of={version.releaseTime} />
                    {version.doi && (
                      <>
                        , <Doi of={version.doi} />
                      </>
                    )}
                  </li>
                ),
            )}
          </ul>
        </section>
      )}
      {article && (
        <section>
          <h2 className={classes.small}>Article</h2>
          <Text size="sm">
            {article.url && article.name ? <External to={article.url}>{article.name}</External> : article.name}
          </Text>
          <Text size="xs" c="dimmed">
            {[article.journalName, article.state === "IN_REVIEW" && "in review"].filter(Boolean).join(", ")}
          </Text>
          {article.citation && <Text size="xs">{article.citation}</Text>}
          {article.doi && (
            <Text size="xs">
              <Doi of={article.doi} />
            </Text>
          )}
        </section>
      )}
    </Stack>
  )
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  if (!children) return null
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  )
}

function versionOf({
  majorVersion,
  minorVersion,
}: {
  majorVersion: number | null
  minorVersion: number | null
}): string {
  return majorVersion === null ? "" : ` ${majorVersion}${minorVersion === null ? "" : `.${minorVersion}`}`
}

function Doi({ of }: { of: string }) {
  return <External to={`https://doi.org/${encodeURI(of)}`}>{of}</External>
}
