/**
 * Bytes of removed rows leave the file (spec 10 §10): they stay in free pages, in gaps of others and in the log until what is
 * left is written anew.
 */
import { statSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { StorageError } from '../../errors.ts'
import type { Scrubbed } from '../../ports/store.ts'
import type { Connection } from './connection.ts'
import type { Database } from './database.ts'
import { isBusy, storageError } from './errors.ts'

/** How long readers of old snapshots, and other writers, are waited for. */
const WAIT_MS = 30_000
const PAUSE_MS = 20

export function scrubSqlite(database: Database, { signal }: { signal?: AbortSignal } = {}): Promise<Scrubbed> {
  const { location } = database
  return database.alone('scrub', async (connection) => {
    const deadline = performance.now() + WAIT_MS
    const bytesBefore = bytesOf(database)
    const old = connection.get('pragma secure_delete')?.[0]
    connection.exec('pragma secure_delete = on')
    try {
      // Statistics may quote values.
      if (connection.hasTable('sqlite_stat1'))
        await patiently(() => connection.exec('analyze'), location, deadline, signal)
      await patiently(() => connection.exec('vacuum'), location, deadline, signal)
      if (!database.inMemory) await emptyLog(connection, location, deadline, signal)
    } finally {
      connection.exec(`pragma secure_delete = ${Number(old ?? 0)}`)
    }
    return { method: 'VACUUM, wal_checkpoint(TRUNCATE)', bytesBefore, bytesAfter: bytesOf(database), left: [] }
  })
}

/** The log has every page that was written since it was last empty. It cannot be emptied while somebody reads from it. */
async function emptyLog(
  connection: Connection,
  location: string,
  deadline: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (;;) {
    signal?.throwIfAborted()
    // Not prepared: its plan would keep the file from being emptied.
    const [row] = connection.db.prepare('pragma wal_checkpoint(truncate)').all() as { busy: number }[]
    if (Number(row?.busy ?? 0) === 0) return
    if (performance.now() >= deadline) {
      throw new StorageError(
        `scrub: ${location} is being read, so its log cannot be emptied; end long queries and exports, and try again`,
        { details: { operation: 'scrub' }, recoverable: true },
      )
    }
    await pause(PAUSE_MS)
  }
}

/** The connection itself does not wait. */
async function patiently(
  work: () => void,
  location: string,
  deadline: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (;;) {
    signal?.throwIfAborted()
    try {
      work()
      return
    } catch (error) {
      if (!isBusy(error) || performance.now() >= deadline) throw storageError(error, 'scrub', location)
    }
    await pause(PAUSE_MS)
  }
}

function bytesOf({ location, inMemory }: Database): number {
  if (inMemory) return 0
  return ['', '-wal'].reduce((sum, end) => sum + (statSync(location + end, { throwIfNoEntry: false })?.size ?? 0), 0)
}
