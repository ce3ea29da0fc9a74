import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { QueryError } from '../../src/errors.ts'
import type { QueryRoot } from '../../src/query/root.ts'
import { type AnyQueryStore, BACKENDS, insertCustomers } from '../support/query-backends.ts'
import { entityRow } from '../support/query-store.ts'

const JAN = '2024-01-01T00:00:00+00:00'
const FEB = '2024-02-01T00:00:00+00:00'
const MAR = '2024-03-01T00:00:00+00:00'

for (const backend of BACKENDS)
  backend.describe(`merged entities on ${backend.name}`, () => {
    let store: AnyQueryStore
    let root: QueryRoot
    beforeAll(async () => {
      store = await backend.open()
      root = store.root
      await insertCustomers(store)
    })
    afterAll(() => store.close())

    const ids = async (query: { rows(): Promise<Record<string, unknown>[]> }): Promise<unknown[]> =>
      (await query.rows()).map((row) => row.customer_id).sort()

    describe('with rows of losers', () => {
      beforeAll(async () => {
        const lost = (id: string, into: string, from: string, to: string) =>
          entityRow('customer', id, 'lead', { plan: 'old', mrr: 1, merged_into: into, valid_from: from, valid_to: to })
        await store.insert(
          'customer_history',
          lost('l1', 'a', JAN, FEB),
          lost('l1', 'a', FEB, MAR),
          lost('l2', 'l1', JAN, FEB),
          lost('l3', 'l2', JAN, FEB),
          lost('m1', 'b', JAN, MAR),
        )
      })

      it('table() and history() hold survivors only', async () => {
        expect(await ids(root.table('customer'))).toEqual(['a', 'b', 'c', 'd'])
        expect(await ids(root.history('customer'))).toEqual(['a', 'a', 'b', 'c', 'd'])
      })

      it('resolveMerges adds the rows of everything merged, through chains, once', async () => {
        const a = root.history('customer').filter({ customer_id: 'a' })
        expect(await ids(a.resolveMerges())).toEqual(['a', 'a', 'l1', 'l1', 'l2', 'l3'])
        expect(await ids(a.resolveMerges().resolveMerges())).toEqual(['a', 'a', 'l1', 'l1', 'l2', 'l3'])
        expect(await ids(root.table('customer').resolveMerges())).toEqual([
          'a',
          'b',
          'c',
          'd',
          'l1',
          'l1',
          'l2',
          'l3',
          'm1',
        ])
        expect(await ids(root.history('customer').resolveMerges().filter({ plan: 'old' }))).toEqual([
          'l1',
          'l1',
          'l2',
          'l3',
          'm1',
        ])
        const row = await a.resolveMerges().filter({ customer_id: 'l2' }).first()
        expect(row?.merged_into).toBe('l1')
      })

      it('goes together with asOf in either order', async () => {
        const expected = ['a', 'l1', 'l2', 'l3']
        const a = root.history('customer').filter({ customer_id: 'a' })
        expect(await ids(a.asOf('2024-01-15').resolveMerges())).toEqual(expected)
        expect(await ids(a.resolveMerges().asOf('2024-01-15'))).toEqual(expected)
        expect(
          await ids(root.history('customer').asOf('2024-02-15').filter({ customer_id: 'a' }).resolveMerges()),
        ).toEqual(['a', 'l1'])
      })

      it('needs rows of one entity type', () => {
        expect(() => root.relationships().resolveMerges()).toThrow(/one entity type/)
        expect(() => root.table('customer').select('mrr').resolveMerges()).toThrow(QueryError)
      })
    })
  })
