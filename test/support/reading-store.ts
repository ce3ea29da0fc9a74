/** An object store that notes which bytes of data files are read, over a real one. */
import type { ObjectStore } from '../../src/ports/objects.ts'

export interface ReadingStore extends ObjectStore {
  /** Ranges of data files read so far, in order. */
  ranges(): { start: number; end: number }[]
  /** Data files fetched whole so far, in order. */
  downloads(): string[]
  /** Begins anew. */
  forget(): void
}

export function readingStore(store: ObjectStore): ReadingStore {
  const ranges: { start: number; end: number }[] = []
  const downloads: string[] = []
  const isData = (path: string) => path.startsWith('data/')
  return {
    location: store.location,
    get(path, range) {
      if (isData(path) && range !== undefined) ranges.push({ start: range.start, end: range.end ?? Infinity })
      return store.get(path, range)
    },
    stat: (path) => store.stat(path),
    put: (path, body, options) => store.put(path, body, options),
    upload: (path, file) => store.upload(path, file),
    download(path, file) {
      if (isData(path)) downloads.push(path)
      return store.download(path, file)
    },
    list: (prefix, options) => store.list(prefix, options),
    remove: (paths) => store.remove(paths),
    hidden: (prefix) => store.hidden(prefix),
    abandon: (ageMs) => store.abandon(ageMs),
    close: () => store.close(),
    ranges: () => [...ranges],
    downloads: () => [...downloads],
    forget() {
      ranges.length = 0
      downloads.length = 0
    },
  }
}
