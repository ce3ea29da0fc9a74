/** Which bytes of a file are there. Pure. */

/** From `start` up to, without, `end`. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

export class ByteRanges {
  /** Ascending, apart from one another. */
  #ranges: ByteRange[] = []
  /** Bytes that are there. */
  bytes = 0

  add(added: ByteRange): void {
    if (added.start >= added.end) return
    const touching = this.#ranges.filter(({ start, end }) => end >= added.start && start <= added.end)
    const joined = {
      start: Math.min(added.start, ...touching.map(({ start }) => start)),
      end: Math.max(added.end, ...touching.map(({ end }) => end)),
    }
    const apart = this.#ranges.filter(({ start, end }) => end < added.start || start > added.end)
    this.#ranges = [...apart, joined].sort((a, b) => a.start - b.start)
    this.bytes = this.#ranges.reduce((sum, { start, end }) => sum + end - start, 0)
  }

  /** Those bytes of the range that are not there, ascending. */
  missing({ start, end }: ByteRange): ByteRange[] {
    const found: ByteRange[] = []
    let at = start
    for (const range of this.#ranges) {
      if (range.end <= at) continue
      if (range.start >= end) break
      if (range.start > at) found.push({ start: at, end: range.start })
      at = range.end
    }
    if (at < end) found.push({ start: at, end })
    return found
  }
}

/** Neighbours joined and large ones cut, so that few requests of bounded size fetch them. */
export function requests(ranges: readonly ByteRange[], most: number): ByteRange[] {
  const joined: ByteRange[] = []
  for (const range of ranges) {
    const before = joined.at(-1)
    if (before?.end === range.start) joined[joined.length - 1] = { start: before.start, end: range.end }
    else joined.push(range)
  }
  return joined.flatMap(({ start, end }) => {
    const count = Math.ceil((end - start) / most)
    return Array.from({ length: count }, (_, index) => ({
      start: start + index * most,
      end: Math.min(end, start + (index + 1) * most),
    }))
  })
}
