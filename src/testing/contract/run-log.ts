/** Contract of the run log (spec 10 §2): runs, their attempts and events. */
import assert from 'node:assert/strict'
import { ConflictError, Fenced, NotFoundError } from '../../errors.ts'
import type { Json, NewRun, RunRow } from '../../ports/runs.ts'
import type { Store } from '../../ports/store.ts'
import { type Contract, inUnit, withStore } from './backend.ts'
import { event } from './fixtures.ts'
import { runLogEraseContract } from './run-log-erase.ts'
import { runLogExpireContract } from './run-log-expire.ts'
import { begun, fenceOf, minute, newRun, notification, ODD } from './run-log-fixtures.ts'
import { runLogTablesContract } from './run-log-tables.ts'

/** JSON that comes back as it was, in the order in which it was written. */
const AWKWARD: Json = { z: [1, -1.5, 1e300, null, true, ODD], a: { '': ODD, [ODD]: {} }, list: [[], [[]]] }

/** Every field that a new run may have. */
const FULL: Required<NewRun> = {
  runId: 'r_full',
  op: 'pipeline',
  pipeline: 'nightly',
  step: 'build_2',
  parentRunId: 'r_parent',
  retryOf: 'r_before',
  idempotencyKey: 'dag/run/Grüße 🦉',
  requestHash: 'h1',
  trigger: 'schedule',
  scheduledFor: minute(3),
  asOf: '2024-06-01T12:00:00.000250+00:00',
  windowFrom: minute(4),
  windowTo: minute(5),
  version: 'v1',
  definitionHash: 'd1',
  package: '1.0.0',
  mode: 'INCREMENTAL',
  input: AWKWARD,
  cursor: [AWKWARD],
  fromSeq: 1,
  toSeq: Number.MAX_SAFE_INTEGER,
  headAtRequest: 7,
  status: 'waiting',
  waitingFor: 'pool:nightly',
  stats: { rows: 3 },
  tags: { team: 'lending', 'key "quoted"': 'Grüße 🦉' },
  engine: 'temporal',
  workflowId: 'defacto/space/build',
  traceparent: '00-aa-bb-01',
  cancelReason: 'because',
}

export function runLogContract(contract: Contract): void {
  const { backend, api } = contract
  const test = (name: string, work: (store: Store) => Promise<void>): unknown =>
    api.it(name, () => withStore(backend, work))
  const ids = (rows: readonly RunRow[]): string[] => rows.map(({ runId }) => runId)

  api.describe(`runs on ${backend.name}`, () => {
    test('a run comes back with everything that was said about it', async ({ log }) => {
      const { run, created } = await log.runs.create(FULL, minute(2))
      const fresh = { attempt: 0, epoch: 0, error: null, errorCode: null }
      const times = { createdAt: minute(2), startedAt: null, progressAt: null, finishedAt: null }
      assert.equal(created, true)
      assert.deepEqual(run, { ...FULL, ...fresh, ...times })
      assert.deepEqual(await log.runs.get('r_full'), run)
      assert.equal(JSON.stringify(run.input), JSON.stringify(AWKWARD))
      assert.equal(await log.runs.get('r_other'), undefined)
    })

    test('what is not said about a run is absent', async ({ log }) => {
      const { run } = await log.runs.create(newRun('r_1', { step: undefined as never }), minute(0))
      assert.deepEqual([run.status, run.stats, run.tags, run.input, run.cursor], ['queued', {}, {}, null, null])
      assert.deepEqual([run.step, run.parentRunId, run.idempotencyKey, run.cancelReason], [null, null, null, null])
    })

    test('a key gives the run stored first, and refuses another request', async ({ log }) => {
      const first = await log.runs.create(newRun('r_1', { idempotencyKey: 'k' }), minute(0))
      assert.deepEqual(await log.runs.create(newRun('r_2', { idempotencyKey: 'k' }), minute(1)), {
        run: first.run,
        created: false,
      })
      await assert.rejects(
        log.runs.create(newRun('r_3', { idempotencyKey: 'k', requestHash: 'h2' }), minute(1)),
        (error) => error instanceof ConflictError && error.code === 'E_CONFLICT' && /'r_1'/.test(error.message),
      )
      assert.equal((await log.runs.create(newRun('r_1'), minute(1))).created, false)
      await log.runs.create(newRun('r_4'), minute(1))
      assert.deepEqual(ids(await log.runs.list()), ['r_4', 'r_1'])
    })

    test('lists are newest first and filtered', async ({ log }) => {
      await log.runs.create(newRun('r_1', { tags: { team: 'a', 'odd "key"': ODD } }), minute(0))
      await log.runs.create(newRun('r_2', { op: 'pipeline', pipeline: 'nightly', tags: { team: 'b' } }), minute(1))
      await log.runs.create(newRun('r_3', { parentRunId: 'r_2', pipeline: 'nightly', status: 'succeeded' }), minute(1))
      await log.runs.create(newRun('r_4', { parentRunId: 'r_2', op: 'tick', tags: { team: 'a' } }), minute(2))
      const list = async (filter: Parameters<typeof log.runs.list>[0]): Promise<string[]> =>
        ids(await log.runs.list(filter))
      assert.deepEqual(await list({}), ['r_4', 'r_3', 'r_2', 'r_1'])
      assert.deepEqual(await list({ limit: 2 }), ['r_4', 'r_3'])
      assert.deepEqual(await list({ status: ['succeeded', 'failed'] }), ['r_3'])
      assert.deepEqual(await list({ status: [] }), [])
      assert.deepEqual(await list({ op: ['tick', 'pipeline'] }), ['r_4', 'r_2'])
      assert.deepEqual(await list({ pipeline: 'nightly' }), ['r_3', 'r_2'])
      assert.deepEqual(await list({ parentRunId: null }), ['r_2', 'r_1'])
      assert.deepEqual(await list({ parentRunId: 'r_2', op: ['tick'] }), ['r_4'])
      assert.deepEqual(await list({ tags: { team: 'a' } }), ['r_4', 'r_1'])
      assert.deepEqual(await list({ tags: { team: 'a', 'odd "key"': ODD } }), ['r_1'])
      assert.deepEqual(await list({ tags: { team: 'a', other: 'a' } }), [])
      assert.deepEqual(await list({ since: minute(1), limit: 2 }), ['r_4', 'r_3'])
    })

    test('children come in the order in which they were made', async ({ log }) => {
      for (const id of ['r_z', 'r_b', 'r_a']) await log.runs.create(newRun(id, { parentRunId: 'r_1' }), minute(0))
      assert.deepEqual(ids(await log.runs.children('r_1')), ['r_z', 'r_b', 'r_a'])
      assert.deepEqual(await log.runs.children('r_z'), [])
    })

    test('every attempt has an epoch of its own until the run has ended', async ({ log }) => {
      const first = await begun(log, 'r_1', { status: 'waiting', waitingFor: 'slot' })
      assert.deepEqual(
        [first.epoch, first.attempt, first.status, first.waitingFor, first.startedAt],
        [1, 1, 'running', null, minute(1)],
      )
      const second = await log.runs.begin('r_1', minute(2))
      assert.deepEqual([second.epoch, second.attempt, second.startedAt], [2, 2, minute(1)])
      await log.runs.change('r_1', { status: 'cancelled', finishedAt: minute(3) }, { at: minute(3) })
      const ended = await log.runs.begin('r_1', minute(4))
      assert.deepEqual([ended.epoch, ended.attempt, ended.status], [2, 2, 'cancelled'])
      await assert.rejects(log.runs.begin('r_2', minute(4)), NotFoundError)
    })

    test('a chunk stores its progress, and its counters are added up', async (store) => {
      const { runs } = store.log
      const fence = fenceOf(await begun(store.log, 'r_1', { cursor: 'start', stats: { kept: 1 } }))
      await runs.begin('r_1', minute(1))
      const current = { ...fence, epoch: 2 }
      const add = { read: 3, ratio: 0.5 }
      await inUnit(store, (unit) => runs.advance(unit, current, { at: minute(2), cursor: AWKWARD, add }))
      await inUnit(store, (unit) => runs.advance(unit, current, { at: minute(3), add: { read: 4, 'odd "name"': 1 } }))
      const run = await runs.get('r_1')
      assert.deepEqual(run?.stats, { kept: 1, read: 7, ratio: 0.5, 'odd "name"': 1 })
      assert.deepEqual(run.cursor, AWKWARD)
      assert.deepEqual([run.attempt, run.epoch, run.progressAt], [0, 2, minute(3)])
      await inUnit(store, (unit) => runs.advance(unit, current, { at: minute(4), cursor: null }))
      assert.equal((await runs.get('r_1'))?.cursor, null)
    })

    test('a chunk of an earlier attempt, or of a run that does not run, leaves no trace', async (store) => {
      const { runs } = store.log
      const stale = fenceOf(await begun(store.log, 'r_1'))
      const chunk = (fence: typeof stale): Promise<unknown> =>
        inUnit(store, async (unit) => {
          await store.ledger.append(unit, [event('a')])
          await runs.advance(unit, fence, { at: minute(2), add: { rows: 1 } })
        })
      const current = fenceOf(await runs.begin('r_1', minute(1)))
      await assert.rejects(chunk(stale), Fenced)
      await assert.rejects(chunk({ ...current, epoch: 3 }), Fenced)
      await assert.rejects(chunk({ ...current, runId: 'r_2' }), Fenced)
      await runs.change('r_1', { status: 'waiting' }, { at: minute(2) })
      await assert.rejects(chunk(current), Fenced)
      assert.equal(await store.ledger.head(), 0)
      assert.deepEqual((await runs.get('r_1'))?.stats, {})
    })

    test('a change happens whole, or not at all', async ({ log }) => {
      await begun(log, 'r_1')
      const error = { code: 'E_STORAGE', class: 'StorageError', message: `no space ${ODD}`, recoverable: true }
      const options = {
        at: minute(2),
        events: [{ kind: 'retry', message: 'again', level: 'warn', code: 'E_STORAGE', step: 'build', data: AWKWARD }],
        notifications: [notification('n_1')],
      } as const
      const waiting = { status: 'waiting', waitingFor: 'retry', error } as const
      assert.equal(await log.runs.change('r_1', waiting, { ...options, from: ['queued'] }), null)
      assert.equal(await log.runs.change('r_1', waiting, { ...options, epoch: 2 }), null)
      assert.equal(await log.runs.change('r_2', waiting, options), null)
      assert.deepEqual(await log.runs.events('r_1'), [])
      assert.deepEqual(await log.notifications.of('failure', 'run/r_1'), [])

      const changed = await log.runs.change('r_1', waiting, { ...options, from: ['queued', 'running'], epoch: 1 })
      assert.deepEqual(await log.runs.get('r_1'), changed)
      assert.deepEqual([changed?.status, changed?.errorCode, changed?.error], ['waiting', 'E_STORAGE', error])
      const [stored] = await log.runs.events('r_1')
      assert.deepEqual(stored, { ...options.events[0], runId: 'r_1', seq: 1, at: minute(2) })
      assert.equal((await log.notifications.of('failure', 'run/r_1')).length, 1)
      const cleared = await log.runs.change('r_1', { error: null, stats: { n: 1 }, tags: {} } as never, {
        at: minute(3),
      })
      assert.deepEqual([cleared?.error, cleared?.errorCode, cleared?.stats], [null, null, { n: 1 }])
    })

    test('events are numbered from 1 and read on from a number', async ({ log }) => {
      await begun(log, 'r_1')
      const say = (message: string) => ({ kind: 'log', message }) as const
      await log.runs.log('r_1', minute(1), [say('a'), { kind: 'progress', message: 'b' }])
      await log.runs.log('r_1', minute(2), [])
      await log.runs.log('r_2', minute(2), [say('of another run')])
      await log.runs.change('r_1', {}, { at: minute(2), events: [say('c')] })
      const of = async (options?: Parameters<typeof log.runs.events>[1]) =>
        (await log.runs.events('r_1', options)).map(({ seq, message }) => `${seq}${message}`)
      assert.deepEqual(await of(), ['1a', '2b', '3c'])
      assert.deepEqual(await of({ after: 1 }), ['2b', '3c'])
      assert.deepEqual(await of({ kinds: ['log'], limit: 1 }), ['1a'])
      assert.deepEqual(await of({ kinds: ['log'], after: 1 }), ['3c'])
    })

    test('texts that databases cannot hold are stored without what they cannot hold', async ({ log }) => {
      await begun(log, 'r_1')
      await log.runs.change('r_1', { cancelReason: ODD }, { at: minute(1), events: [{ kind: 'log', message: ODD }] })
      const readable = ODD.replace('\u0000', '\ufffd').replace('\ud800', '\ufffd')
      assert.equal((await log.runs.get('r_1'))?.cancelReason, readable)
      assert.equal((await log.runs.events('r_1'))[0]?.message, readable)
      assert.equal(await log.runs.get(ODD), undefined)
      assert.deepEqual(await log.runs.list({ pipeline: ODD, tags: { [ODD]: ODD } }), [])
      assert.equal(await log.letters.get(ODD), undefined)
    })
  })

  runLogTablesContract(contract)
  runLogEraseContract(contract)
  runLogExpireContract(contract)
}
