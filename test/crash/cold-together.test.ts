/** Several processes at the two tiers of one ledger: whatever meets, nothing is archived twice, lost, or read twice. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Defacto, Fenced, LockHeld } from '../../src/index.ts'
import { describePostgres } from '../support/postgres.ts'
import { Watcher } from '../support/postgres-sessions.ts'
import { describeS3, freshBucket } from '../support/s3.ts'
import { s3Proxy } from '../support/s3-proxy.ts'
import { Ground } from './cold-ground.ts'
import { type ColdWorker, coldWorker } from './cold-job.ts'
import type { ColdStep } from './cold-worker.ts'
import { BACKENDS, type Backend, POSTGRES, SQLITE } from './places.ts'
import { EDITIONS, type Expected, expectedOf, type Workshop, workshop } from './shop-job.ts'

const [first, , third] = EDITIONS as unknown as [never, never, never]
const COUNT = 240

let shop: Workshop
let expected: Expected
beforeAll(() => {
  shop = workshop(COUNT, 10)
  expected = expectedOf(shop.records, first, first)
})
afterAll(() => shop.remove())

async function groundOf(backend: Backend, name: string, more: object = {}): Promise<Ground> {
  const url = join(shop.folder, `${backend.name}-${name}-cold`)
  mkdirSync(url)
  return new Ground(shop, await backend.place(shop.folder, name), { url, ...more })
}

/** Rows of the call; null if another held the slot. */
async function unlessHeld(call: Promise<number>): Promise<number | null> {
  try {
    return await call
  } catch (error) {
    expect(error).toBeInstanceOf(LockHeld)
    return null
  }
}

async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const patience = performance.now() + 120_000
  while (!(await condition())) {
    if (performance.now() > patience) expect.fail(`never: ${what}`)
    await pause(5)
  }
}

for (const backend of BACKENDS) {
  backend.describe(`on ${backend.name}`, () => {
    test.concurrent('two that flush and prune at once: one does it, the other is told or finds it done', async () => {
      const ground = await groundOf(backend, 'two')
      const both = [await ground.open(), await ground.open()] as const
      let [flushed, pruned] = [0, 0]
      for (let at = 0; at < COUNT; at += 40) {
        await both[0].ingest('kiosk', shop.records.slice(at, at + 40), { process: true, throwIfAllFail: false })
        for (const rows of await Promise.all(both.map((one) => unlessHeld(one.ledger.tiers.flush())))) {
          flushed += rows ?? 0
        }
        for (const rows of await Promise.all(both.map((one) => unlessHeld(one.ledger.tiers.prune({ before: at }))))) {
          pruned += rows ?? 0
        }
      }
      const { head, pruned: gone } = await both[1].ledger.tiers.status()
      expect(await both[1].ledger.tiers.status()).toMatchObject({ flushed: head, coldRows: head })
      expect([flushed, pruned]).toEqual([head, gone])
      for (const one of both) await one.close()
      await ground.end(expected)
    })

    test.concurrent('the archive is kept in order, files removed at once, beside ingest, builds and readers', async () => {
      const ground = await groundOf(backend, 'beside')
      await ground.ingest(0, 60)
      const { options } = ground
      const open: ColdStep = { do: 'open', definitions: first, options }
      const round: ColdStep[] = [
        { do: 'flush' },
        { do: 'prune', keep: 15 },
        { do: 'compact' },
        { do: 'vacuum', retentionMs: 0 },
      ]
      const keeper = coldWorker(shop, [open, ...Array.from({ length: 8 }, () => round).flat()], { patient: true })
      const builder = coldWorker(
        shop,
        [
          open,
          { do: 'ingest', from: 60, to: 150, size: 15 },
          { do: 'build', full: true },
          { do: 'ingest', from: 150, to: COUNT, size: 15 },
          { do: 'build', full: true },
        ],
        { patient: true },
      )
      const over = { yes: false }
      const lives = Promise.all([keeper.life, builder.life]).finally(() => {
        over.yes = true
      })
      const read = await ground.during(async (engine) => {
        let reads = 0
        for (; !over.yes; reads += 1) await readAll(engine)
        return reads
      })
      expect(read).toBeGreaterThan(0)
      for (const life of await lives) expect(life).toMatchObject({ error: null, killed: false })
      await ground.end(expected)
    })

    test.concurrent('by itself from time to time, in two processes, beside ingest', async () => {
      const ground = await groundOf(backend, 'by-itself', { flushEveryMs: 50, retention: { hotRows: 10 } })
      const both = [await ground.open(), await ground.open()] as const
      for (let at = 0; at < COUNT; at += 20) {
        const engine = both[(at / 20) % 2] as Defacto
        await patiently(() => engine.ingest('kiosk', shop.records.slice(at, at + 20), { throwIfAllFail: false }))
      }
      // What is not interpreted does not leave the database.
      await patiently(() => both[0].build())
      await until('everything is archived, all but the last ten rows alone', async () => {
        const { head, flushed, hotRows } = await both[0].ledger.tiers.status()
        return flushed === head && hotRows === 10
      })
      for (const one of both) await one.close()
      const quiet = new Ground(shop, ground.place, (ground.coldLedger as { url: string }).url)
      await quiet.end(expected)
    })
  })
}

async function patiently<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof LockHeld)) throw error
      await pause(5)
    }
  }
}

async function everyEvent(ledger: Defacto['ledger']): Promise<object[]> {
  const events: object[] = []
  for await (const event of ledger.scan()) events.push(event)
  return events
}

/** Every event once, and the story of an entity without gaps or repeats. */
async function readAll(engine: Defacto): Promise<void> {
  let last = 0
  for await (const { sequence } of engine.ledger.scan()) {
    expect(sequence).toBe(last + 1)
    last = sequence
  }
  const rows = (await engine.history('member').rows()) as unknown as { member_id: string }[]
  for (const { member_id } of rows.slice(0, 3)) {
    const events = await engine.ledger.eventsFor(member_id)
    expect(new Set(events.map(({ sequence }) => sequence)).size).toBe(events.length)
    await engine.timeline(member_id)
  }
}

const EXPIRE = "update defacto.namespace_lock set expires_at = clock_timestamp() - interval '1 second'"

describePostgres('whoever wakes up after another took its slot over', () => {
  test.concurrent.each([
    'flush.claimed:1',
    'flush.archived:1',
    'flush.claimed:2',
    'prune.confirmed:1',
    'prune.written:1',
  ])('at %s doubles and loses nothing', async (failpoint) => {
    const ground = await groundOf(POSTGRES, `zombie-${failpoint.replace(/\W/g, '-')}`)
    const watcher = await Watcher.of(ground.place.database)
    const open: ColdStep = { do: 'open', definitions: first, options: ground.options }
    const zombie = coldWorker(
      shop,
      [
        open,
        { do: 'ingest', from: 0, to: 100 },
        { do: 'flush' },
        { do: 'prune', keep: 50 },
        { do: 'ingest', from: 100, to: 140 },
        { do: 'flush' },
      ],
      { failpoint, pause: true },
    )
    await standsStill(zombie)
    // A unit of work that is open holds up whoever takes over, until the server gives it up.
    await watcher.terminate(({ state }) => state === 'idle in transaction')
    await watcher.rows(EXPIRE)
    const heir = coldWorker(shop, [
      open,
      { do: 'ingest', from: 0, to: 180 },
      { do: 'flush' },
      { do: 'prune', keep: 20 },
      { do: 'compact' },
      { do: 'vacuum', retentionMs: 0 },
    ])
    expect(await heir.life).toMatchObject({ error: null })
    zombie.kill('SIGCONT')
    expect((await zombie.life).error).toMatch(/^(Fenced: .*taken over|StorageError: .*connection)/)
    await ground.ingest(0, COUNT)
    await watcher[Symbol.asyncDispose]()
    await ground.end(expected)
  })
})

async function standsStill(worker: ColdWorker): Promise<void> {
  const over = { yes: false }
  void worker.life.then(() => {
    over.yes = true
  })
  await until('it stands still', () => over.yes || worker.stopped)
  expect(over.yes, 'nobody came to the failpoint').toBe(false)
}

describeS3('a flush that is thought dead while its commit is on the way', () => {
  test('archives the rows as they were changed meanwhile, or not at all', async () => {
    const bucket = await freshBucket()
    const proxy = await s3Proxy(bucket.options.endpoint ?? '')
    const coldLedger = { url: `${bucket.url}/t`, storage: { endpoint: proxy.endpoint } }
    const ground = new Ground(shop, await POSTGRES.place(shop.folder, 'thought-dead'), coldLedger)
    const watcher = await Watcher.of(ground.place.database)
    await ground.ingest(0, 120)
    await ground.during((engine) => engine.ledger.tiers.flush({ upTo: 30 }))
    await ground.ingest(120, COUNT)
    const changed = Promise.withResolvers<void>()
    let held = false
    proxy.decide = ({ operation, object }) => {
      if (held || operation !== 'PutObject' || !object.endsWith('.json')) return null
      held = true
      return { until: changed.promise }
    }
    const flusher = await ground.open({ catchUp: false })
    const flushing = flusher.ledger.tiers.flush().then(
      () => null,
      (error: Error) => error,
    )
    await until('its commit is on the way', () => held)
    ground.definitions = third
    await ground.during(
      async (engine) => {
        await watcher.rows(EXPIRE)
        await engine.build()
        await engine.ledger.tiers.flush()
      },
      { catchUp: false },
    )
    changed.resolve()
    expect(await flushing).toBeInstanceOf(Fenced)
    await flusher.close()
    await watcher[Symbol.asyncDispose]()
    await ground.end(expectedOf(shop.records, first, third))
    await proxy[Symbol.asyncDispose]()
    await bucket.drop()
  })
})

describeS3('a reader whose files are removed while it fetches them', () => {
  test('reads the newer version, whatever it reads', async () => {
    const bucket = await freshBucket()
    const proxy = await s3Proxy(bucket.options.endpoint ?? '')
    const place = await SQLITE.place(shop.folder, 'removed')
    const url = `${bucket.url}/t`
    const slow = new Ground(shop, place, { url, storage: { endpoint: proxy.endpoint } })
    const quick = new Ground(shop, place, { url, storage: { endpoint: bucket.options.endpoint ?? '' } })
    await quick.ingest(0, 120)
    await quick.archive()
    const reads: ((engine: Defacto, member: string) => Promise<unknown>)[] = [
      (engine) => engine.ledger.event({ sequence: 3 }),
      (engine, member) => engine.ledger.eventsFor(member),
      (engine, member) => engine.timeline(member),
      ({ ledger }) => everyEvent(ledger),
      (engine) => engine.build({ full: true }),
    ]
    for (const [index, read] of reads.entries()) {
      const from = 120 + index * 20
      await quick.ingest(from, from + 20)
      await quick.archive()
      const removed = Promise.withResolvers<void>()
      let held = false
      await slow.during(
        async (engine) => {
          const [row] = (await engine.history('member').rows()) as unknown as { member_id: string }[]
          const member = row?.member_id ?? ''
          proxy.decide = ({ method, object }) => {
            if (held || method !== 'GET' || !object.includes('/data/')) return null
            held = true
            return { until: removed.promise }
          }
          const reading = read(engine, member)
          await until('a file is being fetched', () => held)
          await quick.during(async ({ ledger }) => {
            expect((await ledger.tiers.compact()).before).toBeGreaterThan(1)
            expect((await ledger.tiers.vacuum({ retentionMs: 0 })).removed).toBeGreaterThan(1)
          })
          removed.resolve()
          const found = await reading
          proxy.decide = () => null
          if (index < 4) expect(found).toEqual(await read(engine, member))
        },
        { catchUp: false },
      )
    }
    await quick.ingest(0, COUNT)
    await quick.end(expected)
    await proxy[Symbol.asyncDispose]()
    await bucket.drop()
  })
})
