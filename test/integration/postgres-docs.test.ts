/** The page about Postgres does what it says, against a database of its own. */
import { spawnSync } from 'node:child_process'
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { ROOT } from '../support/clone.ts'
import { describePostgres, freshDatabase } from '../support/postgres.ts'
import { Reader } from '../support/reader.ts'

/** The client may be missing where the server was brought by the tests themselves. */
const psql = spawnSync('psql', ['--version']).status === 0
if (!psql && process.env['CI'] === 'true') throw new Error('psql is missing: install postgresql-client')
if (!psql) process.stderr.write('The page about Postgres is not followed: there is no psql\n')

describePostgres('docs/postgres.md', () => {
  it.skipIf(!psql)('is right, block by block', async () => {
    const database = await freshDatabase()
    const reader = new Reader({ DATABASE_URL: database.url, DEFACTO_POSTGRES_URL: '' })
    try {
      symlinkSync(join(ROOT, 'node_modules'), join(reader.folder, 'node_modules'))
      const blocks = reader.follow('docs/postgres.md')
      expect(blocks.filter(({ kind }) => kind === 'bash').length).toBeGreaterThan(0)
    } finally {
      reader.remove()
      await database.drop()
    }
  })
})
