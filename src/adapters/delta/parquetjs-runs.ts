/**
 * Mends the library's decoding of run-length encoding, in which definition levels and dictionary indexes stand: it adds
 * the bytes of a repeated value up instead of placing them, so that repeated indexes above 255 come out wrong.
 */
import codec, { type Cursor } from 'parquetjs-lite/lib/codec/rle.js'

codec.decodeValues = (_type, cursor, count, { bitWidth, disableEnvelope = false }) => {
  if (!disableEnvelope) cursor.offset += 4
  const values: number[] = []
  while (values.length < count) {
    const header = varint(cursor)
    if (header % 2 === 1) unpack(cursor, Math.floor(header / 2) * 8, bitWidth, values)
    else repeat(cursor, Math.min(Math.floor(header / 2), count - values.length), bitWidth, values)
  }
  values.length = count
  return values
}

function repeat(cursor: Cursor, times: number, bitWidth: number, values: number[]): void {
  let value = 0
  for (let shift = 0; shift < bitWidth; shift += 8) value += byte(cursor) * 2 ** shift
  for (let left = times; left > 0; left -= 1) values.push(value)
}

/** Values of so many bits each, lowest bits first. */
function unpack(cursor: Cursor, times: number, bitWidth: number, values: number[]): void {
  const size = 2 ** bitWidth
  let [held, bits] = [0, 0]
  for (let left = times; left > 0; left -= 1) {
    for (; bits < bitWidth; bits += 8) held += byte(cursor) * 2 ** bits
    values.push(held % size)
    held = Math.floor(held / size)
    bits -= bitWidth
  }
}

function varint(cursor: Cursor): number {
  let value = 0
  for (let shift = 0; ; shift += 7) {
    const next = byte(cursor)
    value += (next % 128) * 2 ** shift
    if (next < 128) return value
  }
}

/** @throws RangeError instead of running on for ever behind the end */
function byte(cursor: Cursor): number {
  const value = cursor.buffer[cursor.offset]
  if (value === undefined) throw new RangeError('the page ends too early')
  cursor.offset += 1
  return value
}
