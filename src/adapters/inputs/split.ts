/** Cutting a byte stream into records, each with its place; memory holds one record and one chunk. */

/** Where a stream goes on: a byte of the unpacked stream, and the line it is on, from 1. */
export interface Place {
  readonly byte: number
  readonly line: number
}
export const START: Place = { byte: 0, line: 1 }

export interface Piece extends Place {
  readonly bytes: Buffer
  /** Behind the piece and what ends it; where reading goes on. */
  readonly next: Place
  /** Set when the piece is not what it should be; `bytes` then is what there was of it. */
  readonly problem?: string
  /** What follows in the input is not read. */
  readonly broken?: true
}

export interface SplitOptions {
  /** Where the chunks begin. Default: the start. */
  readonly from?: Place
  /** Leave out what is behind the last line break: it is still being written. */
  readonly append?: boolean
}

/** A single record beyond this is not read into memory; it becomes a failure and the rest goes on. */
export const LONGEST_RECORD = 64 * 1024 * 1024
export const TOO_LONG = `record is longer than ${LONGEST_RECORD / 1024 / 1024} MiB`
/** How much of a record that is too long is kept for the failure. */
export const KEPT_OF_LONG = 4096

const LF = 0x0a
const CR = 0x0d
const QUOTE = 0x22

/** Bytes of the record in hand; of one that is too long only its beginning. */
class Collector {
  #parts: Buffer[] = []
  #length = 0

  add(part: Buffer): void {
    this.#length += part.length
    if (this.#length <= LONGEST_RECORD) this.#parts.push(part)
    else if (this.#parts.length > 0) this.#parts = [Buffer.concat(this.#parts).subarray(0, KEPT_OF_LONG)]
    else this.#parts = [part.subarray(0, KEPT_OF_LONG)]
  }

  take(): { bytes: Buffer; problem?: string } {
    const [only] = this.#parts
    let bytes = this.#parts.length === 1 && only !== undefined ? only : Buffer.concat(this.#parts)
    if (bytes.at(-1) === CR) bytes = bytes.subarray(0, -1)
    const tooLong = this.#length > LONGEST_RECORD
    this.#parts = []
    this.#length = 0
    return tooLong ? { bytes, problem: TOO_LONG } : { bytes }
  }
}

/** Lines without their break (`\n` or `\r\n`), empty ones left out; a last line needs no break. */
export async function* lines(chunks: AsyncIterable<Buffer>, options: SplitOptions = {}): AsyncGenerator<Piece> {
  const collector = new Collector()
  let { byte: start, line } = options.from ?? START
  let offset = start
  for await (const chunk of chunks) {
    let from = 0
    for (let at = chunk.indexOf(LF); at >= 0; at = chunk.indexOf(LF, from)) {
      collector.add(chunk.subarray(from, at))
      from = at + 1
      const piece = { ...collector.take(), byte: start, line, next: { byte: offset + from, line: line + 1 } }
      if (!isBlank(piece.bytes)) yield piece
      start = offset + from
      line += 1
    }
    collector.add(chunk.subarray(from))
    offset += chunk.length
  }
  const last = collector.take()
  if (!isBlank(last.bytes) && !options.append) yield { ...last, byte: start, line, next: { byte: offset, line } }
}

/**
 * CSV records: like lines, but a line break inside quotes belongs to the record. A quote opens only at the beginning of a
 * field, so that a stray one inside spoils its own record and not all behind it.
 */
export async function* csvRecords(
  chunks: AsyncIterable<Buffer>,
  delimiter: number,
  options: SplitOptions = {},
): AsyncGenerator<Piece> {
  const collector = new Collector()
  let { byte: start, line } = options.from ?? START
  let offset = start
  let breaks = 0
  let state = 'field' as 'field' | 'plain' | 'quoted' | 'closed'
  for await (const chunk of chunks) {
    let from = 0
    for (let at = 0; at < chunk.length; at++) {
      const c = chunk[at]
      if (state === 'quoted') {
        if (c === QUOTE) state = 'closed'
        else if (c === LF) breaks += 1
        continue
      }
      if (c === LF) {
        collector.add(chunk.subarray(from, at))
        from = at + 1
        breaks += 1
        const piece = { ...collector.take(), byte: start, line, next: { byte: offset + from, line: line + breaks } }
        if (!isBlank(piece.bytes)) yield piece
        start = offset + from
        line += breaks
        breaks = 0
        state = 'field'
      } else if (c === delimiter) state = 'field'
      else if (c === QUOTE && (state === 'field' || state === 'closed')) state = 'quoted'
      else if (c !== CR || state !== 'closed') state = 'plain'
    }
    collector.add(chunk.subarray(from))
    offset += chunk.length
  }
  const last = collector.take()
  if (!isBlank(last.bytes) && !options.append)
    yield { ...last, byte: start, line, next: { byte: offset, line: line + breaks } }
}

function isBlank(bytes: Buffer): boolean {
  for (const byte of bytes) if (byte !== 0x20 && byte !== 0x09 && byte !== CR) return false
  return true
}
