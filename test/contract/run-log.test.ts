/** The run log over all storage backends, spaces that are older than it, and attempts that meet in Postgres (spec 10 §2). */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, it } from 'vitest'
import { MIGRATIONS as POSTGRES_MIGRATIONS } from '../../src/adapters/postgres/migrations.ts'
import { openPostgresStore } from '../../src/adapters/postgres/store.ts'
import { MIGRATIONS as SQLITE_MIGRATIONS } from '../../src/adapters/sqlite/migrations.ts'
import { APPLICATION_ID } from '../../src/adapters/sqlite/open.ts'
import { openSqliteStore } from '../../src/adapters/sqlite/store.ts'
import { ConfigError, Fenced } from '../../src/errors.ts'
import type { Store } from '../../src/ports/store.ts'
import { inUnit, NOW } from '../../src/testing/contract/backend.ts'
import { event } from '../../src/testing/contract/fixtures.ts'
import { runLogContract } from '../../src/testing/contract/run-log.ts'
import { begun, fenceOf, minute } from '../../src/testing/contract/run-log-fixtures.ts'
import { BACKENDS, POSTGRES } from '../support/backends.ts'
import { describePostgres, execute, freshNamespace } from '../support/postgres.ts'
import { untilSomeoneWaits, withPostgres } from '../support/postgres-store.ts'

for (const backend of BACKENDS) runLogContract({ backend, api: { describe, it } })
runLogContract({ backend: POSTGRES, api: { describe: describePostgres, it } })

/** What a release without a run log wrote about itself. */
function metaOf(namespace: string, names: readonly string[]): string {
  const done = names.map((name, i) => `, ('migration/${i + 1}', '${NOW} ${name}')`).join('')
  return `('space_id', 'a-b-c'), ('namespace', '${namespace}'), ('schema', '2'), ('schema_minimum', '2')${done}`
}

/** Refused as it is, brought up to date when asked, with what is in it; who does not know the log may go on with it. */
async function assertUpgrades(open: (migrations: 'auto' | 'check') => Promise<Store>): Promise<void> {
  await assert.rejects(
    open('check'),
    (error) =>
      error instanceof ConfigError &&
      error.code === 'E_MIGRATION' &&
      /has tables of level 2, this package needs 6/.test(error.message),
  )
  const store = await open('auto')
  assert.equal(store.spaceId, 'a-b-c')
  assert.deepEqual(await inUnit(store, (unit) => store.ledger.append(unit, [event('a')])), [
    { sequence: 8, inserted: true },
  ])
  await begun(store.log, 'r_1')
  await store.close()
  const again = await open('check')
  assert.equal((await again.log.runs.get('r_1'))?.epoch, 1)
  await again.close()
}

describe('a SQLite file without a run log', () => {
  it('gets one', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'defacto-run-log-'))
    try {
      const path = join(folder, 'space.db')
      const db = new DatabaseSync(path)
      const old = SQLITE_MIGRATIONS.slice(0, 2)
      const names = old.map(({ name }) => name)
      db.exec(`pragma application_id = ${APPLICATION_ID}; create table meta (key text primary key, value text not null) without rowid;
        insert into meta values ${metaOf('shop', names)}; ${old.map(({ sql }) => sql).join('')} update head set last = 7`)
      db.close()
      await assertUpgrades((migrations) => openSqliteStore({ path, migrations, now: () => NOW }))
      const upgraded = new DatabaseSync(path, { readOnly: true })
      const minimum = upgraded.prepare(`select value from meta where key = 'schema_minimum'`).get()
      upgraded.close()
      assert.equal(minimum?.['value'], '5')
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})

describePostgres('a namespace without a run log', () => {
  it('gets one', async () => {
    const { url, namespace, drop } = freshNamespace()
    try {
      const old = POSTGRES_MIGRATIONS.slice(0, 2)
      const names = old.map(({ name }) => name)
      await execute(
        url,
        `create schema ${namespace}; set search_path = ${namespace}; create table meta (key text primary key, value text not null);
        insert into meta values ${metaOf(namespace, names)}; ${old.map(({ sql }) => sql).join('')}; update head set last = 7`,
      )
      await assertUpgrades((migrations) => openPostgresStore({ url, namespace, migrations, now: () => NOW }))
    } finally {
      await drop()
    }
  })
})

describePostgres('attempts that meet', () => {
  it('the next one waits for the chunk that is open, which is the last of the one before', async () => {
    await withPostgres(async ({ store, open, admin, names }) => {
      const other = await open()
      const fence = fenceOf(await begun(store.log, 'r_1'))
      const inChunk = Promise.withResolvers<void>()
      const goOn = Promise.withResolvers<void>()
      const chunk = inUnit(store, async (unit) => {
        await store.log.runs.advance(unit, fence, { at: minute(2), cursor: 1, add: { rows: 1 } })
        inChunk.resolve()
        await goOn.promise
      })
      await inChunk.promise
      const next = other.log.runs.begin('r_1', minute(3))
      await untilSomeoneWaits(admin, names)
      // Who only tells what happens is not held up.
      const third = await open()
      await third.log.runs.log('r_1', minute(3), [{ kind: 'log', message: 'another worker began' }])
      goOn.resolve()
      await chunk
      const run = await next
      assert.deepEqual([run.epoch, run.cursor, run.stats, run.attempt], [2, 1, { rows: 1 }, 1])
      await assert.rejects(
        inUnit(store, (unit) => store.log.runs.advance(unit, fence, { at: minute(4) })),
        (error) => error instanceof Fenced && error.details['current'] === 2,
      )
    })
  })

  it('a chunk that meets the beginning of the next attempt waits for it, and is fenced', async () => {
    await withPostgres(async ({ store, admin, names }) => {
      const fence = fenceOf(await begun(store.log, 'r_1'))
      let chunk: Promise<unknown> = Promise.resolve()
      await admin.transaction(async (tx) => {
        await admin.query(tx, 'test', `update ${names.infra('runs')} set epoch = epoch + 1, attempt = attempt + 1`)
        chunk = assert.rejects(
          inUnit(store, async (unit) => {
            await store.ledger.append(unit, [event('a')])
            await store.log.runs.advance(unit, fence, { at: minute(2), add: { rows: 1 } })
          }),
          Fenced,
        )
        await untilSomeoneWaits(admin, names)
      })
      await chunk
      assert.equal(await store.ledger.head(), 0)
      assert.deepEqual((await store.log.runs.get('r_1'))?.stats, {})
    })
  })
})
