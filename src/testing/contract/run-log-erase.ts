/** Contract of what the run log forgets of a person (spec 05 §4.2 no. 14, 19, §5.4). */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { Digests } from '../../core/privacy/digest.ts'
import type { FrozenSubject } from '../../ports/erasure.ts'
import type { Store } from '../../ports/store.ts'
import { type Contract, inUnit, withStore } from './backend.ts'
import { letter, minute, newRun, notification, pushed, result } from './run-log-fixtures.ts'

const DIGESTS = new Digests(randomBytes(32))

/** Frozen for tests: a person of these ids, known by these values. */
export function frozenSubject(
  ids: readonly string[],
  values: readonly string[],
  options: Partial<FrozenSubject> = {},
): FrozenSubject {
  const digests = new Set([...ids, ...values].map((value) => DIGESTS.token(value)))
  const mentions = (value: unknown): boolean => {
    if (Array.isArray(value)) return value.some(mentions)
    if (typeof value === 'object' && value !== null) return Object.values(value).some(mentions)
    return value !== null && value !== undefined && digests.has(DIGESTS.token(String(value)))
  }
  return {
    erasureId: 'x_1',
    requestId: 'q_1',
    kind: 'erase',
    entities: ids.map((id) => ({ id, type: 'member' })),
    digests: [...digests],
    eventDigests: [],
    emptied: [],
    treated: [],
    exports: [],
    stores: {},
    counts: { entities: ids.length, eventsDeleted: 0, eventsScrubbed: 0, mergeLog: 0, fields: 0 },
    ledgerHead: 100,
    versions: ['v1'],
    startedAt: minute(1),
    pivotAt: minute(2),
    closedAt: null,
    mentions,
    treat: null,
    ...options,
  }
}

/** Puts a marker in place of the values. */
export function treating(values: readonly string[]): (value: unknown) => unknown {
  const treat = (value: unknown): unknown => {
    if (typeof value === 'string') return values.includes(value) ? '[REDACTED]' : value
    if (Array.isArray(value)) return value.map(treat)
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, treat(item)]))
  }
  return treat
}

export function runLogEraseContract({ backend, api }: Contract): void {
  const test = (name: string, work: (store: Store) => Promise<void>): unknown =>
    api.it(name, () => withStore(backend, work))
  const MAIL = 'ada@example.com'

  api.describe(`forgetting a person in the run log on ${backend.name}`, () => {
    const person = frozenSubject(['m-1', 'm-2'], [MAIL, '4711', 'ev-9'], { emptied: [7], treated: [9] })
    const theirs = [
      letter({ raw: {}, entityId: 'm-2' }),
      letter({ raw: {}, sequence: 7 }),
      letter({ raw: {}, sequence: 9 }),
      letter({ raw: {}, eventId: 'ev-9' }),
      letter({ raw: { deep: [{ mail: MAIL }] } }),
      letter({ raw: { card: 4711 } }),
      letter({ raw: `{"mail": "${MAIL}", "torn` }),
      letter({ raw: `x;y\tto=<${MAIL}>, z` }),
    ]
    const others = [
      letter({ raw: { mail: 'eve@example.com' }, entityId: 'm-3', sequence: 8, eventId: 'ev-8' }),
      letter({ raw: `{"mail": "not-${MAIL}", "torn` }),
    ]

    test('their letters go, whatever names them', async (store) => {
      const { letters } = store.log
      const many = Array.from({ length: 600 }, (_, n) => letter({ raw: { n: n + 10_000 } }))
      await inUnit(store, (unit) => letters.add(unit, null, [...theirs, ...many, ...others, ...theirs]))
      assert.equal(await letters.concerning(null, person), 16)
      assert.equal(await inUnit(store, (unit) => letters.erase(unit, person)), 16)
      assert.equal(await letters.concerning(null, person), 0)
      assert.equal(await inUnit(store, (unit) => letters.erase(unit, person)), 0)
      assert.deepEqual(
        (await letters.list()).map(({ failure }) => failure),
        [...many, ...others],
      )
    })

    test('a redaction treats their records in place', async (store) => {
      const { letters } = store.log
      const redacted = frozenSubject(['m-1'], [MAIL], { treat: treating([MAIL]) })
      await inUnit(store, (unit) => letters.add(unit, null, [...theirs.slice(3), ...others]))
      assert.equal(await letters.concerning(null, redacted), 3)
      assert.equal(await inUnit(store, (unit) => letters.treat(unit, redacted)), 3)
      assert.equal(await inUnit(store, (unit) => letters.treat(unit, redacted)), 0)
      assert.equal(await letters.concerning(null, redacted), 0)
      assert.deepEqual(
        (await letters.list()).map(({ failure }) => failure.raw),
        [
          {},
          { deep: [{ mail: '[REDACTED]' }] },
          { card: 4711 },
          '[REDACTED]',
          '[REDACTED]',
          ...others.map(({ raw }) => raw),
        ],
      )
    })

    test('their pushed records go, and the rest of the batch is read as before', async (store) => {
      const { inputs } = store.log
      const mine = [2, 3, 600].map((line) => pushed('b_1', line, { raw: `{"mail":"${MAIL}","line":${line}}` }))
      const lines = Array.from({ length: 601 }, (_, i) => pushed('b_1', i + 1))
      await inputs.push([...mine, ...lines.filter(({ line }) => ![2, 3, 600].includes(line))])
      await inputs.push([pushed('b_2', 1, { raw: `torn "${MAIL}"` }), pushed('b_3', 1)])
      assert.equal(await inputs.inboxOf(null, person), 4)
      assert.equal(await inUnit(store, (unit) => inputs.eraseInbox(unit, person)), 4)
      assert.equal(await inUnit(store, (unit) => inputs.eraseInbox(unit, person)), 0)
      assert.equal(await inputs.inboxOf(null, person), 0)
      assert.deepEqual(
        (await inputs.batches()).map(({ batchId, lines: count }) => [batchId, count]),
        [
          ['b_1', 598],
          ['b_3', 1],
        ],
      )
      assert.deepEqual(
        (await inputs.inbox('b_1', { after: 1, limit: 2 })).map(({ line }) => line),
        [4, 5],
      )
    })

    test('ids leave samples, messages, errors and alerts', async (store) => {
      const { checks, runs, notifications } = store.log
      const failed = result('fees', {
        passed: false,
        sampleIds: ['m-3', 'm-1', 'm-11'],
        message: "entity 'm-2' differs",
      })
      await checks.put([failed, result('history', { sampleIds: ['m-3'] })])
      await runs.create(newRun('r_1'), minute(0))
      await runs.create(newRun('r_2'), minute(0))
      const error = { code: 'E_IDENTITY', class: 'IdentityError', message: "entity 'm-1' is gone", recoverable: false }
      await runs.change(
        'r_1',
        { status: 'failed', error },
        { at: minute(1), events: [{ kind: 'log', message: 'm-1' }] },
      )
      await notifications.enqueue([notification('n_1', { payload: { id: 'm-2', of: ['m-2', 'x'] } })], minute(1))
      const ids = ['m-1', 'm-2']
      assert.equal(await checks.samplesOf(null, ids), 4)
      assert.equal(await inUnit(store, (unit) => checks.eraseSamples(unit, [...ids, ...Array(60).fill('m_%')])), 4)
      assert.equal(await checks.samplesOf(null, ids), 0)
      assert.equal(await inUnit(store, (unit) => checks.eraseSamples(unit, [])), 0)
      const [fees, history] = await checks.latest()
      assert.deepEqual(fees?.sampleIds, ['m-3', 'm-11'])
      assert.equal(fees?.message, "entity '[ERASED]' differs")
      assert.deepEqual(history?.sampleIds, ['m-3'])
      assert.equal((await runs.get('r_1'))?.error?.message, "entity '[ERASED]' is gone")
      assert.equal((await runs.events('r_1'))[0]?.message, '[ERASED]')
      assert.deepEqual((await notifications.of('failure', 'run/r_1'))[0]?.payload, { id: '[ERASED]', of: ['x'] })
    })
  })
}
