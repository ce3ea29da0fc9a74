/**
 * One writer of a file at a time, in this process and others: whoever holds the file beside it. DuckDB itself locks what it
 * has open, and the system lets go of the lock of a process that died, so a lock that was left behind stands in nobody's way.
 */
import { open, rm, stat } from 'node:fs/promises'
import type { DuckDBConnection } from '@duckdb/node-api'
import { StorageError } from '../../errors.ts'
import { openDuckdb } from './instance.ts'

/** Locks of the system are of a process, and hold nobody up in the same one. */
const HELD = new Set<string>()

/** Runs `work` as the only writer. `lock` is the path of the lock, `path` what is meant by it. */
export async function withWriteLock<T>(lock: string, path: string, work: () => Promise<T>): Promise<T> {
  if (HELD.has(lock)) throw taken(path)
  HELD.add(lock)
  try {
    const held = await acquire(lock, path)
    try {
      return await work()
    } finally {
      // Gone before it is free: whoever opened it in between notices that it is another file.
      await rm(lock, { force: true })
      await rm(`${lock}.wal`, { force: true })
      held.closeSync()
    }
  } finally {
    HELD.delete(lock)
  }
}

async function acquire(lock: string, path: string): Promise<DuckDBConnection> {
  for (;;) {
    const before = await inode(lock)
    const connection = await openDuckdb(lock).catch(async (error: unknown) => {
      if (!(error instanceof StorageError)) throw error
      if (error.details['locked'] === true) throw taken(path, error)
      if (error.recoverable) throw error
      // Of a process that was killed while it made the lock.
      if (before === null) throw error
      await rm(lock, { force: true })
      return null
    })
    if (connection === null) continue
    const now = await inode(lock)
    if (now !== null && (before === null || now === before)) return connection
    connection.closeSync()
  }
}

async function inode(path: string): Promise<bigint | null> {
  const found = await stat(path, { bigint: true }).catch(() => null)
  return found?.ino ?? null
}

function taken(path: string, cause?: unknown): StorageError {
  return new StorageError(`write: another export is writing to ${path}; try again when it is done`, {
    details: { operation: 'write', driver: 'duckdb' },
    recoverable: true,
    cause,
  })
}

/** What was written is on the disk before anything relies on it. */
export async function flush(path: string): Promise<void> {
  const file = await open(path)
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}
