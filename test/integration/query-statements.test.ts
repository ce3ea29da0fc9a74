/** Hand-written SQL is taken on every database and gives the same rows; limits and aborts end it (spec 06 §6). */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { QueryError } from '../../src/errors.ts'
import { describePostgres } from '../support/postgres.ts'
import { type AnyQueryStore, BACKENDS, insertCustomers } from '../support/query-backends.ts'
import { STATEMENTS } from '../support/query-statements.ts'

describePostgres('statements that mean the same everywhere', () => {
  let stores: AnyQueryStore[]
  beforeAll(async () => {
    stores = await Promise.all(BACKENDS.map((backend) => backend.open()))
    for (const store of stores) await insertCustomers(store)
  })
  afterAll(async () => {
    for (const store of stores) await store.close()
  })

  it('are many', () => expect(STATEMENTS.length).toBeGreaterThanOrEqual(40))

  it.each(STATEMENTS.map(([sql, params]) => ({ sql, params })))('$sql', async ({ sql, params }) => {
    const [first, ...others] = await Promise.all(
      stores.map(async (store) => {
        const query = store.root.query(sql, params)
        const rows = await query.rows()
        const streamed = []
        for await (const row of query.stream({ batchSize: 2 })) streamed.push(row)
        expect(streamed).toEqual(rows)
        expect(query.columns).toEqual(Object.keys(rows[0] ?? {}))
        expect(await query.count()).toBe(rows.length)
        return rows
      }),
    )
    expect(first?.length).toBeGreaterThan(0)
    for (const rows of others) expect(rows).toEqual(first)
  })

  it('one mistake each is found at the same place with the same advice', () => {
    const wrong: [sql: string, line: number, column: number, suggestion: string | null][] = [
      ['select plann from customer_history', 1, 8, 'plan'],
      ['select c.mmr\nfrom customer_history c', 1, 10, 'mrr'],
      ['select plan from\n  custmer_history', 2, 3, 'customer_history'],
      ['with c as (select plan as p from customer_history) select plan from c', 1, 59, null],
      ['select plan from customer_history order by pan', 1, 44, 'plan'],
      ['select lenght(plan) as n from customer_history', 1, 8, 'length'],
      ['select s.x from (select plan from customer_history) s', 1, 10, null],
      ['select cast(plan as intger) as i from customer_history', 1, 21, 'integer'],
      ['select plan from customer_history where valid_form is null', 1, 41, 'valid_from'],
    ]
    for (const store of stores) {
      for (const [sql, line, column, suggestion] of wrong) {
        const error = thrown(() => store.root.query(sql))
        expect(error, sql).toBeInstanceOf(QueryError)
        expect((error as QueryError).details.errors, sql).toEqual([
          expect.objectContaining({ line, column, suggestion }),
        ])
      }
    }
  })
})

function thrown(work: () => unknown): unknown {
  try {
    work()
  } catch (error) {
    return error
  }
  return undefined
}
