import { Modal, type ModalProps } from "@mantine/core"
import { useLayoutEffect } from "react"

/** What had the focus last, outside of what opens and closes. An item of a menu is gone when a dialog has opened. */
let last: HTMLElement | undefined
addEventListener("focusin", ({ target }) => {
  if (target instanceof HTMLElement && target.closest("[role=menu], [role=dialog]") === null) last = target
})

/** By default it moves up while it closes, over the links of the header. A click that begins on a link would end on the dialog. */
const inPlace = { transition: "fade", duration: 200 } as const

/**
 * A dialog. When it closes, the focus returns to what opened it, or to the heading of the page if that is gone. While it closes, its
 * buttons do nothing: a second click would do the same again.
 */
export function Dialog(props: ModalProps) {
  const { opened } = props
  useLayoutEffect(() => {
    if (!opened) return
    const opener = last
    return () => {
      // After what follows the dialog, such as another page, has taken the focus.
      setTimeout(() => {
        const { activeElement } = document
        if (activeElement !== document.body && activeElement?.closest("[role=dialog]") == null) return
        const target = opener?.isConnected ? opener : document.querySelector<HTMLElement>("main h1")
        target?.focus({ preventScroll: true })
      })
    }
  }, [opened])
  const closing = { inert: !opened }
  return (
    <Modal
      returnFocus={false}
      transitionProps={inPlace}
      // Not the whole dialog, which would let a second click through to what is behind it.
      attributes={{ header: closing, body: closing }}
      {...props}
    />
  )
}
