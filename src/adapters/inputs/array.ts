/**
 * Elements of one JSON array, at the top or at a path of names; found by counting brackets outside texts. What is inside
 * of elements is not looked at, and memory holds one of them.
 */
import { KEPT_OF_LONG, LONGEST_RECORD, type Piece, type Place, START, TOO_LONG } from './split.ts'

/** Where reading of an array goes on: behind a comma (`between`), or behind the array (`after`) in `depth` objects. */
export interface ArrayPlace extends Place {
  readonly at: 'between' | 'after'
  readonly depth: number
}
export interface ArrayPiece extends Piece {
  readonly next: ArrayPlace
}

const LF = 0x0a
const QUOTE = 0x22
const ESCAPE = 0x5c
const OPEN_LIST = 0x5b
const CLOSE_LIST = 0x5d
const OPEN_MAP = 0x7b
const CLOSE_MAP = 0x7d
const COMMA = 0x2c

const CUT_OFF = 'the JSON array is cut off'

/** `path`: names that lead to the array, from the outermost object; empty: the document is the array. */
export async function* arrayElements(
  chunks: AsyncIterable<Buffer>,
  path: readonly string[] = [],
  from: ArrayPlace | null = null,
): AsyncGenerator<ArrayPiece> {
  let { byte: offset, line } = from ?? START
  let state = (from?.at ?? 'before') as 'before' | 'between' | 'element' | 'after'
  const way = from === null && path.length > 0 ? new Way(path) : null
  let needsElement = from !== null
  // Brackets open inside the element; behind the array, objects that are still open around it.
  let depth = from?.depth ?? 0
  let inText = false
  let escaped = false
  let parts: Buffer[] = []
  let length = 0
  let start = START
  const element = (next: ArrayPlace): ArrayPiece => {
    const made = {
      bytes: Buffer.concat(parts),
      ...start,
      next,
      ...(length > LONGEST_RECORD ? { problem: TOO_LONG } : {}),
    }
    parts = []
    length = 0
    return made
  }
  const add = (part: Buffer): void => {
    length += part.length
    if (length <= LONGEST_RECORD) parts.push(part)
    else parts = [Buffer.concat([...parts, part]).subarray(0, KEPT_OF_LONG)]
  }
  const broken = (at: number, problem: string): ArrayPiece => {
    const place = { byte: offset + at, line }
    return { bytes: Buffer.alloc(0), ...place, next: { ...place, at: 'after', depth: 0 }, problem, broken: true }
  }

  for await (const chunk of chunks) {
    let begin = 0
    for (let i = 0; i < chunk.length; i++) {
      const c = chunk[i] as number
      if (c === LF) line += 1
      if (state === 'before' && way !== null) {
        const found = way.step(c)
        if (found === null) continue
        if (found !== '') {
          yield broken(i, found)
          return
        }
        state = 'between'
        needsElement = false
        continue
      }
      if (state === 'element' || (state === 'after' && depth > 0)) {
        if (inText) {
          if (escaped) escaped = false
          else if (c === ESCAPE) escaped = true
          else if (c === QUOTE) inText = false
          continue
        }
        if (c === QUOTE) inText = true
        else if (c === OPEN_MAP || c === OPEN_LIST) depth += 1
        else if (depth > 0 && (c === CLOSE_MAP || c === CLOSE_LIST)) depth -= 1
        else if (state === 'element' && depth === 0 && (c === COMMA || c === CLOSE_LIST)) {
          add(chunk.subarray(begin, i))
          needsElement = c === COMMA
          state = c === COMMA ? 'between' : 'after'
          depth = state === 'after' ? path.length : 0
          yield element({ byte: offset + i + 1, line, at: state, depth })
        }
        continue
      }
      if (c === 0x20 || c === 0x09 || c === 0x0a || c === 0x0d) continue
      if (state === 'before') {
        if (c === 0xef || c === 0xbb || c === 0xbf) continue
        if (c !== OPEN_LIST) {
          yield broken(i, 'expected one JSON array of records')
          return
        }
        state = 'between'
        needsElement = false
      } else if (state === 'between') {
        if (c === CLOSE_LIST && !needsElement) {
          state = 'after'
          depth = path.length
        } else if (c === COMMA || c === CLOSE_LIST) {
          yield broken(i, 'broken JSON array: a record is missing; the rest is not read')
          return
        } else {
          state = 'element'
          begin = i
          start = { byte: offset + i, line }
          depth = c === OPEN_MAP || c === OPEN_LIST ? 1 : 0
          inText = c === QUOTE
        }
      } else {
        yield broken(i, 'text after the end of the JSON array; the rest is not read')
        return
      }
    }
    if (state === 'element') add(chunk.subarray(begin))
    offset += chunk.length
  }
  if (state === 'element') {
    yield { ...element({ byte: offset, line, at: 'after', depth: 0 }), problem: CUT_OFF, broken: true }
  } else if (state === 'between' || (state === 'after' && depth > 0)) yield broken(0, CUT_OFF)
  else if (state === 'before' && way !== null) yield broken(0, 'the JSON document has no array at the path of records')
}

/** Finds the array at a path, byte by byte, without keeping what is beside it. */
class Way {
  readonly #path: readonly string[]
  /** Names of the path that are open. */
  #matched = 0
  /** Brackets open beside the path. */
  #beside = 0
  #inText = false
  #escaped = false
  #text: number[] = []
  /** The name read last, while its value has not begun; undefined: none. */
  #name: string | undefined
  #expectName = false
  #opened = false

  constructor(path: readonly string[]) {
    this.#path = path
  }

  /** Null: goes on. Empty text: the array has just begun. Else what is wrong. */
  step(c: number): string | null {
    if (this.#inText) {
      if (this.#escaped) this.#escaped = false
      else if (c === ESCAPE) this.#escaped = true
      else if (c === QUOTE) {
        this.#inText = false
        if (this.#expectName) {
          this.#name = nameOf(this.#text)
          this.#expectName = false
        } else this.#name = undefined
        return null
      }
      if (this.#expectName && this.#text.length <= 1024) this.#text.push(c)
      return null
    }
    if (c === 0x20 || c === 0x09 || c === 0x0a || c === 0x0d || c === 0x3a) return null
    if (!this.#opened && (c === 0xef || c === 0xbb || c === 0xbf)) return null
    if (!this.#opened && c !== OPEN_MAP) return 'expected one JSON object around the array of records'
    const onPath = this.#beside === 0 && this.#name === this.#path[this.#matched]
    switch (c) {
      case QUOTE:
        this.#inText = true
        this.#text = []
        return null
      case OPEN_MAP:
        if (!this.#opened) this.#opened = true
        else if (onPath && this.#matched < this.#path.length - 1) this.#matched += 1
        else this.#beside += 1
        this.#name = undefined
        this.#expectName = this.#beside === 0
        return null
      case OPEN_LIST:
        if (onPath && this.#matched === this.#path.length - 1) return ''
        this.#beside += 1
        this.#name = undefined
        return null
      case CLOSE_MAP:
      case CLOSE_LIST:
        if (this.#beside === 0) return 'the JSON document has no array at the path of records'
        this.#beside -= 1
        return null
      case COMMA:
        this.#name = undefined
        this.#expectName = this.#beside === 0
        return null
      default:
        return null
    }
  }
}

function nameOf(bytes: readonly number[]): string | undefined {
  try {
    return JSON.parse(`"${Buffer.from(bytes).toString('utf8')}"`) as string
  } catch {
    return undefined
  }
}
