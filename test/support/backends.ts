/** The databases that contract suites run on; another one is another row. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openPostgresStore } from '../../src/adapters/postgres/store.ts'
import { openSqliteStore } from '../../src/adapters/sqlite/store.ts'
import { type Backend, NOW } from '../../src/testing/contract/backend.ts'
import { freshNamespace } from './postgres.ts'

export const BACKENDS: readonly Backend[] = [
  {
    name: 'a SQLite file',
    shared: true,
    async space() {
      const folder = await mkdtemp(join(tmpdir(), 'defacto-contract-'))
      const path = join(folder, 'space.db')
      return {
        open: (options) => openSqliteStore({ path, now: () => NOW, ...options }),
        dispose: () => rm(folder, { recursive: true }),
      }
    },
  },
  {
    name: 'SQLite in memory',
    shared: false,
    async space() {
      return {
        open: (options) => openSqliteStore({ path: ':memory:', now: () => NOW, ...options }),
        dispose: async () => {},
      }
    },
  },
]

export const POSTGRES: Backend = {
  name: 'Postgres',
  shared: true,
  async space() {
    const { url, namespace, drop } = freshNamespace()
    return { open: (options) => openPostgresStore({ url, namespace, now: () => NOW, ...options }), dispose: drop }
  },
}
