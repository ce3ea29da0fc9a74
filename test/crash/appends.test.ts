/** Many processes append at once, some die or hang in the middle; a reader that follows the head misses nothing (spec 04 §2.5). */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openPostgresStore } from '../../src/adapters/postgres/store.ts'
import { instantFromText } from '../../src/core/instant.ts'
import { describePostgres } from '../support/postgres.ts'
import { type Session, Watcher } from '../support/postgres-sessions.ts'
import { room } from '../support/room.ts'
import { random } from '../support/shop-records.ts'
import { expectSoundPostgres, POSTGRES } from './places.ts'
import { type Running, start } from './processes.ts'
import { NOW } from './shop-job.ts'
import type { Job, WorkStep } from './worker.ts'

const NOTES = {
  entities: {
    note: { starts: 'kept', identity: { no: {} }, states: { kept: { when: { noted: { effects: ['create'] } } } } },
  },
  sources: {
    desk: {
      event_type: 'kind',
      timestamp: 'at',
      event_id: ['no'],
      events: { noted: { mappings: { no: { from: 'no', type: 'string' } }, hints: { note: ['no'] } } },
    },
  },
}
const WRITERS = 6
const PARTS = 14
/** Records of a part, of which about a third has been or will be sent by somebody else, too. */
const PART = 30

/** Part by part for each writer; every third record is one of another writer. */
function records(): object[] {
  const next = random(1)
  const all: object[] = []
  const own = (writer: number, i: number): object => ({ kind: 'noted', at: NOW, no: `${writer}-${i}` })
  for (let writer = 0; writer < WRITERS; writer += 1) {
    for (let i = 0; i < PARTS * PART; i += 1) {
      const other = Math.floor(next() * WRITERS)
      all.push(i % 10 < 3 ? own(other, Math.floor(next() * PARTS * PART)) : own(writer, i))
    }
  }
  return all
}

class Writer {
  readonly #folder: string
  readonly #job: Omit<Job, 'steps'>
  readonly #number: number
  #acknowledged = 0

  constructor(folder: string, job: Omit<Job, 'steps'>, number: number) {
    this.#folder = folder
    this.#job = job
    this.#number = number
  }

  /** Parts of which this writer knows that they are in the ledger. */
  get acknowledged(): number {
    return this.#acknowledged
  }

  /** Goes on behind the last part that was acknowledged. */
  start(options: { failpoint?: string; pause?: boolean }): Running {
    const open: WorkStep = { do: 'open', definitions: NOTES, options: { batchSize: 10, catchUp: false } }
    const parts = Array.from({ length: PARTS - this.#acknowledged }, (_, i): WorkStep => {
      const from = (this.#number * PARTS + this.#acknowledged + i) * PART
      return { do: 'ingest', source: 'desk', from, to: from + PART, process: false }
    })
    const running = start(this.#folder, { ...this.#job, steps: [open, ...parts] }, options)
    const before = this.#acknowledged
    void running.life.then(({ done }) => {
      this.#acknowledged = before + Math.max(0, done - 1)
    })
    return running
  }
}

/** Polls the head and reads what is new, as a flush or another consumer would; returns the ids in the order read. */
async function follow(database: string, finished: () => boolean): Promise<string[]> {
  const store = await openPostgresStore({ url: database, now: () => instantFromText(NOW) as never })
  const seen: string[] = []
  try {
    for (;;) {
      const last = finished()
      const head = await store.ledger.head()
      const before = seen.length
      for await (const rows of store.ledger.scan({ after: before, to: head, all: true, chunk: 7 })) {
        for (const row of rows) {
          // Neither a gap that might be filled later, nor a row that was read before.
          expect(row.sequence).toBe(seen.length + 1)
          seen.push(row.eventId)
        }
      }
      expect(seen.length).toBe(head)
      if (last) return seen
    }
  } finally {
    await store.close()
  }
}

describePostgres('appends', () => {
  test('six processes at once, killed, cut off and held up: gap-free, each event once, a reader misses nothing', {
    timeout: 120_000,
  }, async () => {
    const folder = mkdtempSync(join(room(), 'defacto-appends-'))
    const recordsFile = join(folder, 'records.json')
    const all = records() as { no: string }[]
    writeFileSync(recordsFile, JSON.stringify(all))
    const space = await POSTGRES.place(folder, 'appends')
    await (await openPostgresStore({ url: space.database, now: () => instantFromText(NOW) as never })).close()
    await using watcher = await Watcher.of(space.database)
    const job = { database: space.database, recordsFile, now: NOW, patient: true }
    const writers = Array.from({ length: WRITERS }, (_, number) => new Writer(folder, job, number))

    let finished = false
    const reader = follow(space.database, () => finished)
    const appends = ({ state, inTransaction, query }: Session): boolean =>
      inTransaction && state === 'active' && /insert into|^copy|for no key update/.test(query)
    const lives = writers.map(async (writer, number) => {
      // Two die inside the transaction, one right after it, one in front of it; one stops inside and goes on later.
      const fates = ['ingest.appended:5', 'ingest.appended:9', 'ingest.committed:7', 'ingest.normalized:8'] as const
      const failpoint = fates[number]
      if (failpoint !== undefined) {
        const life = await writer.start({ failpoint }).life
        expect(life).toMatchObject({ killed: true, error: null })
      }
      if (number === 4) {
        const running = writer.start({ failpoint: 'ingest.appended:6', pause: true })
        await watcher.until('it stopped', () => running.stopped)
        await watcher.until('others wait for it', (all) => all.some(({ waits }) => waits))
        running.kill('SIGCONT')
        expect(await running.life).toMatchObject({ killed: false, error: null })
      }
      if (writer.acknowledged < PARTS) {
        expect(await writer.start({}).life).toMatchObject({ killed: false, error: null })
      }
    })
    const disturbed = disturb()
    await Promise.all(lives)
    finished = true
    expect(await disturbed).toBeGreaterThan(2)
    const seen = await reader

    const stored = (await watcher.rows('select event_id, raw from defacto.ledger order by sequence')) as {
      event_id: string
      raw: { no: string }
    }[]
    expect(seen).toEqual(stored.map((row) => row.event_id))
    expect(writers.map(({ acknowledged }) => acknowledged)).toEqual(writers.map(() => PARTS))
    expect(stored.map(({ raw }) => raw.no).sort()).toEqual([...new Set(all.map(({ no }) => no))].sort())
    await expectSoundPostgres(space.database)
    await watcher.deserted()
    await space.remove()
    rmSync(folder, { recursive: true })

    /** Holds the head until somebody waits, and ends sessions inside their transactions. Returns how many. */
    async function disturb(): Promise<number> {
      await using holder = await Watcher.of(space.database)
      await using other = await Watcher.of(space.database)
      let ended = 0
      for (let round = 0; round < 8 && !finished; round += 1) {
        await holder.rows('begin')
        await holder.rows('select last from defacto.head for update')
        await other.until('somebody waits', (all) => finished || all.some(({ waits }) => waits))
        await holder.rows(round % 2 === 0 ? 'commit' : 'rollback')
        await other.until('somebody appends', (all) => finished || all.some(appends))
        ended += await other.terminate(appends)
      }
      return ended
    }
  })
})
