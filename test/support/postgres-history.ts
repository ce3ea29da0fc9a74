/** A namespace with history tables, and a connection beside the stores that looks at them. */
import pg from 'pg'
import { afterEach, beforeEach } from 'vitest'
import { openPostgresStore, type PostgresStoreOptions } from '../../src/adapters/postgres/store.ts'
import type { EntityWrite } from '../../src/core/history.ts'
import type { Checkpoint, Store } from '../../src/ports/store.ts'
import { inUnit, NOW } from '../../src/testing/contract/backend.ts'
import { day, LAYOUT, prepareVersion, row, write } from '../../src/testing/contract/fixtures.ts'
import { type FreshNamespace, freshNamespace } from './postgres.ts'

export let place: FreshNamespace
export let client: pg.Client
let stores: Store[]
/** Of version `v1`. */
export const schema = (): string => `${place.namespace}_v1`

beforeEach(async () => {
  place = freshNamespace()
  client = new pg.Client({ connectionString: place.url })
  await client.connect()
  stores = []
})
afterEach(async () => {
  await client.end()
  for (const store of stores) await store.close()
  await place.drop()
})

export async function open(options: Partial<PostgresStoreOptions> = {}): Promise<Store> {
  const store = await openPostgresStore({ url: place.url, namespace: place.namespace, now: () => NOW, ...options })
  stores.push(store)
  return store
}

export async function prepared(options?: Partial<PostgresStoreOptions>): Promise<Store> {
  const store = await open(options)
  await inUnit(store, (unit) => prepareVersion(store, unit))
  return store
}

/** Values of the first column. */
export async function values(sql: string, params: unknown[] = []): Promise<unknown[]> {
  const { rows } = await client.query({ text: sql, values: params, rowMode: 'array' })
  return rows.map((found) => (found as unknown[])[0])
}

export const members = (): Promise<unknown[]> =>
  values(`select member_id from ${schema()}.member_history order by 1, valid_from`)
export const schemas = (): Promise<unknown[]> =>
  values(`select nspname from pg_namespace where starts_with(nspname, $1) order by 1`, [`${place.namespace}_`])
export const checkpoint = (id: string, options: Partial<Checkpoint> = {}): Checkpoint => ({
  id,
  type: 'member',
  body: '{}',
  generation: 0,
  revision: 0,
  appliedUpto: 1,
  nextDue: null,
  ...options,
})
export const simple = (id: string, from = 1, options: Partial<EntityWrite> = {}): EntityWrite =>
  write('member', id, { rows: [row(day(from))], ...options })

export const put = (store: Store, ...writes: EntityWrite[]): Promise<void> =>
  inUnit(store, (unit) => store.history.write(unit, 'live', LAYOUT, writes))

/** A full build that makes these entities, up to the swap. */
export async function makeShadow(store: Store, writes: readonly EntityWrite[], layout = LAYOUT): Promise<void> {
  await inUnit(store, (unit) => store.history.beginShadow(unit, layout))
  await inUnit(store, async (unit) => {
    await store.history.write(unit, 'shadow', layout, writes)
    await store.checkpoints.save(
      unit,
      'shadow',
      writes.map(({ id, type }) => checkpoint(id, { type })),
    )
  })
}

export const swap = (store: Store, layout = LAYOUT): Promise<void> =>
  inUnit(store, (unit) => store.history.swapShadow(unit, layout))

export async function rebuild(store: Store, writes: readonly EntityWrite[], layout = LAYOUT): Promise<void> {
  await makeShadow(store, writes, layout)
  await swap(store, layout)
}
