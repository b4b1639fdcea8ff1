import { Button, Group, Menu, Text } from "@mantine/core"
import { dataAssetPath } from "../../app/paths.ts"
import { navigate } from "../../app/router.ts"
import { codeoceanPage } from "../../app/settings.ts"
import { useChange } from "../../data/useChange.ts"
import { count } from "../../parts/format.ts"
import { ObjectMenu } from "../../parts/ObjectMenu.tsx"
import { ArchiveDataAssetDocument, DeleteDataAssetDocument } from "./changes.generated.ts"
import type { Asset } from "./DataAssetPage.tsx"
import { usersOf } from "./UsedBy.tsx"

interface AssetActionsProps {
  asset: Asset
  onEdit(): void
}

/** What can be done with a data asset as a whole. */
export function AssetActions({ asset, onEdit }: AssetActionsProps) {
  const archive = useChange(ArchiveDataAssetDocument)
  const remove = useChange(DeleteDataAssetDocument)
  const { id, name, archived } = asset
  const ownPage = codeoceanPage(`data-assets/${id}`)
  const users = usersOf(asset)
  const isMore = asset.attachedTo?.pageInfo.hasNextPage || asset.attachedToPipelines?.pageInfo.hasNextPage
  return (
    <Group gap="xs" wrap="nowrap">
      <Button variant="default" size="sm" onClick={onEdit}>
        Edit
      </Button>
      <ObjectMenu
        what="data asset"
        name={name}
        archived={archived}
        sharing={`${dataAssetPath(id)}?tab=sharing`}
        archive={archive}
        onArchive={async (to) => (await archive.send({ input: { id, archived: to } })) !== undefined}
        remove={remove}
        parts={asset.sourceBucket?.external ? "" : " and its files"}
        warning={
          users.length > 0 && (
            <Text size="sm" mt="xs">
              It is attached to{" "}
              {users
                .slice(0, 3)
                .map((user) => user.name)
                .join(", ")}
              {users.length > 3 &&
                (isMore ? ` and ${users.length - 3} or more others` : ` and ${count(users.length - 3, "other")}`)}
              .
            </Text>
          )
        }
        onDelete={async () => {
          if ((await remove.send({ input: { id } })) === undefined) return
          navigate("search?type=data-assets", { replace: true })
        }}
      >
        {ownPage !== undefined && (
          <Menu.Item component="a" href={ownPage} target="_blank" rel="noreferrer">
            Open in Code Ocean
          </Menu.Item>
        )}
      </ObjectMenu>
    </Group>
  )
}
