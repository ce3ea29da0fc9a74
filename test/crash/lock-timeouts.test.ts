/** Another session holds a row that everybody needs: a clear error after the timeout, and nothing half done. */
import '../support/small-units.ts'
import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { openPostgresStore } from '../../src/adapters/postgres/store.ts'
import { type Instant, instantFromText } from '../../src/core/instant.ts'
import { compileProgram } from '../../src/core/program.ts'
import { build } from '../../src/engine/build.ts'
import { type Edition, Engine } from '../../src/engine/engine.ts'
import { appendRecords } from '../../src/engine/ingest.ts'
import { tick } from '../../src/engine/run-tick.ts'
import { registerVersion } from '../../src/engine/versions.ts'
import { Definitions, StorageError } from '../../src/index.ts'
import type { Logger } from '../../src/ports/logger.ts'
import { describePostgres } from '../support/postgres.ts'
import { Watcher } from '../support/postgres-sessions.ts'
import { POSTGRES } from './places.ts'
import { EDITIONS, END, expectedOf, expectIntact, NOW, workshop } from './shop-job.ts'

const [definitions] = EDITIONS as unknown as [never]
const COUNT = 60

const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => SILENT }
/** What a unit of work that failed must not have changed. */
const STATE = `select (select last from defacto.head) as head, (select count(*) from defacto.ledger) as rows,
  (select mapped_upto from defacto.mapping_state) as mapped, (select count(*) from defacto.event_entities) as mappings,
  (select json_agg(json_build_array(version, cursor, generation, change_cursor, tick_horizon) order by version)
    from defacto.build_state)::text as builds`

interface Work {
  ingest(from: number, to: number): Promise<unknown>
  build(options?: { full?: boolean }): Promise<unknown>
  tick(): Promise<unknown>
}

/**
 * An engine that waits a moment only; `blocked` expects that work fails while another session holds the rows of a table.
 * Afterwards the work is done to its end, and compared with the reference.
 */
async function withEngine(
  test: (work: Work, blocked: (table: string, work: () => Promise<unknown>) => Promise<void>) => Promise<void>,
): Promise<void> {
  const shop = workshop(COUNT, 2)
  const space = await POSTGRES.place(shop.folder, 'locks')
  const now = (): Instant => instantFromText(NOW) as Instant
  const store = await openPostgresStore({ url: space.database, lockTimeoutMs: 150, now })
  const clock = (): Date => new Date(NOW)
  const common = { newId: randomUUID, logger: SILENT, deadLetter: null, batchSize: 10, processStart: '' }
  const engine = new Engine({ store, clock, ...common })
  const program = compileProgram(Definitions.fromObject(definitions).toObject())
  const edition: Edition = { version: program.version, program }
  await registerVersion(engine, edition)
  const records = shop.records.map((value) => ({ value, text: JSON.stringify(value) }))
  const work: Work = {
    ingest: (from, to) => appendRecords(engine, edition, 'kiosk', records.slice(from, to), undefined),
    build: (options) => build(engine, edition, options),
    tick: () => tick(engine, edition, instantFromText(END) as Instant),
  }

  await using watcher = await Watcher.of(space.database)
  await test(work, async (table, doomed) => {
    await using holder = await Watcher.of(space.database)
    await holder.rows('begin')
    await holder.rows(`select * from defacto.${table} for update`)
    const before = await watcher.rows(STATE)
    const error = await doomed().catch((failed: unknown) => failed)
    expect(error).toBeInstanceOf(StorageError)
    expect(error).toMatchObject({ recoverable: true, details: { sqlstate: '55P03' } })
    expect((error as Error).message).toMatch(/another writer holds what this one needs; try again/)
    await watcher.atRest()
    expect(await watcher.rows(STATE)).toEqual(before)
    await holder.rows('rollback')
  })

  await work.ingest(0, COUNT)
  await work.build()
  await work.tick()
  await watcher.atRest()
  await store.close()
  await watcher.deserted()
  await expectIntact(space, definitions, expectedOf(shop.records, definitions, definitions))
  await space.remove()
  shop.remove()
}

describePostgres('a row that another session holds', () => {
  test('head: appends', () =>
    withEngine(async (work, blocked) => {
      await work.ingest(0, 30)
      await blocked('head', () => work.ingest(20, COUNT))
    }))

  test('mapping state: what maps', () =>
    withEngine(async (work, blocked) => {
      await work.ingest(0, 30)
      await work.build()
      await work.ingest(30, COUNT)
      await blocked('mapping_state', () => work.build())
    }))

  test('the slot: what builds and ticks', () =>
    withEngine(async (work, blocked) => {
      await work.ingest(0, COUNT)
      await work.build()
      await blocked('namespace_lock', () => work.build({ full: true }))
      await blocked('namespace_lock', () => work.tick())
    }))
})
