/** Databases that were lost or put back, archives that were, and which of both goes with which (spec 07 §5.5). */
import { cpSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { describePostgres } from '../support/postgres.ts'
import { Ground } from './cold-ground.ts'
import { coldWorker } from './cold-job.ts'
import { BACKENDS, type Backend, POSTGRES, SQLITE } from './places.ts'
import { EDITIONS, type Expected, expectedOf, type Workshop, workshop } from './shop-job.ts'

const [definitions] = EDITIONS as unknown as [never]
const COUNT = 240

let shop: Workshop
let expected: Expected
beforeAll(() => {
  shop = workshop(COUNT, 8)
  expected = expectedOf(shop.records, definitions, definitions)
})
afterAll(() => shop.remove())

/** With the folder of its archive. */
interface Local extends Ground {
  readonly coldLedger: string
}

async function groundOf(backend: Backend, name: string): Promise<Local> {
  const folder = join(shop.folder, `${backend.name}-${name}`)
  const cold = join(folder, 'archive')
  mkdirSync(cold, { recursive: true })
  return new Ground(shop, await backend.place(folder, 'space'), cold) as Local
}

/** Another database over the same archive. */
async function beside({ coldLedger }: Local, backend: Backend): Promise<Local> {
  return new Ground(shop, await backend.place(dirname(coldLedger), 'beside'), coldLedger) as Local
}

for (const backend of BACKENDS) {
  backend.describe(`a lost database on ${backend.name}`, () => {
    test('comes back from the archive: counts, grouping of events, states and history', async () => {
      const before = await groundOf(backend, 'lost')
      await before.ingest(0, 150)
      await before.archive(20)
      await before.ingest(150, COUNT)
      await before.archive(20)
      const known = await before.known()
      const after = await beside(before, backend)
      await expect(after.open()).rejects.toMatchObject({ code: 'E_COLD_FOREIGN' })
      expect(await after.restore()).toEqual({ rows: expected.events, head: expected.events })
      expect(await after.restore()).toEqual({ rows: 0, head: expected.events })
      await after.during((engine) => engine.build())
      expect(await after.known()).toEqual(known)
      // Everything that was known is known again.
      const again = shop.records.slice(0, 50)
      const repeated = await after.during((engine) => engine.ingest('kiosk', again, { throwIfAllFail: false }))
      expect(repeated.eventsIngested).toBe(0)
      await after.end(expected)
      await before.place.remove()
    })

    test.concurrent.each(['restore.written:1', 'restore.written:3', 'restore.committed:1', 'restore.committed:4'])(
      'killed at %s while it comes back, it comes back the next time',
      async (failpoint) => {
        const before = await groundOf(backend, failpoint.replace(/\W/g, '-'))
        await before.ingest(0, COUNT)
        await before.archive()
        const after = await beside(before, backend)
        const restore = { do: 'restore', definitions, options: after.options } as const
        const open = { do: 'open', definitions, options: after.options } as const
        expect(await coldWorker(shop, [restore], { failpoint }).life).toMatchObject({ killed: true, error: null })
        expect(await coldWorker(shop, [restore, open]).life).toMatchObject({ error: null, done: 2 })
        await after.end(expected)
        await before.place.remove()
      },
    )
  })
}

describe('a database put back to an older copy', () => {
  test('is refused, takes over what it lacks, and goes on', async () => {
    const ground = await groundOf(SQLITE, 'older')
    await ground.ingest(0, 100)
    await ground.archive(30)
    const copy = ground.backup()
    await ground.ingest(100, 200)
    await ground.archive(30)
    const known = await ground.known()
    ground.putBack(copy)
    await expect(ground.open()).rejects.toMatchObject({
      code: 'E_COLD_AHEAD',
      recoverable: false,
      message: expect.stringMatching(/older backup.*defacto cold restore/),
    })
    const { rows, head } = await ground.restore()
    expect(head - rows).toBe(expectedOf(shop.records.slice(0, 100), definitions, definitions).events)
    await ground.during((engine) => engine.build())
    expect(await ground.known()).toEqual(known)
    await ground.ingest(200, COUNT)
    await ground.end(expected)
  })

  test('before it ever archived anything', async () => {
    const ground = await groundOf(SQLITE, 'oldest')
    await ground.ingest(0, 100, { coldLedger: undefined })
    const copy = ground.backup()
    await ground.archive()
    await ground.ingest(100, COUNT)
    await ground.archive()
    ground.putBack(copy)
    await expect(ground.open()).rejects.toMatchObject({ code: 'E_COLD_FOREIGN' })
    await ground.restore()
    await ground.end(expected)
  })

  test('that took in other events meanwhile has to be put back again', async () => {
    const ground = await groundOf(SQLITE, 'diverged')
    await ground.ingest(0, 100)
    await ground.during((engine) => engine.ledger.tiers.flush())
    const copy = ground.backup()
    await ground.ingest(100, 150)
    await ground.during((engine) => engine.ledger.tiers.flush())
    ground.putBack(copy)
    await ground.ingest(200, COUNT, { coldLedger: undefined })
    await expect(ground.open()).rejects.toMatchObject({ code: 'E_COLD_AHEAD' })
    const files = readdirSync(join(ground.coldLedger, 'data'))
    await expect(ground.restore()).rejects.toMatchObject({
      code: 'E_COLD_DIVERGED',
      recoverable: false,
      message: expect.stringMatching(/[Rr]estore the backup again/),
    })
    expect(readdirSync(join(ground.coldLedger, 'data'))).toEqual(files)
    ground.putBack(copy)
    await ground.restore()
    await ground.ingest(150, COUNT)
    await ground.end(expected)
  })
})

describe('an archive', () => {
  test('of another ledger is nobody’s business', async () => {
    const ground = await groundOf(SQLITE, 'foreign')
    await ground.ingest(0, COUNT)
    await ground.archive()
    const other = await beside(ground, SQLITE)
    await other.ingest(0, 50, { coldLedger: undefined })
    const own = join(dirname(ground.coldLedger), 'own')
    mkdirSync(own)
    await expect(other.open()).rejects.toMatchObject({ code: 'E_COLD_FOREIGN' })
    await other.during((engine) => engine.ledger.tiers.flush(), { coldLedger: own })
    await expect(other.open()).rejects.toMatchObject({
      code: 'E_COLD_FOREIGN',
      message: expect.stringMatching(/another archive.*'defacto cold move'/),
    })
    await expect(other.restore()).rejects.toMatchObject({ code: 'E_COLD_FOREIGN' })
    await ground.end(expected)
  })

  test('put back to an older copy is refused until the newer one is there', async () => {
    const ground = await groundOf(SQLITE, 'behind')
    await ground.ingest(0, 100)
    await ground.archive()
    const copy = `${ground.coldLedger}-copy`
    cpSync(ground.coldLedger, copy, { recursive: true })
    await ground.ingest(100, COUNT)
    await ground.archive()
    const behind = {
      code: 'E_COLD_BEHIND',
      recoverable: false,
      message: expect.stringMatching(/older copy.*newer one/),
    }
    await expect(ground.open({ coldLedger: copy })).rejects.toMatchObject(behind)
    await ground.end(expected)
  })

  test('that holds rows alone is not left out', async () => {
    const ground = await groundOf(SQLITE, 'without')
    await ground.ingest(0, 100)
    await ground.during((engine) => engine.ledger.tiers.flush())
    // Everything is in the database yet.
    await ground.ingest(100, 120, { coldLedger: undefined })
    await ground.archive(5)
    await expect(ground.open({ coldLedger: undefined })).rejects.toMatchObject({
      code: 'E_CONFIG_COLD_LEDGER_MISSING',
      message: expect.stringContaining('coldLedger'),
    })
    await ground.ingest(120, COUNT)
    await ground.end(expected)
  })
})

describePostgres('a database on Postgres', () => {
  test('whose archive was put away while it was open is not harmed', async () => {
    const ground = await groundOf(POSTGRES, 'away')
    await ground.ingest(0, 150)
    await ground.archive(10)
    const away = `${ground.coldLedger}-away`
    await ground.during(async (engine) => {
      cpSync(ground.coldLedger, away, { recursive: true })
      rmSync(ground.coldLedger, { recursive: true })
      mkdirSync(ground.coldLedger)
      await engine.ingest('kiosk', shop.records.slice(150), { throwIfAllFail: false })
      for (const work of [() => engine.ledger.tiers.flush(), () => engine.ledger.tiers.prune({ before: 200 })]) {
        await expect(work()).rejects.toMatchObject({ code: 'E_COLD_FOREIGN' })
      }
      expect(readdirSync(ground.coldLedger)).toEqual([])
      cpSync(away, ground.coldLedger, { recursive: true })
      await engine.ledger.tiers.flush()
    })
    await ground.end(expected)
  })
})
