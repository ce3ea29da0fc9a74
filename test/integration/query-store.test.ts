import { AssertionError } from 'node:assert'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openPostgresStore } from '../../src/adapters/postgres/store.ts'
import { openSqliteStore } from '../../src/adapters/sqlite/store.ts'
import type { EntityWrite } from '../../src/core/history.ts'
import type { Instant } from '../../src/core/instant.ts'
import type { Store, Unit } from '../../src/ports/store.ts'
import { assertEntity } from '../../src/query/assert-entity.ts'
import { count, desc, first, last, sql } from '../../src/query/expression.ts'
import { createQueryRoot, type QueryRoot } from '../../src/query/root.ts'
import { day, edge, LAYOUT, prepareVersion, row, write } from '../../src/testing/contract/fixtures.ts'
import { describePostgres, freshNamespace } from '../support/postgres.ts'

async function drain(rows: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of rows);
}

const program = { definitions: { entities: {}, sources: {}, schemas: {}, pipelines: {} }, layout: LAYOUT }

interface Place {
  readonly name: string
  readonly describe: typeof describe
  open(): Promise<{ store: Store; dispose(): unknown }>
}
const now = (): Instant => day(20)
const PLACES: readonly Place[] = [
  {
    name: 'SQLite file',
    describe,
    async open() {
      const folder = mkdtempSync(join(tmpdir(), 'query-store-'))
      const store = await openSqliteStore({ path: join(folder, 'q.db'), now })
      return { store, dispose: () => rmSync(folder, { recursive: true }) }
    },
  },
  {
    name: 'SQLite in memory',
    describe,
    open: async () => ({ store: await openSqliteStore({ path: ':memory:', now }), dispose: () => undefined }),
  },
  {
    name: 'Postgres',
    describe: describePostgres as typeof describe,
    async open() {
      const { url, namespace, drop } = freshNamespace()
      return { store: await openPostgresStore({ url, namespace, now }), dispose: drop }
    },
  },
]

for (const place of PLACES)
  place.describe(`queries on a store: ${place.name}`, () => {
    let dispose: () => unknown
    let store: Store
    let root: QueryRoot

    const inUnit = (work: (unit: Unit) => Promise<unknown>, version = 'v1'): Promise<void> =>
      store.transaction(async (tx) => {
        await work({ tx, epoch: 0, version, now: day(20) })
      })

    beforeEach(async () => {
      const opened = await place.open()
      store = opened.store
      dispose = opened.dispose
      const member = (id: string, options: Partial<EntityWrite>): EntityWrite => write('member', id, options)
      const paid = row(day(5), { properties: { fee: 12.5, loans: 2 ** 40, active: true, joined: day(2), order: 'x' } })
      await inUnit(async (unit) => {
        await prepareVersion(store, unit)
        await store.history.write(unit, 'live', LAYOUT, [
          member('a', {
            rows: [row(day(1), { state: 'new', validTo: day(5), properties: { fee: 1 } }), paid],
            edges: [{ ...edge('took_out', 'l1', day(3)), properties: { deposit: 20 } }],
          }),
          member('b', { rows: [row(day(2), { properties: { loans: 2n ** 60n } })] }),
          member('z', { rows: [row(day(1), { properties: { fee: 3 } })] }),
          write('loan', 'l1', { rows: [row(day(3), { properties: { tool: 'saw' } })] }),
        ])
        await store.history.absorb(unit, LAYOUT, 'member', 'z', 'a', day(6))
      })
      root = createQueryRoot(store.reader, program, 'v1')
    })
    afterEach(async () => {
      await store.close()
      await dispose()
    })

    it('reads current rows with their types', async () => {
      const rows = await root.table('member').orderBy('member_id').rows()
      expect(rows.map((r) => r.member_id)).toEqual(['a', 'b'])
      expect(rows[0]).toMatchObject({
        member_state: 'active',
        fee: 12.5,
        loans: 2 ** 40,
        active: true,
        joined: '2024-01-02T00:00:00+00:00',
        order: 'x',
        valid_from: '2024-01-05T00:00:00+00:00',
      })
      expect(rows[1]?.loans).toBe(2n ** 60n)
      expect(Object.keys(rows[0] ?? {})).not.toContain('_sequence')
      expect(
        await root
          .table('member')
          .filter({ loans: 2n ** 60n, order: { isNull: true } })
          .count(),
      ).toBe(1)
    })

    it('past, merges, edges', async () => {
      const past = root.history('member').asOf('2024-01-04')
      expect((await past.orderBy('member_id').rows()).map((r) => r.member_state)).toEqual(['new', 'active'])
      const merged = await root.history('member').filter({ member_id: 'a' }).resolveMerges().orderBy('member_id').rows()
      expect(merged.map((r) => [r.member_id, r.merged_into])).toEqual([
        ['a', null],
        ['a', null],
        ['z', 'a'],
      ])
      expect(await root.relationship('taken_by').select('source_id', 'target_id', 'deposit').rows()).toEqual([
        { source_id: 'l1', target_id: 'a', deposit: 20 },
      ])
      expect(await root.relationships().count()).toBe(1)
      expect([...root.tables()].map(([name]) => name)).toEqual(['member', 'loan', 'rel_took_out', 'rel_knows'])
      expect((await root.tables().toRows()).rel_took_out).toHaveLength(1)
    })

    it('aggregates, windows of raw SQL and streams pass the guard', async () => {
      const grouped = root
        .history('member')
        .groupBy('member_id')
        .agg({ n: count(), from: first('fee'), to: last('fee') })
      expect(await grouped.orderBy(desc('n')).limit(1).rows()).toEqual([{ member_id: 'a', n: 2, from: 1, to: 12.5 }])
      expect(
        await root
          .table('member')
          .select({
            w: (r) =>
              store.dialect === 'sqlite'
                ? sql`strftime('%Y', ${r.valid_from})`
                : sql`to_char(${r.valid_from}, ${'YYYY'})`,
          })
          .distinct()
          .rows(),
      ).toEqual([{ w: '2024' }])
      const text = `with recursive d(n) as (select 1 union all select n + 1 from d where n < $1),
      best as (select m.*, row_number() over (partition by member_id order by valid_from desc) as rank from member_history m)
      select b.member_id, b."order", d.n from best b join d on d.n = b.rank where b.fee > 2 order by b.member_id`
      expect(await root.query(text, [3]).rows()).toEqual([
        { member_id: 'a', order: 'x', n: 1 },
        { member_id: 'z', order: null, n: 1 },
      ])
      const seen = []
      for await (const r of root.history('member').orderBy('member_id').stream({ batchSize: 2 })) seen.push(r.member_id)
      expect(seen).toEqual(['a', 'a', 'b'])
    })

    it('the guard holds even where the check is switched off', async () => {
      await expect(root.query('select * from ledger', [], { validate: false }).rows()).rejects.toThrow(
        /only read history/,
      )
    })

    it('other versions are read under their own tables', async () => {
      await inUnit(async (unit) => {
        await prepareVersion(store, unit)
        await store.history.write(unit, 'live', LAYOUT, [write('member', 'only', { rows: [row(day(1))] })])
      }, 'v2')
      const other = createQueryRoot(store.reader, program, 'v2')
      expect((await other.table('member').rows()).map((r) => r.member_id)).toEqual(['only'])
      expect(await other.query('select member_history.member_id from member_history').rows()).toEqual([
        { member_id: 'only' },
      ])
      expect(await other.relationships().count()).toBe(0)
    })

    it('a query that takes too long ends', async () => {
      const endless = root.query(
        'with recursive n(i) as (select 1 union all select i + 1 from n) select i from n',
        [],
        {
          timeoutMs: 20,
        },
      )
      await expect(drain(endless.stream())).rejects.toThrow(/longer than 20 ms/)
    })

    it('assertEntity', async () => {
      const fails = (id: string, expected: Record<string, unknown>) => expect(assertEntity(root, id, expected)).rejects
      await assertEntity(root, 'a', {
        state: 'active',
        fee: 12.5,
        loans: 2 ** 40,
        active: true,
        joined: '2024-01-02T01:00:00+01:00',
      })
      await assertEntity(root, 'b', { fee: null, loans: 2n ** 60n, joined: null })
      await assertEntity(root, 'l1', { tool: 'saw' })
      const error = await assertEntity(root, 'a', { state: 'new' }).catch((thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(AssertionError)
      expect((error as AssertionError).message).toMatch(/^Entity 'a' \(member\) differs in: state\n/)
      expect((error as AssertionError).actual).toEqual({ state: 'active' })
      expect((error as AssertionError).expected).toEqual({ state: 'new' })
      await fails('a', { fee: 1, order: 'x' }).toThrow(/differs in: fee\n/)
      await fails('a', { fe: 1 }).toThrow(/no property 'fe' \(did you mean 'fee'\?\); columns: .*joined/)
      await fails('z', { state: 'active' }).toThrow("Entity 'z' (member) was merged into 'a'")
      await fails('nobody', {}).toThrow("No entity has the id 'nobody'")
    })
  })
