import { TagsInput, type TagsInputProps } from "@mantine/core"

/** An input of several texts. Without a list to choose from, Escape closes the dialog that it is in, instead of an empty list. */
export function TagsField(props: TagsInputProps) {
  const hasList = (props.data?.length ?? 0) > 0
  return <TagsInput {...props} {...(!hasList && { dropdownOpened: false })} />
}
