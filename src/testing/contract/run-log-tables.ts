/** Contract of the run log's other tables (spec 10 §2): slots, marks, pushed records, letters, checks, the outbox. */
import assert from 'node:assert/strict'
import { Fenced } from '../../errors.ts'
import type { Store } from '../../ports/store.ts'
import { type Contract, inUnit, withStore } from './backend.ts'
import { letter, mark, minute, newRun, notification, ODD, pushed, result, tick } from './run-log-fixtures.ts'

export function runLogTablesContract({ backend, api }: Contract): void {
  const test = (name: string, work: (store: Store) => Promise<void>): unknown =>
    api.it(name, () => withStore(backend, work))

  api.describe(`schedules on ${backend.name}`, () => {
    const applied = {
      name: 'nightly',
      body: { steps: ['build'], text: ODD },
      pipelineHash: 'h1',
      pausedReason: null,
      appliedAt: minute(1),
    }

    test('a pipeline is stored, replaced and removed', async ({ log: { schedules } }) => {
      await schedules.putPipeline(applied)
      await schedules.putPipeline({ ...applied, name: 'hourly', pausedReason: 'repairs' })
      await schedules.putPipeline({ ...applied, pipelineHash: 'h2' })
      assert.deepEqual(await schedules.pipelines(), [
        { ...applied, name: 'hourly', pausedReason: 'repairs' },
        { ...applied, pipelineHash: 'h2' },
      ])
      await schedules.removePipeline('hourly')
      await schedules.removePipeline('never there')
      assert.equal((await schedules.pipelines()).length, 1)
    })

    test('a decision sees the latest slots and the runs under way, and stores all it says', async ({ log }) => {
      const { schedules, runs } = log
      await schedules.putPipeline(applied)
      await runs.create(newRun('r_1', { op: 'pipeline', pipeline: 'nightly' }), minute(0))
      await runs.create(newRun('r_2', { op: 'pipeline', pipeline: 'nightly', status: 'failed' }), minute(0))
      await runs.create(newRun('r_3', { op: 'pipeline', pipeline: 'hourly' }), minute(0))
      await runs.create(newRun('r_4', { pipeline: 'nightly', step: 'files', parentRunId: 'r_1' }), minute(0))
      await schedules.decide('nightly', minute(3), (now) => {
        assert.deepEqual(now.applied, applied)
        assert.deepEqual(now.ticks, [])
        assert.deepEqual(
          now.active.map(({ runId }) => runId),
          ['r_1'],
        )
        return {
          ticks: [tick(minute(1), { outcome: 'missed', reason: 'late' }), tick(minute(2), { outcome: 'queued' })],
          runs: [newRun('r_5', { op: 'pipeline', pipeline: 'nightly', scheduledFor: minute(2) })],
        }
      })
      assert.equal((await runs.get('r_5'))?.createdAt, minute(3))
      await schedules.decide('nightly', minute(4), (now) => {
        assert.deepEqual(
          now.ticks.map(({ scheduledFor, outcome }) => [scheduledFor, outcome]),
          [
            [minute(2), 'queued'],
            [minute(1), 'missed'],
          ],
        )
        assert.equal(now.active.length, 2)
        return { ticks: [tick(minute(2), { runId: 'r_5', decidedAt: minute(4) })], runs: [] }
      })
      assert.deepEqual(await schedules.ticks('nightly', { limit: 1 }), [
        tick(minute(2), { runId: 'r_5', decidedAt: minute(4) }),
      ])
      assert.equal((await schedules.ticks('nightly', { since: minute(2) })).length, 1)
      assert.equal((await schedules.ticks('nightly')).length, 2)
      assert.deepEqual(await schedules.ticks('hourly'), [])
    })

    test('a decision that fails stores nothing, and at most 100 slots are shown', async ({
      log: { schedules, runs },
    }) => {
      const failed = schedules.decide('nightly', minute(1), () => {
        throw new Error('on purpose')
      })
      await assert.rejects(failed, /on purpose/)
      const slot = (n: number): string => new Date(Date.UTC(2024, 0, 1, 0, n)).toISOString().replace('.000Z', '+00:00')
      const many = Array.from({ length: 101 }, (_, n) => tick(slot(n)))
      await schedules.decide('nightly', minute(1), () => ({ ticks: many, runs: [] }))
      await schedules.decide('nightly', minute(1), (now) => {
        assert.equal(now.applied, undefined)
        assert.deepEqual(
          [now.ticks.length, now.ticks[0]?.scheduledFor, now.ticks[99]?.scheduledFor],
          [100, slot(100), slot(1)],
        )
        return { ticks: [], runs: [] }
      })
      assert.deepEqual(await runs.list(), [])
    })
  })

  api.describe(`inputs on ${backend.name}`, () => {
    test('a mark moves on from where it was, and from nowhere else', async (store) => {
      const { inputs } = store.log
      const put = (...args: [ReturnType<typeof mark>, ReturnType<typeof mark> | null]): Promise<void> =>
        inUnit(store, (unit) => inputs.putMark(unit, ...args))
      const part = `data/${'Grüße 🦉'} "1".ndjson`
      const first = mark(part, { position: { byte: 10, at: ODD }, recordsRead: 2, ingested: 2, runId: 'r_1' })
      await put(first, null)
      await assert.rejects(put(first, null), Fenced)
      const second = mark(part, { position: { byte: 20 }, state: 'done', recordsRead: 5, duplicates: 2, failed: 1 })
      // The same place, written in another order.
      await put(second, mark(part, { position: { at: ODD, byte: 10 } }))
      await assert.rejects(put(first, first), Fenced)
      await assert.rejects(put(first, mark(part)), Fenced)
      await assert.rejects(put(mark('new', { position: 1 }), mark('new')), Fenced)
      await put(mark('another'), null)
      await put(mark('another', { position: 0 }), mark('another'))
      await put(mark('of another input', { input: 'backlog' }), null)
      assert.deepEqual(await inputs.marks('nightly', 'files'), [mark('another', { position: 0 }), second])
      await assert.rejects(put(mark('x', { input: 'secret' }), mark('x')), (error) => !String(error).includes('x '))
    })

    test('a mark is set aside and opened again', async (store) => {
      const { inputs } = store.log
      for (const part of ['a', 'b']) await inUnit(store, (unit) => inputs.putMark(unit, mark(part), null))
      await inputs.setState([mark('a'), mark('never there')], 'held', minute(5))
      await inputs.setState([], 'held', minute(5))
      assert.deepEqual(await inputs.marks('nightly', 'files'), [
        mark('a', { state: 'held', updatedAt: minute(5) }),
        mark('b'),
      ])
    })

    test('pushed records come back as they were, until they are dropped', async (store) => {
      const { inputs } = store.log
      const rows = [pushed('b_2', 1, { raw: ODD }), pushed('b_2', 2, { raw: '' }), pushed('b_2', 10)]
      await inputs.push(rows)
      await inputs.push(rows)
      await inputs.push([pushed('b_1', 1, { source: 'app', receivedAt: minute(2) })])
      await inputs.push([])
      assert.deepEqual(await inputs.batches(), [
        { batchId: 'b_2', source: 'kiosk', lines: 3, receivedAt: minute(1) },
        { batchId: 'b_1', source: 'app', lines: 1, receivedAt: minute(2) },
      ])
      assert.equal((await inputs.batches('app')).length, 1)
      assert.deepEqual(await inputs.inbox('b_2', { after: 0, limit: 2 }), rows.slice(0, 2))
      assert.deepEqual(await inputs.inbox('b_2', { after: 2, limit: 2 }), rows.slice(2))
      await inUnit(store, (unit) => inputs.dropInbox(unit, 'b_2', 2))
      assert.deepEqual(await inputs.inbox('b_2', { after: 0, limit: 9 }), rows.slice(2))
      await inUnit(store, (unit) => inputs.dropInbox(unit, 'b_2', 10))
      assert.equal((await inputs.batches()).length, 1)
    })

    test('a large batch is stored whole', async ({ log: { inputs } }) => {
      const rows = Array.from({ length: 13_000 }, (_, i) => pushed('b_1', i + 1))
      await inputs.push(rows)
      assert.equal((await inputs.batches())[0]?.lines, rows.length)
      assert.deepEqual(await inputs.inbox('b_1', { after: 12_998, limit: 5 }), rows.slice(-2))
    })

    test('says which sequences were known when', async (store) => {
      const { inputs } = store.log
      assert.equal(await inputs.headAt(minute(9)), 0)
      const notes = [
        [1, 10],
        [3, 30],
        [3, 20],
        [4, 25],
      ] as const
      for (const [at, head] of notes) await inUnit(store, (unit) => inputs.noteHead(unit, minute(at), head))
      assert.deepEqual(await Promise.all([0, 1, 2, 3, 4].map((at) => inputs.headAt(minute(at)))), [0, 10, 10, 30, 30])
    })
  })

  api.describe(`dead letters on ${backend.name}`, () => {
    test('come back as they were, oldest first', async (store) => {
      const { letters } = store.log
      const failures = [
        letter({
          raw: { text: ODD, big: 9007199254740993n, deep: [[{}]] },
          error: `not a number: field "Grüße"`,
          handler: 'on_sale',
          field: 'fee',
          entityId: 'e-1',
          entityType: 'member',
          eventId: 'ev-1',
          eventType: 'joined',
          sequence: 7,
          version: 'v1',
          recoverable: true,
          origin: { part: 'data/in.ndjson', line: 3, byte: 120 },
          advisory: true,
        }),
        letter({ raw: 'a torn {"line', source: 'app', stage: 'publishing' }),
        letter({ raw: null }),
      ]
      await inUnit(store, (unit) => letters.add(unit, 'r_1', failures.slice(0, 2)))
      await inUnit(store, (unit) => letters.add(unit, null, failures.slice(2)))
      const all = await letters.list()
      assert.deepEqual(
        all.map(({ failure }) => failure),
        failures,
      )
      assert.deepEqual(
        all.map(({ runId, status, reason }) => [runId, status, reason]),
        [
          ['r_1', 'open', null],
          ['r_1', 'open', null],
          [null, 'open', null],
        ],
      )
      assert.equal(new Set(all.map(({ id }) => id)).size, 3)
      assert.deepEqual(await letters.get(all[1]?.id ?? ''), all[1])
      assert.equal(await letters.get('l_none'), undefined)
      assert.deepEqual(await letters.list({ source: 'kiosk', limit: 1 }), [all[0]])
      assert.deepEqual(await letters.list({ stage: 'publishing', status: 'open' }), [all[1]])
      assert.deepEqual(await letters.list({ after: all[0]?.id ?? '', limit: 1 }), [all[1]])
      assert.deepEqual(await letters.count('open'), [
        { source: 'app', letters: 1 },
        { source: 'kiosk', letters: 2 },
      ])
    })

    test('are settled once, and opened again', async (store) => {
      const { letters } = store.log
      await inUnit(store, (unit) => letters.add(unit, null, [letter(), letter()]))
      const [first, second] = (await letters.list()).map(({ id }) => id) as [string, string]
      assert.equal(await letters.setStatus([first, 'l_none'], 'dropped', 'test record'), 1)
      assert.equal(await letters.setStatus([first, second], 'dropped', 'again'), 1)
      assert.equal((await letters.get(first))?.reason, 'test record')
      assert.deepEqual(await letters.count('open'), [])
      assert.equal(await letters.setStatus([first], 'open', null), 1)
      assert.equal(await letters.setStatus([], 'open', null), 0)
      assert.deepEqual(
        (await letters.list({ status: 'open' })).map(({ id, reason }) => [id, reason]),
        [[first, null]],
      )
    })
  })

  api.describe(`checks on ${backend.name}`, () => {
    test('the latest result of each counts', async ({ log: { checks } }) => {
      const failed = result('fees', {
        passed: false,
        blocking: false,
        severity: 'warn',
        value: 0.25,
        sampleIds: ['e-1'],
      })
      await checks.put([failed, result('history'), result('fees', { ...failed, message: 'of one run the last' })])
      await checks.put([])
      await checks.put([result('history', { runId: 'r_2', at: minute(2), value: 3 })])
      await checks.put([result('history', { runId: 'r_3', at: minute(1), asset: 'entity/loan' })])
      assert.deepEqual(await checks.latest(), [
        { ...failed, message: 'of one run the last' },
        result('history', { runId: 'r_3', asset: 'entity/loan' }),
        result('history', { runId: 'r_2', at: minute(2), value: 3 }),
      ])
      assert.deepEqual(
        (await checks.history('history', 2)).map(({ runId }) => runId),
        ['r_2', 'r_3'],
      )
    })
  })

  api.describe(`notifications on ${backend.name}`, () => {
    test('are leased to one, and go when they are sent', async ({ log: { notifications } }) => {
      await notifications.enqueue(
        [
          notification('n_2'),
          notification('n_1', { payload: { text: ODD } }),
          notification('n_3', { availableAt: minute(9) }),
        ],
        minute(0),
      )
      await notifications.enqueue([notification('n_1', { payload: 'another' })], minute(1))
      const [one, two, ...more] = await notifications.lease(minute(2), 60_000, 5)
      assert.deepEqual([one?.id, two?.id, more.length], ['n_1', 'n_2', 0])
      assert.deepEqual([one?.payload, one?.attempts, one?.status], [{ text: ODD }, 1, 'pending'])
      assert.deepEqual(await notifications.lease(minute(2), 60_000, 5), [])
      await notifications.sent('n_1', one?.leaseToken ?? '')
      // The lease of the other one is over: somebody else has it now.
      const [again] = await notifications.lease(minute(3), 60_000, 1)
      assert.deepEqual([again?.id, again?.attempts], ['n_2', 2])
      await notifications.sent('n_2', two?.leaseToken ?? '')
      await notifications.retry('n_2', two?.leaseToken ?? '', null)
      assert.deepEqual(await notifications.count(), { pending: 2, sent: 1, dead: 0 })
      await notifications.retry('n_2', again?.leaseToken ?? '', minute(5))
      assert.deepEqual(await notifications.lease(minute(4), 60_000, 5), [])
      const [last] = await notifications.lease(minute(5), 60_000, 5)
      await notifications.retry('n_2', last?.leaseToken ?? '', null)
      assert.deepEqual(await notifications.count(), { pending: 1, sent: 1, dead: 1 })
    })

    test('are found by what they are about, newest first', async ({ log: { notifications } }) => {
      await notifications.enqueue([notification('n_1')], minute(1))
      await notifications.enqueue([notification('n_2'), notification('n_3', { subject: 'run/r_2' })], minute(2))
      await notifications.enqueue([notification('n_4', { kind: 'recovered' })], minute(2))
      assert.deepEqual(
        (await notifications.of('failure', 'run/r_1')).map(({ id, createdAt }) => [id, createdAt]),
        [
          ['n_2', minute(2)],
          ['n_1', minute(1)],
        ],
      )
    })
  })
}
