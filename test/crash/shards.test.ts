/** Several processes share the entities of one space; any of them may die at any instant while the others go on. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Defacto } from '../../src/index.ts'
import { describePostgres } from '../support/postgres.ts'
import { random } from '../support/shop-records.ts'
import { type CrashPlace, POSTGRES } from './places.ts'
import { type LifeOptions, live } from './processes.ts'
import { EDITIONS, END, expectedInOrder, expectIntact, NOW, type Workshop, workshop } from './shop-job.ts'
import type { WorkStep } from './worker.ts'

const COUNT = 600
/** Records before the first death. */
const START = 150
/** Enough for people who turn out to be known by another card. */
const MANY = 150
const SOME = 20

type Work = 'increment' | 'full' | 'fromRaw' | 'other identities'
/** Where everybody dies who gets there, and what leads there. */
const PLACES: readonly (readonly [failpoint: string, work: Work])[] = [
  ['merge.applied:1', 'increment'],
  ['map.written:1', 'increment'],
  ['map.committed:1', 'increment'],
  ['chunk.written:1', 'increment'],
  ['tick.written:1', 'increment'],
  ['finish.written:1', 'increment'],
  ['reset.written:1', 'other identities'],
  ['reset.committed:1', 'other identities'],
  ['hints.written:2', 'other identities'],
  ['map.written:2', 'other identities'],
  ['shadow.begun:1', 'full'],
  ['shadow.written:2', 'full'],
  ['swap.written:1', 'full'],
  ['swap.committed:1', 'full'],
  ['renormalize.written:2', 'fromRaw'],
  ['renormalize.committed:1', 'fromRaw'],
]
const FEWER = new Set(['merge.applied:1', 'map.written:1', 'reset.written:1', 'hints.written:2', 'swap.written:1'])

let shop: Workshop
beforeAll(() => {
  shop = workshop(COUNT, 6)
})
afterAll(() => shop.remove())

/** A space that `total` processes work on, round by round; a round ends when each has finished its steps. */
class Crew {
  readonly total: number
  readonly space: CrashPlace
  taken = 0
  edition = 0
  /** How long the steps of a process take that nobody kills. */
  typicalMs = 0

  constructor(total: number, space: CrashPlace) {
    this.total = total
    this.space = space
  }

  /**
   * The next `count` records and some work, everybody at once. Who is killed has heirs, whose fate `fate` decides as well.
   * Returns how many were killed.
   */
  async round(count: number, work: Work, fate: (shardId: number, generation: number) => LifeOptions): Promise<number> {
    if (work === 'other identities') this.edition = 1 - this.edition
    const from = this.taken
    this.taken = Math.min(COUNT, from + count)
    const each = Math.ceil((this.taken - from) / this.total)
    const shards = Array.from({ length: this.total }, (_, shardId) => shardId)
    const deaths = await Promise.all(
      shards.map(async (shardId) => {
        const start = Math.min(this.taken, from + shardId * each)
        const steps = this.#steps(shardId, start, Math.min(this.taken, start + each), work)
        const job = { database: this.space.database, recordsFile: shop.recordsFile, now: NOW, steps }
        for (let generation = 0; ; generation += 1) {
          const life = await live(shop.folder, job, { chunk: 20, ...fate(shardId, generation) })
          expect(life.error).toBeNull()
          if (life.killed) continue
          this.typicalMs = life.ms
          return generation
        }
      }),
    )
    await this.#settle()
    const definitions = EDITIONS[this.edition] as never
    const expected = await expectedInOrder(this.space, shop.records.slice(0, this.taken), definitions)
    await expectIntact(this.space, definitions, expected, { shards: this.total })
    return deaths.reduce((sum, one) => sum + one, 0)
  }

  #steps(shardId: number, from: number, to: number, work: Work): WorkStep[] {
    return [
      {
        do: 'open',
        definitions: EDITIONS[this.edition] as object,
        options: { shardId, totalShards: this.total, activate: 'always', batchSize: 7 },
      },
      { do: 'ingest', source: 'kiosk', from, to, process: true },
      { do: 'build', full: work === 'full', fromRaw: work === 'fromRaw' },
      { do: 'settle' },
      { do: 'tick', asOf: END },
    ]
  }

  /** What one maps last may concern another that was done already. */
  async #settle(): Promise<void> {
    const engines = []
    for (let shardId = 0; shardId < this.total; shardId += 1) {
      const options = { shardId, totalShards: this.total, catchUp: false, clock: () => new Date(NOW) } as const
      engines.push(
        await Defacto.fromConfig(EDITIONS[this.edition] as never, {
          ...options,
          database: this.space.database,
          logLevel: 'ERROR',
        }),
      )
    }
    for (const engine of engines) {
      if ((await engine.nextBuild()).mode !== 'SKIP') await engine.build()
      await engine.tick({ asOf: END })
    }
    for (const engine of engines) await engine.close()
  }
}

describePostgres('shards', () => {
  test.concurrent.each([2, 3])(
    '%i processes, killed at every place: survivors and heirs make the reference history',
    {
      timeout: 240_000,
    },
    async (total) => {
      const crew = new Crew(total, await POSTGRES.place(shop.folder, 'shards'))
      await crew.round(START, 'increment', () => ({}))
      for (const [failpoint, work] of PLACES) {
        if (total > 2 && !FEWER.has(failpoint)) continue
        const killed = await crew.round(failpoint.startsWith('merge') ? MANY : SOME, work, (_, generation) =>
          generation === 0 ? { failpoint } : {},
        )
        expect(killed, `nobody came to ${failpoint}`).toBeGreaterThan(0)
      }
      await crew.space.remove()
    },
  )

  test('3 processes, killed at random instants', { timeout: 240_000 }, async () => {
    const crew = new Crew(3, await POSTGRES.place(shop.folder, 'shards'))
    const next = random(3)
    const works: Work[] = ['increment', 'full', 'increment', 'other identities', 'increment', 'fromRaw']
    await crew.round(START, 'increment', () => ({}))
    let killed = 0
    for (const work of works) {
      // Heirs may die as well.
      killed += await crew.round(60, work, (_, generation) =>
        generation < 3 ? { killAfterMs: next() * crew.typicalMs } : {},
      )
    }
    expect(killed).toBeGreaterThan(works.length)
    await crew.space.remove()
  })
})
