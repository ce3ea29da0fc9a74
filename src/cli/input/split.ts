/** Cutting a byte stream into records, each with its place; memory holds one record and one chunk. */

export interface Piece {
  readonly bytes: Buffer
  /** Offset of the first byte in the unpacked stream. */
  readonly byte: number
  /** Line on which the piece begins, from 1. */
  readonly line: number
  /** Set when the piece is not what it should be; `bytes` then is what there was of it. */
  readonly problem?: string
  /** What follows in the input is not read. */
  readonly broken?: true
}

/** A single record beyond this is not read into memory; it becomes a failure and the rest goes on. */
export const LONGEST_RECORD = 64 * 1024 * 1024
const TOO_LONG = `record is longer than ${LONGEST_RECORD / 1024 / 1024} MiB`
/** How much of a record that is too long is kept for the failure. */
const KEPT_OF_LONG = 4096

const LF = 0x0a
const QUOTE = 0x22

/** Lines without their break (`\n` or `\r\n`), empty ones left out; a last line needs no break. */
export async function* lines(chunks: AsyncIterable<Buffer>): AsyncGenerator<Piece> {
  yield* records(chunks, false)
}

/** CSV records: like lines, but a line break inside quotes belongs to the record. */
export async function* csvRecords(chunks: AsyncIterable<Buffer>): AsyncGenerator<Piece> {
  yield* records(chunks, true)
}

async function* records(chunks: AsyncIterable<Buffer>, quotes: boolean): AsyncGenerator<Piece> {
  let parts: Buffer[] = []
  let length = 0
  let start = 0
  let line = 1
  let breaks = 0
  let quoted = false
  let offset = 0
  const piece = (): Piece | null => {
    const tooLong = length > LONGEST_RECORD
    let bytes = Buffer.concat(parts)
    if (bytes.at(-1) === 0x0d) bytes = bytes.subarray(0, -1)
    const made = { bytes, byte: start, line, ...(tooLong ? { problem: TOO_LONG } : {}) }
    parts = []
    length = 0
    return isBlank(bytes) ? null : made
  }
  const add = (part: Buffer): void => {
    length += part.length
    if (length <= LONGEST_RECORD) parts.push(part)
    else if (parts.length > 0) parts = [Buffer.concat(parts).subarray(0, KEPT_OF_LONG)]
    else parts = [part.subarray(0, KEPT_OF_LONG)]
  }
  for await (const chunk of chunks) {
    let from = 0
    let search = 0
    while (true) {
      const at = chunk.indexOf(LF, search)
      const end = at < 0 ? chunk.length : at
      if (quotes) {
        for (let q = chunk.indexOf(QUOTE, search); q >= 0 && q < end; q = chunk.indexOf(QUOTE, q + 1)) quoted = !quoted
      }
      if (at < 0) {
        add(chunk.subarray(from))
        break
      }
      breaks += 1
      search = at + 1
      if (quotes && quoted) continue
      add(chunk.subarray(from, at))
      const made = piece()
      if (made !== null) yield made
      from = at + 1
      start = offset + from
      line += breaks
      breaks = 0
    }
    offset += chunk.length
  }
  const last = piece()
  if (last !== null) yield last
}

function isBlank(bytes: Buffer): boolean {
  for (const byte of bytes) if (byte !== 0x20 && byte !== 0x09 && byte !== 0x0d) return false
  return true
}

/** Elements of one JSON array, found by counting brackets outside texts; what is inside them is not looked at. */
export async function* arrayElements(chunks: AsyncIterable<Buffer>): AsyncGenerator<Piece> {
  let state = 'before' as 'before' | 'between' | 'element' | 'after'
  let needsElement = true
  let depth = 0
  let inText = false
  let escaped = false
  let parts: Buffer[] = []
  let length = 0
  let start = 0
  let startLine = 1
  let line = 1
  let offset = 0
  const piece = (): Piece => {
    const bytes = Buffer.concat(parts)
    const made = { bytes, byte: start, line: startLine, ...(length > LONGEST_RECORD ? { problem: TOO_LONG } : {}) }
    parts = []
    length = 0
    return made
  }
  const add = (part: Buffer): void => {
    length += part.length
    if (length <= LONGEST_RECORD) parts.push(part)
    else parts = [Buffer.concat([...parts, part]).subarray(0, KEPT_OF_LONG)]
  }
  const broken = (at: number, problem: string): Piece => ({
    bytes: Buffer.alloc(0),
    byte: offset + at,
    line,
    problem,
    broken: true,
  })

  for await (const chunk of chunks) {
    let from = 0
    for (let i = 0; i < chunk.length; i++) {
      const c = chunk[i] as number
      if (c === LF) line += 1
      if (state === 'element') {
        if (inText) {
          if (escaped) escaped = false
          else if (c === 0x5c) escaped = true
          else if (c === QUOTE) inText = false
          continue
        }
        if (c === QUOTE) inText = true
        else if (c === 0x7b || c === 0x5b) depth += 1
        else if (depth > 0 && (c === 0x7d || c === 0x5d)) depth -= 1
        else if (depth === 0 && (c === 0x2c || c === 0x5d)) {
          add(chunk.subarray(from, i))
          yield piece()
          needsElement = c === 0x2c
          state = c === 0x2c ? 'between' : 'after'
        }
        continue
      }
      if (c === 0x20 || c === 0x09 || c === 0x0a || c === 0x0d) continue
      if (state === 'before') {
        if (c === 0xef || c === 0xbb || c === 0xbf) continue
        if (c !== 0x5b) {
          yield broken(i, 'expected one JSON array of records')
          return
        }
        state = 'between'
        needsElement = false
      } else if (state === 'between') {
        if (c === 0x5d && !needsElement) state = 'after'
        else if (c === 0x2c || c === 0x5d) {
          yield broken(i, 'broken JSON array: a record is missing; the rest is not read')
          return
        } else {
          state = 'element'
          from = i
          start = offset + i
          startLine = line
          depth = c === 0x7b || c === 0x5b ? 1 : 0
          inText = c === QUOTE
        }
      } else {
        yield broken(i, 'text after the end of the JSON array; the rest is not read')
        return
      }
    }
    if (state === 'element') add(chunk.subarray(from))
    offset += chunk.length
  }
  if (state === 'element' || state === 'between') {
    const rest = piece()
    yield {
      ...rest,
      byte: state === 'element' ? start : offset,
      line: startLine,
      problem: 'the JSON array is cut off',
      broken: true,
    }
  }
}
