import { expect, it } from 'vitest'
import { sum } from '../../src/query/expression.ts'
import type { TableQuery } from '../../src/query/table-query.ts'
import { entityRow, openQueryStore } from '../support/query-store.ts'

interface Customer {
  readonly customer_id: string
  readonly plan: string | null
  readonly mrr: number | null
  readonly active: boolean | null
}

/** The compiler checks this file; at run time the same mistakes are QueryErrors. */
it('the row type follows the steps', async () => {
  const store = openQueryStore()
  store.insert('customer_history', entityRow('customer', 'a', 'lead', { plan: 'pro', mrr: 10, active: true }))
  const customers = store.root.table('customer') as unknown as TableQuery<Customer>

  const [row] = await customers.filter((r) => r.mrr.gt(5).and(r.plan.eq('pro'))).rows()
  const mrr: number | null | undefined = row?.mrr
  expect(mrr).toBe(10)

  const [group] = await customers
    .groupBy('plan')
    .agg({ total: sum('mrr') })
    .rows()
  const total: number | undefined = group?.total
  const plan: string | null | undefined = group?.plan
  expect([plan, total]).toEqual(['pro', 10])

  const renamed = await customers
    .mutate({ arr: (r) => r.mrr.mul(12) })
    .rename({ plan: 'tier' })
    .drop('active')
    .first()
  const arr: number | null | undefined = renamed?.arr
  const tier: string | null | undefined = renamed?.tier
  expect([arr, tier]).toEqual([120, 'pro'])

  const mistakes = [
    // @ts-expect-error no such column
    () => customers.orderBy('mmr'),
    // @ts-expect-error no such column
    () => customers.filter({ mmr: 5 }),
    // @ts-expect-error text against a number
    () => customers.filter((r) => r.mrr.gt('x')),
    // @ts-expect-error text against a number
    () => customers.filter({ mrr: { gt: 'x' } }),
    // @ts-expect-error no condition
    () => customers.filter((r) => r.mrr),
    // @ts-expect-error no such column any more
    () => customers.select('plan').filter({ mrr: 1 }),
    // @ts-expect-error no such column
    () => customers.groupBy('pln'),
  ]
  for (const mistake of mistakes) expect(mistake).toThrow()
})
