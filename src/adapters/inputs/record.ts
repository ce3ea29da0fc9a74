/** One record of an input, its text, and where reading goes on behind it. */
import type { RawRecord } from '../../core/event.ts'
import { ConfigError } from '../../errors.ts'
import type { ArrayPlace } from './array.ts'
import type { Piece, Place } from './split.ts'

/** A record of an input; `broken`: the input cannot be read further. */
export interface InputRecord extends RawRecord {
  /** Where reading goes on behind it. */
  readonly next: TextPlace
  readonly broken?: true
}
export type TextPlace = Place | ArrayPlace

/** The input as a whole is not what it has to be: its packing, its header. */
export class UnreadableInput extends ConfigError {
  /** The same without names out of the input. */
  readonly reason: string

  constructor(message: string, reason: string) {
    super(message)
    this.reason = reason
  }
}

export interface Decoder {
  readonly encoding: string
  decode(bytes: Buffer): string
}

/** Text of a piece; a byte-order mark may stand at the very beginning only. */
export function decode(piece: Piece, decoder: Decoder): { text: string; problem?: string } {
  const marked = piece.byte === 0 && piece.bytes.length >= 3 && piece.bytes.readUIntBE(0, 3) === 0xefbbbf
  const bytes = marked && decoder.encoding === 'utf-8' ? piece.bytes.subarray(3) : piece.bytes
  if (piece.problem !== undefined) return { text: bytes.toString('utf8'), problem: piece.problem }
  try {
    return { text: decoder.decode(bytes) }
  } catch {
    const name = decoder.encoding === 'utf-8' ? 'UTF-8' : decoder.encoding
    return { text: bytes.toString('utf8'), problem: `record is not valid ${name}` }
  }
}
