/** What `assertEntity` reads and how it compares (spec 06 §8). */
import { AssertionError } from 'node:assert'
import { beforeEach, expect, it } from 'vitest'
import { historyLayout } from '../../src/core/program/layout.ts'
import type { QueryReader } from '../../src/ports/reading.ts'
import { assertEntity } from '../../src/query/assert-entity.ts'
import { createQueryRoot, type QueryRoot } from '../../src/query/root.ts'
import { DEFINITIONS, entityRow, openQueryStore } from '../support/query-store.ts'

let root: QueryRoot
let read: number[]

beforeEach(() => {
  const store = openQueryStore()
  store.insert('order_history', entityRow('order', 'o', 'open', { total: -0 }))
  for (let day = 1; day < 28; day++) {
    const at = (d: number): string => `2024-01-${String(d).padStart(2, '0')}T00:00:00+00:00`
    const cells = { seats: day, signup: at(day), valid_from: at(day), valid_to: day === 27 ? null : at(day + 1) }
    for (const id of ['a', 'b', 'c']) store.insert('customer_history', entityRow('customer', id, 'lead', cells))
  }
  const gone = { valid_to: '2024-02-01T00:00:00+00:00' }
  store.insert('customer_history', entityRow('customer', 'erased', 'lead', gone))
  store.insert('customer_history', entityRow('customer', 'merged', 'lead', { ...gone, merged_into: 'a' }))
  read = []
  const reader: QueryReader = {
    ...store.reader,
    all: async (sql, params) => {
      const result = await store.reader.all(sql, params)
      read.push(result.rows.length)
      return result
    },
  }
  root = createQueryRoot(reader, { definitions: DEFINITIONS, layout: historyLayout(DEFINITIONS) }, 'v1')
})

it('reads one row, however many there are', async () => {
  await assertEntity(root, 'a', { state: 'lead', seats: 27 })
  // Whose it is, and itself.
  expect(read).toEqual([1, 1])
})

it('compares instants as instants, in every form, and numbers as numbers', async () => {
  for (const signup of ['2024-01-27', '2024-01-27T01:00:00+01:00', new Date('2024-01-27'), Date.UTC(2024, 0, 27)]) {
    await assertEntity(root, 'a', { signup })
  }
  await assertEntity(root, 'a', { seats: 27n, mrr: null })
  await assertEntity(root, 'o', { state: 'open', total: 0 })
  const error = await assertEntity(root, 'a', { signup: '2024-01-28', seats: 27 }).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(AssertionError)
  expect(error).toMatchObject({
    message: expect.stringContaining("Entity 'a' (customer) differs in: signup"),
    expected: { signup: '2024-01-28', seats: 27 },
    actual: { signup: '2024-01-27T00:00:00+00:00', seats: 27 },
  })
  // Lists are compared by what is in them; no column holds one.
  await expect(assertEntity(root, 'a', { plan: ['x'] })).rejects.toThrow(/differs in: plan/)
})

it('says what became of an entity without a current row', async () => {
  const fails = (id: string, expected: Record<string, unknown>) => expect(assertEntity(root, id, expected)).rejects
  await fails('nobody', {}).toThrow("No entity has the id 'nobody'")
  await fails('erased', {}).toThrow("Entity 'erased' (customer) has no current row: it was erased")
  await fails('merged', {}).toThrow("Entity 'merged' (customer) was merged into 'a'")
  await fails('a', { seets: 1 }).toThrow(
    /has no property 'seets' \(did you mean 'seats'\?\); columns: customer_id, customer_state, plan,/,
  )
})
