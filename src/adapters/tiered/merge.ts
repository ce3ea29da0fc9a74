/** Ordered streams of rows: merging them, and taking them up where they broke off. */
import { compareText } from '../../core/expression/code-points.ts'
import { StorageError } from '../../errors.ts'
import type { LedgerRow, MappedRow } from '../../ports/store.ts'

type Compare<T> = (a: T, b: T) => number
type Timed = Pick<LedgerRow, 'timestamp' | 'sequence'>

export function byTime(a: Timed, b: Timed): number {
  if (a.timestamp !== b.timestamp) return a.timestamp < b.timestamp ? -1 : 1
  return a.sequence - b.sequence
}

export function bySequence(a: { readonly sequence: number }, b: { readonly sequence: number }): number {
  return a.sequence - b.sequence
}

/** Entity ids as the databases order them: by their bytes. */
export function byEntity(a: MappedRow, b: MappedRow): number {
  return a.entityId === b.entityId ? byTime(a, b) : compareText(a.entityId, b.entityId)
}

/** Both streams are ordered; so is the result, in chunks of at most both of theirs. */
export async function* mergeOrdered<T>(
  first: AsyncIterable<readonly T[]>,
  second: AsyncIterable<readonly T[]>,
  compare: Compare<T>,
): AsyncGenerator<T[]> {
  const [a, b] = [new Head(first), new Head(second)]
  try {
    await Promise.all([a.next(), b.next()])
    while (a.rows.length > 0 && b.rows.length > 0) {
      const lastOfA = a.rows.at(-1)!
      const lastOfB = b.rows.at(-1)!
      // Everything up to the smaller of both ends is known now.
      const [ending, other] = compare(lastOfA, lastOfB) <= 0 ? [a, b] : [b, a]
      yield mergeUpTo(ending.rows, other, compare)
      await ending.next()
    }
    for (const rest of [a, b]) {
      for (; rest.rows.length > 0; await rest.next()) yield rest.rows
    }
  } finally {
    await Promise.all([a.close(), b.close()])
  }
}

/** All of `ending` and what of `other` comes before its last, which `other` loses. */
function mergeUpTo<T>(ending: readonly T[], other: Head<T>, compare: Compare<T>): T[] {
  const merged: T[] = []
  let at = 0
  for (const row of ending) {
    while (at < other.rows.length && compare(other.rows[at]!, row) < 0) merged.push(other.rows[at++]!)
    merged.push(row)
  }
  other.rows = other.rows.slice(at)
  return merged
}

class Head<T> {
  readonly #chunks: AsyncIterator<readonly T[]>
  /** Not handed on yet; empty at the end. */
  rows: T[] = []

  constructor(chunks: AsyncIterable<readonly T[]>) {
    this.#chunks = chunks[Symbol.asyncIterator]()
  }

  async next(): Promise<void> {
    this.rows = []
    while (this.rows.length === 0) {
      const chunk = await this.#chunks.next()
      if (chunk.done === true) return
      this.rows = [...chunk.value]
    }
  }

  async close(): Promise<void> {
    await this.#chunks.return?.()
  }
}

/** Rows moved to the archive while a stream read them from the database. */
export class Moved extends StorageError {
  constructor() {
    super('Events moved to the cold tier again and again while they were read; run it again.', {
      recoverable: true,
      details: { operation: 'ledger.read', driver: 'tiered' },
    })
  }
}

/** How often a stream may break off without a row in between. */
const BREAKS = 5

/**
 * An ordered stream that goes on behind its last row where rows changed tiers, or the version of the archive that was
 * being read was removed. `open` gives it again, from the beginning or from the last row on.
 */
export async function* resuming<T>(
  open: (last: T | null) => AsyncIterable<readonly T[]>,
  compare: Compare<T>,
): AsyncGenerator<T[]> {
  let last: T | null = null
  for (let breaks = 0; ; ) {
    const known: T | null = last
    try {
      for await (const rows of open(known)) {
        const fresh: T[] = known === null ? [...rows] : rows.filter((row) => compare(row, known) > 0)
        if (fresh.length === 0) continue
        breaks = 0
        last = fresh.at(-1) ?? null
        yield fresh
      }
      return
    } catch (error) {
      const goesOn = error instanceof Moved || (error instanceof StorageError && error.code === 'E_ARCHIVE_VERSION')
      breaks += 1
      if (!goesOn || breaks > BREAKS) throw error
    }
  }
}
