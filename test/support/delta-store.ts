/** Object stores that fail where a test wants it, over a real one. */
import { StorageError } from '../../src/errors.ts'
import type { ObjectStore } from '../../src/ports/objects.ts'

export type FaultAt = 'before' | 'after'

export interface CountingStore extends ObjectStore {
  /** Operations so far. */
  readonly count: number
}

/**
 * Counts operations, and fails operation number `fail`: `before` it does anything, or `after`, when only the answer is
 * lost. A listing fails at its first or after its last object.
 */
export function faultyStore(
  store: ObjectStore,
  fail = Number.POSITIVE_INFINITY,
  at: FaultAt = 'before',
): CountingStore {
  let count = 0
  const lost = (operation: string) =>
    new StorageError('connection lost', { recoverable: true, details: { operation, outcome: 'unknown' } })
  async function run<T>(operation: string, work: () => Promise<T>): Promise<T> {
    count += 1
    const fails = count === fail
    if (fails && at === 'before') throw lost(operation)
    const result = await work()
    if (fails) throw lost(operation)
    return result
  }
  return {
    get count() {
      return count
    },
    location: store.location,
    get: (path, range) => run('get', () => store.get(path, range)),
    stat: (path) => run('stat', () => store.stat(path)),
    put: (path, body, options) => run('put', () => store.put(path, body, options)),
    upload: (path, file) => run('upload', () => store.upload(path, file)),
    download: (path, file) => run('download', () => store.download(path, file)),
    async *list(prefix, options) {
      count += 1
      const fails = count === fail
      if (fails && at === 'before') throw lost('list')
      yield* store.list(prefix, options)
      if (fails) throw lost('list')
    },
    remove: (paths) => run('remove', () => store.remove(paths)),
    hidden: (prefix) => store.hidden(prefix),
    abandon: (ageMs) => store.abandon(ageMs),
    close: () => store.close(),
  }
}
