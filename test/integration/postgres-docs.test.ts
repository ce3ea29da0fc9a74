/** The page about Postgres does what it says, against a database of its own. */
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { ROOT } from '../support/clone.ts'
import { describePostgres, freshDatabase } from '../support/postgres.ts'
import { Reader } from '../support/reader.ts'

describePostgres('docs/postgres.md', () => {
  it('is right, block by block', async () => {
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
