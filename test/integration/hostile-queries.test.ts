/** Calls that types would refuse, from programs without types: told what is wrong, and never answered with other rows. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { QueryError } from '../../src/errors.ts'
import { join, openPeople } from '../support/export-space.ts'

// biome-ignore lint/suspicious/noExplicitAny: what a program without types can do
type Untyped = any

let space: Untyped
beforeAll(async () => {
  space = await openPeople(':memory:')
  await join(space, 0, 3)
})
afterAll(() => space.close())

describe('a wrong call is a QueryError that says what is wrong', () => {
  const people = (): Untyped => space.table('person')
  const wrong: readonly (readonly [string, () => unknown, string])[] = [
    ['r.visits > 1', () => people().filter((r: Untyped) => r.visits > 1), 'r.a.gt(1) for r.a > 1'],
    ['text of a column', () => people().filter((r: Untyped) => r.email.eq(`${r.person_id}`)), 'r.a.add(r.b)'],
    ['r.a + r.b', () => people().mutate({ x: (r: Untyped) => r.visits + r.visits }), 'r.a.add(r.b)'],
    ['select(undefined)', () => people().select(undefined), 'select: takes names'],
    ['orderBy(1)', () => people().orderBy(1), 'orderBy: a key is'],
    ['join()', () => people().join(), 'join: the other side'],
    ['join(object)', () => people().join({}, 'x'), 'join: the other side'],
    ['join without on', () => people().join(people()), 'join: say what is joined'],
    ['union()', () => people().union(), 'union: the other side'],
    ['table()', () => space.table(), 'name of an entity type must be a text'],
    ['relationship(1)', () => space.relationship(1), 'name of a relationship must be a text'],
    ['unknown option', () => space.query('select 1 as x', [], { timeout: 5 }), "no option 'timeout'"],
    ['timeoutMs: NaN', () => space.query('select 1 as x', [], { timeoutMs: Number.NaN }), 'timeoutMs must be'],
    ['timeoutMs: -1', () => space.query('select 1 as x', [], { timeoutMs: -1 }), 'timeoutMs must be'],
    ['timeline()', () => space.timeline(), 'timeline: the entity id must be a text'],
    ['toCsv()', () => people().toCsv(), 'the target must be a text'],
    ['toCsv("")', () => people().toCsv(''), 'the target must be a text'],
    ['toParquet with a null byte', () => people().toParquet('/tmp/a\0b'), 'the target must be a text'],
    ['toCsv(folder)', () => space.tables().toCsv(undefined), 'the target must be a text'],
    ['toDuckdb()', () => space.tables().toDuckdb(), 'the target must be a text'],
    ['toStore()', () => space.tables().toStore(), 'the target must be a text'],
    ['snapshot()', () => space.tables().snapshot(), 'the target must be a text'],
  ]
  it.each(wrong)('%s', async (_, call, message) => {
    const refused = (async () => call())()
    await expect(refused).rejects.toThrow(QueryError)
    await expect(refused).rejects.toThrow(message)
  })

  it('a list that is too long is told how long it may be', async () => {
    const mails = Array.from({ length: 100_000 }, (_, i) => `p${i}@x.org`)
    expect(() => people().filter((r: Untyped) => r.email.in(mails))).toThrow(
      /in takes at most \d+ arguments, not 100001/,
    )
  })
})

it('one type may be given without a list', async () => {
  expect([...space.tables({ types: 'person', relationships: false })].map(([name]) => name)).toEqual(['person'])
})

it('streams that are left half way hold nothing', async () => {
  const sql = 'select * from (values (1), (2), (3)) as v'
  for (let i = 0; i < 200; i++) for await (const _ of space.query(sql).stream({ batchSize: 1 })) break
  expect(await space.table('person').count()).toBe(3)
})
