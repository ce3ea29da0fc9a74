/** Contract of what ages out of the run log, and of writers beside each other (spec 10 §2, §4.4). */
import assert from 'node:assert/strict'
import { Fenced } from '../../errors.ts'
import type { Store } from '../../ports/store.ts'
import { type Contract, inUnit, withStore } from './backend.ts'
import { begun, fenceOf, letter, mark, minute, newRun, notification, pushed, result, tick } from './run-log-fixtures.ts'

const NEVER = '0001-01-01T00:00:00+00:00'
const ALWAYS = '9999-01-01T00:00:00+00:00'
const KEEP = { runs: NEVER, events: NEVER, ticks: NEVER, checks: NEVER, letters: NEVER }
const CLEAR = { runs: ALWAYS, events: ALWAYS, ticks: ALWAYS, checks: ALWAYS, letters: ALWAYS }

export function runLogExpireContract({ backend, api }: Contract): void {
  const test = (name: string, work: (store: Store) => Promise<void>): unknown =>
    api.it(name, () => withStore(backend, work))

  /** As several processes: `count` stores of one space. */
  const together = (name: string, count: number, work: (stores: readonly Store[]) => Promise<void>): unknown =>
    api.it(name, async () => {
      const space = await backend.space()
      const stores: Store[] = []
      try {
        for (let i = 0; i < count; i += 1)
          stores.push(backend.shared || i === 0 ? await space.open() : (stores[0] as Store))
        await work(stores)
      } finally {
        for (const store of new Set(stores)) await store.close()
        await space.dispose()
      }
    })

  api.describe(`ageing of the run log on ${backend.name}`, () => {
    test('runs go with their events, but never one whose family is young or under way', async ({ log: { runs } }) => {
      const end = { status: 'succeeded', finishedAt: minute(1) } as const
      const make = async (runId: string, parentRunId: string | null, ended: boolean): Promise<void> => {
        await runs.create(newRun(runId, { parentRunId }), minute(0))
        if (ended) await runs.change(runId, end, { at: minute(1), events: [{ kind: 'state', message: 'ended' }] })
      }
      await make('r_old', null, true)
      await make('r_old_child', 'r_old', true)
      await make('r_orphan', 'r_gone', true)
      await make('r_root', null, false)
      await make('r_middle', 'r_root', true)
      await make('r_leaf', 'r_middle', true)
      await make('r_parent', null, true)
      await make('r_child', 'r_parent', false)
      await make('r_young', null, true)
      await runs.change('r_young', { finishedAt: minute(30) }, { at: minute(30) })
      assert.equal(await runs.expire({ ...KEEP, runs: minute(20) }), 6)
      const left = (await runs.list()).map(({ runId }) => runId)
      assert.deepEqual(left, ['r_young', 'r_child', 'r_parent', 'r_leaf', 'r_middle', 'r_root'])
      assert.deepEqual(await runs.events('r_old'), [])
      assert.equal((await runs.events('r_leaf')).length, 1)
    })

    test('events go on where they were after the old ones went', async ({ log: { runs } }) => {
      await begun({ runs } as never, 'r_1')
      const say = (...messages: string[]) => messages.map((message) => ({ kind: 'log', message }) as const)
      await runs.log('r_1', minute(1), say('a', 'b', 'c'))
      await runs.log('r_gone', minute(1), say('a', 'b'))
      assert.equal(await runs.expire({ ...KEEP, events: minute(2) }), 4)
      await runs.log('r_1', minute(3), say('d'))
      assert.deepEqual(
        (await runs.events('r_1')).map(({ seq }) => seq),
        [3, 4],
      )
    })

    test('slots, results and settled letters go, the latest slot stays', async (store) => {
      const { log } = store
      await begun(log, 'r_1')
      const ticks = [
        tick(minute(1), { runId: 'r_1' }),
        tick(minute(2)),
        tick(minute(3)),
        tick(minute(1), { pipeline: 'hourly' }),
      ]
      await log.schedules.decide('nightly', minute(3), () => ({ ticks: ticks.slice(0, 3), runs: [] }))
      await log.schedules.decide('hourly', minute(3), () => ({ ticks: ticks.slice(3), runs: [] }))
      await log.checks.put([result('a', { at: minute(1) }), result('b', { at: minute(30) })])
      await inUnit(store, (unit) => log.letters.add(unit, null, [letter(), letter()]))
      const [first] = await log.letters.list()
      await log.letters.setStatus([first?.id ?? ''], 'retried', null)
      const aged = { ...KEEP, ticks: minute(20), checks: minute(20), letters: ALWAYS }
      assert.equal(await log.runs.expire(aged), 3)
      assert.deepEqual(await log.schedules.ticks('nightly'), [ticks[2], ticks[0]])
      assert.equal((await log.schedules.ticks('hourly')).length, 1)
      assert.deepEqual(
        (await log.checks.latest()).map(({ check }) => check),
        ['b'],
      )
      assert.equal((await log.letters.list()).length, 1)
    })

    test('marks, pushed records, open letters, heads and unsent notifications stay for good', async (store) => {
      const { log } = store
      const { inputs, letters, notifications } = log
      await inUnit(store, async (unit) => {
        await inputs.putMark(unit, mark('a', { state: 'done' }), null)
        await inputs.noteHead(unit, minute(1), 5)
        await letters.add(unit, null, [letter()])
      })
      await inputs.push([pushed('b_1', 1)])
      await notifications.enqueue([notification('n_1'), notification('n_2')], minute(0))
      const [leased] = await notifications.lease(minute(2), 1, 1)
      await notifications.sent(leased?.id ?? '', leased?.leaseToken ?? '')
      assert.equal(await log.runs.expire(CLEAR), 1)
      assert.equal((await inputs.marks('nightly', 'files')).length, 1)
      assert.deepEqual([await inputs.headAt(minute(1)), (await inputs.batches()).length], [5, 1])
      assert.equal((await letters.list()).length, 1)
      assert.deepEqual(await notifications.count(), { pending: 1, sent: 0, dead: 0 })
    })
  })

  api.describe(`writers of the run log beside each other on ${backend.name}`, () => {
    together('one key makes one run', 8, async (stores) => {
      const made = await Promise.all(
        stores.map(({ log }, i) => log.runs.create(newRun(`r_${i}`, { idempotencyKey: 'k' }), minute(i))),
      )
      assert.equal(made.filter(({ created }) => created).length, 1)
      assert.equal(new Set(made.map(({ run }) => run.runId)).size, 1)
      assert.equal((await stores[0]?.log.runs.list())?.length, 1)
    })

    together('attempts that begin at once have different epochs', 4, async (stores) => {
      await stores[0]?.log.runs.create(newRun('r_1'), minute(0))
      const rows = await Promise.all(stores.map(({ log }) => log.runs.begin('r_1', minute(1))))
      assert.deepEqual(rows.map(({ epoch }) => epoch).sort(), [1, 2, 3, 4])
    })

    together('of attempts that commit at once only the latest does, and every chunk counts once', 4, async (stores) => {
      await stores[0]?.log.runs.create(newRun('r_1'), minute(0))
      const works = stores.map(async (store) => {
        const fence = fenceOf(await store.log.runs.begin('r_1', minute(1)))
        let committed = 0
        for (let chunk = 0; chunk < 10; chunk += 1) {
          try {
            await inUnit(store, (unit) => store.log.runs.advance(unit, fence, { at: minute(2), add: { rows: 1 } }))
            committed += 1
          } catch (error) {
            assert.ok(error instanceof Fenced)
            break
          }
        }
        return { committed, epoch: fence.epoch }
      })
      const done = await Promise.all(works)
      const run = await stores[0]?.log.runs.get('r_1')
      const committed = done.reduce((sum, work) => sum + work.committed, 0)
      assert.equal(run?.stats['rows'], committed)
      assert.equal(done.find(({ epoch }) => epoch === 4)?.committed, 10)
    })

    together('events of one run have no gaps', 4, async (stores) => {
      await stores[0]?.log.runs.create(newRun('r_1'), minute(0))
      const events = [
        { kind: 'log', message: 'a' },
        { kind: 'log', message: 'b' },
      ] as const
      const writes = stores.flatMap(({ log }) =>
        Array.from({ length: 5 }, (_, i) =>
          i % 2 === 0 ? log.runs.log('r_1', minute(1), events) : log.runs.change('r_1', {}, { at: minute(1), events }),
        ),
      )
      await Promise.all(writes)
      const stored = (await stores[0]?.log.runs.events('r_1')) ?? []
      assert.deepEqual(
        stored.map(({ seq }) => seq),
        Array.from({ length: 40 }, (_, i) => i + 1),
      )
      // Those of one call stand together.
      for (const [i, { message }] of stored.entries()) assert.equal(message, i % 2 === 0 ? 'a' : 'b')
    })

    together('decisions about one pipeline see each other', 8, async (stores) => {
      const decide = ({ log }: Store, i: number): Promise<void> =>
        log.schedules.decide('nightly', minute(1), ({ active }) =>
          active.length > 0
            ? { ticks: [tick(minute(i), { outcome: 'skipped' })], runs: [] }
            : {
                ticks: [tick(minute(i), { runId: `r_${i}` })],
                runs: [newRun(`r_${i}`, { op: 'pipeline', pipeline: 'nightly' })],
              },
        )
      await Promise.all(stores.map(decide))
      const log = (stores[0] as Store).log
      assert.equal((await log.runs.list()).length, 1)
      const outcomes = (await log.schedules.ticks('nightly')).map(({ outcome }) => outcome)
      assert.deepEqual([outcomes.length, outcomes.filter((outcome) => outcome === 'started').length], [8, 1])
    })

    together('a notification is leased to one of many', 4, async (stores) => {
      const log = (stores[0] as Store).log
      const rows = Array.from({ length: 40 }, (_, i) => notification(`n_${String(i).padStart(2, '0')}`))
      await log.notifications.enqueue(rows, minute(0))
      const taken: string[] = []
      const work = async ({ log: { notifications } }: Store): Promise<void> => {
        while (true) {
          const leased = await notifications.lease(minute(1), 60_000, 3)
          if (leased.length === 0) {
            // What others were just taking was passed over; nothing of it is left.
            if (taken.length >= rows.length) return
            continue
          }
          taken.push(...leased.map(({ id }) => id))
        }
      }
      await Promise.all(stores.map(work))
      assert.deepEqual(
        taken.sort(),
        rows.map(({ id }) => id),
      )
    })

    together('a mark is moved on by one of many', 4, async (stores) => {
      const first = mark('a', { position: 0 })
      await inUnit(stores[0] as Store, (unit) => (stores[0] as Store).log.inputs.putMark(unit, first, null))
      const outcomes = await Promise.allSettled(
        stores.map((store, i) =>
          inUnit(store, (unit) => store.log.inputs.putMark(unit, mark('a', { position: i + 1 }), first)),
        ),
      )
      assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1)
    })
  })
}
