import { crc32, deflateSync } from "node:zlib"

const [width, height, gap] = [320, 180, 12]
const [background, bar] = [
  [255, 255, 255],
  [38, 111, 182],
] as const

/** A PNG image of a bar chart. */
export function chart(values: readonly number[]): Buffer {
  const highest = Math.max(...values, 1)
  const slot = (width - gap) / values.length
  const rows = Buffer.alloc(height * (1 + 3 * width))
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const column = Math.floor((x - gap) / slot)
      const isInBar = x >= gap && (x - gap) % slot < slot - gap
      const top = height - gap - ((values[column] ?? 0) / highest) * (height - 2 * gap)
      const color = isInBar && y >= top && y < height - gap ? bar : background
      rows.set(color, y * (1 + 3 * width) + 1 + 3 * x)
    }
  }
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  // Eight bits for each of red, green and blue.
  header.set([8, 2], 8)
  const signature = Buffer.from("\x89PNG\r\n\x1a\n", "latin1")
  return Buffer.concat([
    signature,
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(rows)),
    chunk("IEND", Buffer.alloc(0)),
  ])
}

function chunk(type: string, data: Buffer): Buffer {
  const typed = Buffer.concat([Buffer.from(type, "latin1"), data])
  const [length, checksum] = [Buffer.alloc(4), Buffer.alloc(4)]
  length.writeUInt32BE(data.length)
  checksum.writeUInt32BE(crc32(typed))
  return Buffer.concat([length, typed, checksum])
}
