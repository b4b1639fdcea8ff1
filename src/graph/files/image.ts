import { badUserInput, nullIfMissing } from "../../errors.ts"
import type { Context } from "../context.ts"
import { maxLength } from "../inputLimits.ts"
import { nullIfNoFile } from "./missing.ts"
import { fileAt } from "./place.ts"
import * as rest from "./rest.ts"

/** The maximum size of an image that the gateway reads: 8 MiB. */
export const maxImageBytes = 8 * 1024 * 1024

/** An image, with the content type that its bytes show. */
export interface Image {
  type: string
  bytes: Buffer
}

/** Why a file is not sent as an image. */
export class NoImageError extends Error {
  readonly reason: "too large" | "no image"

  constructor(reason: "too large" | "no image", message: string) {
    super(message)
    this.reason = reason
  }
}

/**
 * Reads an image of a run's results or of a data asset. Null if the file does not exist. Rejects with NoImageError for a file that is
 * too large, or is no image by its bytes, whatever its name says. Costs two REST calls.
 */
export async function imageAt(context: Context, owner: rest.FileOwner, path: string): Promise<Image | null> {
  if (path.length > maxLength.path) {
    throw badUserInput(`\`path\` has at most ${maxLength.path} characters. This one has ${path.length}.`)
  }
  const { upstream } = context
  const urls = await nullIfNoFile(context, owner, rest.getFileUrls(upstream, owner, fileAt(owner, path).path))
  const download = urls && (await nullIfMissing(upstream.download(urls.download_url, { maxBytes: maxImageBytes })))
  if (download === null) return null
  const { bytes } = download
  if (bytes === undefined) {
    throw new NoImageError(
      "too large",
      `The file has ${download.size ?? `more than ${maxImageBytes}`} bytes, but at most ${maxImageBytes} are sent. Fetch it from its \`downloadUrl\`.`,
    )
  }
  const type = imageTypeOf(bytes)
  if (type === undefined) {
    throw new NoImageError(
      "no image",
      "The file is not a PNG, JPEG, GIF, WebP, AVIF, BMP or SVG image. Fetch it from its `downloadUrl`, or read its `text`.",
    )
  }
  return { type, bytes }
}

/** The content type of an image that browsers show, by its bytes. Undefined for anything else. */
export function imageTypeOf(bytes: Buffer): string | undefined {
  const startsWith = (text: string, at = 0) => bytes.toString("latin1", at, at + text.length) === text
  if (startsWith("\x89PNG\r\n\x1a\n")) return "image/png"
  if (startsWith("\xff\xd8\xff")) return "image/jpeg"
  if (startsWith("GIF87a") || startsWith("GIF89a")) return "image/gif"
  if (startsWith("RIFF") && startsWith("WEBP", 8)) return "image/webp"
  if (startsWith("ftypavif", 4) || startsWith("ftypavis", 4)) return "image/avif"
  if (startsWith("BM") && isBitmap(bytes)) return "image/bmp"
  return isSvg(bytes) ? "image/svg+xml" : undefined
}

/** The sizes that the second header of a bitmap can have. Two letters alone could be the beginning of a text. */
const bitmapHeaderBytes: readonly number[] = [12, 40, 52, 56, 64, 108, 124]

function isBitmap(bytes: Buffer): boolean {
  return bytes.length > 18 && bytes.readUInt32LE(6) === 0 && bitmapHeaderBytes.includes(bytes.readUInt32LE(14))
}

/** How much may come before the first element of an SVG image. */
const maxPrologBytes = 8_192

/** Whether it is XML whose first element is `svg`. One with entities of its own is not: they can stand for gigabytes. */
function isSvg(bytes: Buffer): boolean {
  let rest = bytes.toString("utf8", 0, maxPrologBytes).replace("\uFEFF", "")
  for (;;) {
    rest = rest.trimStart()
    const end = rest.startsWith("<?") ? "?>" : rest.startsWith("<!--") ? "-->" : rest.startsWith("<!") ? ">" : undefined
    if (end === undefined) return /^<svg[\s/>]/.test(rest)
    const at = rest.indexOf(end)
    if (at < 0 || (end === ">" && rest.slice(0, at).includes("["))) return false
    rest = rest.slice(at + end.length)
  }
}
