/** Spaces in SQLite files. */
import { rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { SqliteFloor } from './floor-sqlite.ts'
import type { BenchStore } from './store.ts'

export async function openSqlite(scratch: string): Promise<BenchStore> {
  const file = (space: string): string => join(scratch, `${space}.db`)
  return {
    name: 'sqlite',
    clock: () => 0,
    place: (space) => ({ database: file(space) }),
    size: async (space) => statSync(file(space)).size,
    remove: async (space) => removeDatabase(file(space)),
    floor: async (space) => sqliteFloor(file(space), scratch),
    [Symbol.asyncDispose]: async () => undefined,
  }
}

export function sqliteFloor(database: string, scratch: string): SqliteFloor {
  return new SqliteFloor(database, join(scratch, 'floor.db'))
}

export function removeDatabase(path: string): void {
  for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true })
}
