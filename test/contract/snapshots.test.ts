/** Two who write a snapshot to the same place at the same time (spec 06 §7): one after the other, or one is told so. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Client } from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { exportWriters } from '../../src/export-writers.ts'
import type { ExportTable } from '../../src/ports/exports.ts'
import { describePostgres, freshDatabase } from '../support/postgres.ts'

/** One table whose row comes when `go` does; `asked` tells that its writer is waiting for it. */
function heldTable(value: string): { table: ExportTable; asked: Promise<void>; go: () => void } {
  const asked = Promise.withResolvers<void>()
  const held = Promise.withResolvers<void>()
  async function* chunks(): AsyncGenerator<readonly (readonly unknown[])[]> {
    asked.resolve()
    await held.promise
    yield [[value]]
  }
  const table = { name: 'people', columns: [{ name: 'who', type: 'string' } as const], chunks: chunks() }
  return { table, asked: asked.promise, go: held.resolve }
}

function tableOf(value: string): ExportTable {
  const { table, go } = heldTable(value)
  go()
  return table
}

const { snapshot } = exportWriters()

describePostgres('snapshots in Postgres', () => {
  let database: Awaited<ReturnType<typeof freshDatabase>>
  beforeEach(async () => {
    database = await freshDatabase()
  })
  afterEach(() => database.drop())

  it('of two writers follow each other: nothing of both is mixed', async () => {
    await snapshot(database.url, [tableOf('before')])
    const first = heldTable('first')
    const one = snapshot(database.url, [first.table])
    await first.asked
    const two = snapshot(database.url, [tableOf('second')])
    const client = new Client({ connectionString: database.url })
    await client.connect()
    try {
      await expect
        .poll(async () => {
          const { rows } = await client.query(`select 1 from pg_locks where not granted and pid <> pg_backend_pid()`)
          return rows.length
        })
        .toBeGreaterThan(0)
      first.go()
      await Promise.all([one, two])
      expect((await client.query('select who from defacto_snapshot.people')).rows).toEqual([{ who: 'second' }])
    } finally {
      await client.end()
    }
  })
})

describe('snapshots in SQLite', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'snapshots-'))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  const rowsOf = (path: string): unknown[] => {
    using db = new DatabaseSync(path, { readOnly: true })
    return db.prepare('select who from people').all()
  }

  it('that are new are there when they are whole', async () => {
    const path = join(folder, 'flat.db')
    const held = heldTable('a')
    const writing = snapshot(path, [held.table])
    await held.asked
    expect(readdirSync(folder)).not.toContain('flat.db')
    held.go()
    await writing
    expect(readdirSync(folder)).toEqual(['flat.db'])
    expect(rowsOf(path)).toEqual([{ who: 'a' }])
  })

  it('of two writers: what one has written is not cleared away by the other that failed', async () => {
    const path = join(folder, 'flat.db')
    const first = heldTable('first')
    const one = snapshot(path, [first.table])
    await first.asked
    const failing = heldTable('second')
    const two = snapshot(path, [{ ...failing.table, columns: [] }])
    await expect(two).rejects.toThrow()
    first.go()
    await one
    expect(rowsOf(path)).toEqual([{ who: 'first' }])
  })
})
