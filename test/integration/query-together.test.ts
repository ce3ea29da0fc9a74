/** Reading several tables of Postgres together while a full build puts others in their place (spec 06 §7). */
import { Client } from 'pg'
import { expect, it } from 'vitest'
import { openPostgresStore } from '../../src/adapters/postgres/store.ts'
import { day, LAYOUT, prepareVersion, row, write } from '../../src/testing/contract/fixtures.ts'
import { describePostgres, freshDatabase } from '../support/postgres.ts'

describePostgres('reading together on Postgres', () => {
  it('begins again when tables are exchanged between its snapshot and the last name', async () => {
    const { url, drop } = await freshDatabase()
    const store = await openPostgresStore({ url, namespace: 'shop', now: () => day(20) })
    const builder = new Client({ connectionString: url })
    try {
      await store.transaction(async (tx) => {
        const unit = { tx, epoch: 1, version: 'v1', now: day(20) }
        await prepareVersion(store, unit)
        const writes = ['a', 'b'].flatMap((id) => [
          write('member', id, { rows: [row(day(1))] }),
          write('loan', `l${id}`, { rows: [row(day(1))] }),
        ])
        await store.history.write(unit, 'live', LAYOUT, writes)
      })
      await builder.connect()
      await builder.query('begin')
      await builder.query('lock table shop_v1.loan_history in access exclusive mode')
      for (const type of ['member', 'loan']) {
        await builder.query(`create schema if not exists "shop_v1~next";
          create table "shop_v1~next".${type}_history (like shop_v1.${type}_history including all);
          insert into "shop_v1~next".${type}_history select * from shop_v1.${type}_history where ${type}_id like '%a'`)
      }
      const statements = ['member', 'loan'].map((type) => {
        return { text: `select ${type}_id from ${store.reader.relation('v1', 'history', type)}`, params: [] }
      })
      const reading = store.reader.together(statements, async (streams) => {
        const found: unknown[][][] = []
        for (const stream of streams) {
          const rows: unknown[][] = []
          for await (const batch of stream) rows.push(...batch.rows)
          found.push(rows)
        }
        return found
      })
      await expect
        .poll(async () => {
          const waiting = await builder.query('select 1 from pg_locks where not granted')
          return waiting.rowCount
        })
        .toBe(1)
      // The reader has the old members, and waits for a name that is about to mean other loans.
      await builder.query(`alter schema shop_v1 rename to "shop_v1~old1";
        alter schema "shop_v1~next" rename to shop_v1; commit`)
      expect(await reading).toEqual([[['a']], [['la']]])
    } finally {
      await builder.end()
      await store.close()
      await drop()
    }
  })
})
