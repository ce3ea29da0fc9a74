/** Queries whose connection is cut: one error of the storage, and the next query works (spec 06 §2, 09 §10). */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openPostgresStore } from '../../src/adapters/postgres/store.ts'
import { StorageError } from '../../src/errors.ts'
import type { Store } from '../../src/ports/store.ts'
import { createQueryRoot, type QueryRoot } from '../../src/query/root.ts'
import { day, LAYOUT, prepareVersion, row, write } from '../../src/testing/contract/fixtures.ts'
import { type CuttingProxy, cuttingProxy } from '../support/cutting-proxy.ts'
import { describePostgres, execute, type FreshDatabase, freshDatabase } from '../support/postgres.ts'

const ENDLESS = 'with recursive n (i) as (select 1 union all select i + 1 from n) select i from n'
const OTHERS = `from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
  and backend_type = 'client backend'`

describePostgres('queries whose connection is cut', () => {
  let place: FreshDatabase
  let proxy: CuttingProxy
  let store: Store
  let root: QueryRoot
  const ids = ['a', 'b', 'c', 'd', 'e']

  beforeAll(async () => {
    place = await freshDatabase()
    proxy = await cuttingProxy(place.url)
    store = await openPostgresStore({ url: proxy.url, namespace: 'shop', max: 3, now: () => day(20) })
    await store.transaction(async (tx) => {
      const unit = { tx, epoch: 1, version: 'v1', now: day(20) }
      await prepareVersion(store, unit)
      const writes = ids.map((id) => write('member', id, { rows: [row(day(1))] }))
      await store.history.write(unit, 'live', LAYOUT, writes)
    })
    const definitions = { entities: {}, sources: {}, schemas: {}, pipelines: {} }
    root = createQueryRoot(store.reader, { definitions, layout: LAYOUT }, 'v1')
  })
  afterAll(async () => {
    await store.close()
    await proxy[Symbol.asyncDispose]()
    await place.drop()
  })

  const members = () => root.table('member').orderBy('member_id').select('member_id')
  async function worksAgain(): Promise<void> {
    expect((await members().rows()).map((one) => one.member_id)).toEqual(ids)
  }
  function clear(error: unknown): void {
    expect(error).toBeInstanceOf(StorageError)
    const { message, recoverable } = error as StorageError
    expect(message).toMatch(/connection|terminat/i)
    expect(message).not.toContain(new URL(place.url).password || 'no password')
    expect(recoverable).toBe(true)
  }

  it.each([
    ['by the network', async () => proxy.cut()],
    ['by the server', () => execute(place.url, `select pg_terminate_backend(pid) ${OTHERS}`)],
  ])('in the middle of a stream, %s', async (_, cut) => {
    const stream = members().stream({ batchSize: 2 })
    expect((await stream.next()).value).toEqual({ member_id: 'a' })
    await cut()
    const rest = async (): Promise<number> => {
      let count = 0
      for await (const _row of stream) count++
      return count
    }
    clear(await rest().catch((error: unknown) => error))
    expect(await stream.next()).toEqual({ done: true, value: undefined })
    await worksAgain()
  })

  it('while rows are worked out', async () => {
    const outcome = root
      .query(ENDLESS)
      .rows()
      .catch((error: unknown) => error)
    const busy = `do $$ begin while not exists (select 1 ${OTHERS} and state = 'active') loop perform pg_stat_clear_snapshot(); end loop; end $$`
    await execute(place.url, busy)
    proxy.cut()
    clear(await outcome)
    await worksAgain()
  })

  it.each(['before', 'after'] as const)('%s the server ends the transaction', async (when) => {
    proxy.decide = (statement) => (statement === 'commit' ? when : null)
    const error = await members()
      .rows()
      .catch((thrown: unknown) => thrown)
    proxy.decide = () => null
    clear(error)
    await worksAgain()
  })

  it('at its beginning', async () => {
    proxy.decide = (statement) => (statement.startsWith('begin') ? 'before' : null)
    const errors = await Promise.all(
      [members().rows(), members().toArrow(), members().count()].map((work) => work.catch((e: unknown) => e)),
    )
    proxy.decide = () => null
    for (const error of errors) clear(error)
    await worksAgain()
  })
})
