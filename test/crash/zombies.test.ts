/** Who holds a slot, for how long, and what becomes of a writer that wakes up after somebody else took it over (spec 10 §4.4). */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openPostgresStore } from '../../src/adapters/postgres/store.ts'
import { addDuration, Duration, type Instant, instantFromText } from '../../src/core/instant.ts'
import { Defacto, LockHeld } from '../../src/index.ts'
import { describePostgres } from '../support/postgres.ts'
import { Watcher } from '../support/postgres-sessions.ts'
import { type CrashPlace, POSTGRES } from './places.ts'
import { type Life, type LifeOptions, live, type Running, start } from './processes.ts'
import { EDITIONS, END, type Expected, expectedOf, expectIntact, NOW, type Workshop, workshop } from './shop-job.ts'
import type { WorkStep } from './worker.ts'

const [definitions] = EDITIONS as unknown as [never]
const COUNT = 300
const HOUR = 3_600_000

let shop: Workshop
let expected: Expected
beforeAll(() => {
  shop = workshop(COUNT, 6)
  expected = expectedOf(shop.records, definitions, definitions)
})
afterAll(() => shop.remove())

const OPEN: WorkStep = { do: 'open', definitions, options: { catchUp: false } }
const BEGIN: WorkStep[] = [OPEN, { do: 'ingest', source: 'kiosk', from: 0, to: 150, process: true }]
const REST: WorkStep[] = [
  { do: 'ingest', source: 'kiosk', from: 150, to: COUNT, process: false },
  { do: 'build' },
  { do: 'build', full: true },
  { do: 'tick', asOf: END },
]

/** A space in which half of the work is done, and whoever works on it. */
class Scene {
  readonly space: CrashPlace
  readonly watcher: Watcher

  private constructor(space: CrashPlace, watcher: Watcher) {
    this.space = space
    this.watcher = watcher
  }

  static async begun(): Promise<Scene> {
    const space = await POSTGRES.place(shop.folder, 'slots')
    const scene = new Scene(space, await Watcher.of(space.database))
    expect(await scene.live(BEGIN)).toMatchObject({ error: null, done: BEGIN.length })
    return scene
  }

  live(steps: WorkStep[], options: LifeOptions = {}): Promise<Life> {
    return live(shop.folder, this.#job(steps), { chunk: 40, ...options })
  }

  /** A process that stands still at the failpoint, in the middle of the rest of the work. */
  async stopped(failpoint: string, options: LifeOptions = {}): Promise<Running> {
    const running = start(shop.folder, this.#job([OPEN, ...REST]), { chunk: 40, failpoint, pause: true, ...options })
    const over = { yes: false }
    void running.life.then(() => {
      over.yes = true
    })
    await this.watcher.until(`it stops at ${failpoint}`, () => over.yes || running.stopped)
    expect(over.yes, `nobody came to ${failpoint}`).toBe(false)
    return running
  }

  /** As when the holder has not renewed it for long. */
  async expire(): Promise<void> {
    await this.watcher.rows("update defacto.namespace_lock set expires_at = clock_timestamp() - interval '1 second'")
  }

  /** Every row of every table of the space. */
  async everything(): Promise<object> {
    const tables = await this.watcher.rows(`select quote_ident(schemaname) || '.' || quote_ident(tablename) as name
      from pg_tables where schemaname like 'defacto%' order by 1`)
    const content: Record<string, unknown> = {}
    for (const { name } of tables) {
      const [row] = await this.watcher.rows(
        `select string_agg(t::text, E'\\n' order by t::text) as rows from ${name} t`,
      )
      content[name as string] = row?.['rows']
    }
    return content
  }

  async end(): Promise<void> {
    await this.watcher.deserted()
    await expectIntact(this.space, definitions, expected)
    await this.watcher[Symbol.asyncDispose]()
    await this.space.remove()
  }

  #job(steps: WorkStep[]) {
    return { database: this.space.database, recordsFile: shop.recordsFile, now: NOW, steps }
  }
}

const open = (database: string): Promise<Defacto> =>
  Defacto.fromConfig(definitions, {
    database,
    clock: () => new Date(NOW),
    catchUp: false,
    logger: { debug() {}, info() {}, warn() {}, error() {} },
  }) as unknown as Promise<Defacto>

describePostgres('a slot', () => {
  test('two builders: the second is told who holds it and since when, and has nothing left to do afterwards', async () => {
    const scene = await Scene.begun()
    const first = await scene.stopped('chunk.committed:1')
    const second = await open(scene.space.database)
    for (const work of [() => second.build(), () => second.tick({ asOf: END })]) {
      const refused = (await work().catch((error: unknown) => error)) as LockHeld
      expect(refused).toBeInstanceOf(LockHeld)
      expect(refused).toMatchObject({
        recoverable: true,
        details: { slot: 'state', holder: { pid: first.pid, purpose: 'build' }, since: expect.stringMatching(/^20/) },
      })
      await scene.watcher.atRest()
    }
    first.kill('SIGCONT')
    expect(await first.life).toMatchObject({ error: null, done: REST.length + 1 })
    expect(await second.build()).toMatchObject({ mode: 'SKIP' })
    await second.close()
    await scene.end()
  })

  test.concurrent.each([
    'build.begun:1',
    'map.committed:1',
    'chunk.committed:1',
    'shadow.committed:1',
    'swap.committed:1',
    'tick.committed:1',
  ])('whoever wakes up at %s after another took over is fenced and writes nothing', async (failpoint) => {
    const scene = await Scene.begun()
    const zombie = await scene.stopped(failpoint)
    await scene.expire()
    expect(await scene.live([OPEN, ...REST])).toMatchObject({ error: null, done: REST.length + 1 })
    const before = await scene.everything()
    zombie.kill('SIGCONT')
    expect((await zombie.life).error).toMatch(/^Fenced: .*taken over.*nothing was written/)
    expect(await scene.everything()).toEqual(before)
    await scene.end()
  })

  test.concurrent.each(['map.written:1', 'chunk.written:1', 'swap.written:1'])(
    'a take-over waits for the transaction that is open at %s, and nothing older commits after it',
    async (failpoint) => {
      const scene = await Scene.begun()
      const zombie = await scene.stopped(failpoint)
      const store = await openPostgresStore({ url: scene.space.database, now: () => instantFromText(NOW) as Instant })
      const later = addDuration(await store.locks.clock(), new Duration(HOUR)) as Instant
      const holder = { host: 'elsewhere', pid: 1, startedAt: 'then', purpose: 'test' }
      const taking = store.locks.acquire('state', holder, 90_000, later)
      await scene.watcher.until('the take-over waits', (all) => all.some(({ waits }) => waits))
      zombie.kill('SIGCONT')
      const epoch = await taking
      expect((await zombie.life).error).toMatch(/^Fenced: /)
      await store.locks.release('state', epoch)
      await store.close()
      expect(await scene.live([OPEN, ...REST])).toMatchObject({ error: null })
      await scene.end()
    },
  )

  test('a transaction that the server has ended writes nothing when its owner wakes up', async () => {
    const scene = await Scene.begun()
    const zombie = await scene.stopped('chunk.written:1')
    // As `idle_in_transaction_session_timeout` does after a minute.
    expect(await scene.watcher.terminate(({ state }) => state === 'idle in transaction')).toBe(1)
    await scene.watcher.until('it is gone', (all) => all.every(({ inTransaction }) => !inTransaction))
    await scene.expire()
    expect(await scene.live([OPEN, ...REST])).toMatchObject({ error: null, done: REST.length + 1 })
    const before = await scene.everything()
    zombie.kill('SIGCONT')
    expect((await zombie.life).error).toMatch(/^StorageError: .*connection/)
    expect(await scene.everything()).toEqual(before)
    await scene.end()
  })

  test.concurrent.each([
    [-6, 0],
    [6, 0],
    [0, -6],
    [0, 6],
  ])(
    'its times are the database’s: clocks %i and %i hours off neither steal it nor are locked out',
    async (own, other) => {
      const scene = await Scene.begun()
      const holder = await scene.stopped('chunk.committed:1', { clockOffsetMs: own * HOUR })
      const wrong = { clockOffsetMs: other * HOUR }
      expect((await scene.live([OPEN, { do: 'build' }], wrong)).error).toMatch(/^LockHeld: .*wait for it or stop it/)
      await scene.expire()
      expect(await scene.live([OPEN, ...REST], wrong)).toMatchObject({ error: null, done: REST.length + 1 })
      holder.kill('SIGKILL')
      await holder.life
      await scene.end()
    },
  )

  test('of a process that was killed is free at once', async () => {
    const scene = await Scene.begun()
    const holder = await scene.stopped('chunk.written:1')
    holder.kill('SIGKILL')
    await holder.life
    expect(await scene.live([OPEN, ...REST])).toMatchObject({ error: null, done: REST.length + 1 })
    await scene.end()
  })
})
