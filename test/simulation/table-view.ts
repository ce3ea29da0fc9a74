/** The archive as its log describes it, read from what is really stored, whoever wrote it. */
import type { Add } from '../../src/adapters/delta/actions.ts'
import { parseCommit } from '../../src/adapters/delta/actions.ts'
import { parseLogName } from '../../src/adapters/delta/log-names.ts'
import { DIGEST_TAG } from '../../src/adapters/delta/table-state.ts'
import type { ArchiveRow } from '../../src/ports/archive.ts'
import type { Bucket } from './bucket.ts'

/** Rows of a stored file; null if it cannot be read. */
export type Decode = (path: string, body: Uint8Array, digest: string) => readonly ArchiveRow[] | null

export interface LiveFile {
  readonly path: string
  /** Null if the object is not there or cannot be read. */
  readonly rows: readonly ArchiveRow[] | null
}

export class TableView {
  version = -1
  /** Last sequence that a flush recorded. */
  boundary = 0
  readonly #bucket: Bucket
  readonly #decode: Decode
  readonly #live = new Map<string, Add>()

  constructor(bucket: Bucket, decode: Decode) {
    this.#bucket = bucket
    this.#decode = decode
  }

  /** True if the object was the commit of the next version. One in the place of a cleaned commit counts for nobody. */
  take(path: string): boolean {
    const name = parseLogName(path)
    const stored = this.#bucket.objects.get(path)
    if (name?.kind !== 'commit' || stored === undefined || name.version !== this.version + 1) return false
    this.version = name.version
    const actions = parseCommit(stored.body, path)
    for (const action of actions) if ('remove' in action) this.#live.delete(action.remove.path)
    for (const action of actions) {
      if ('add' in action) this.#live.set(action.add.path, action.add)
      if ('txn' in action && action.txn.appId.startsWith('defacto-flush/')) this.boundary = action.txn.version
    }
    return true
  }

  has(path: string): boolean {
    return this.#live.has(path)
  }

  files(): LiveFile[] {
    return [...this.#live.values()].map(({ path, tags }) => {
      const body = this.#bucket.objects.get(path)?.body
      return { path, rows: body === undefined ? null : this.#decode(path, body, tags?.[DIGEST_TAG] ?? '') }
    })
  }
}
