/** Rules of the SQLite store that must not be lost while it is made faster (spec 04 §2–§4, 07 §6.1, 10 §4.4). */
import assert from 'node:assert/strict'
import { openSqliteStore } from '../../src/adapters/sqlite/store.ts'
import { Fenced, IdentityError, LockHeld, QueryError, StorageError } from '../../src/errors.ts'
import type { Store } from '../../src/ports/store.ts'
import { drain, inUnit, NOW } from '../../src/testing/contract/backend.ts'
import {
  at,
  day,
  edge,
  event,
  LAYOUT,
  prepareVersion,
  row,
  rowsOf,
  write,
} from '../../src/testing/contract/fixtures.ts'
import type { Rule } from './rule.ts'

const SQLITE = 'src/adapters/sqlite'

function rule(
  id: string,
  spec: string,
  off: { file: string; find: string; replace: string },
  check: (store: Store) => Promise<void>,
): Rule {
  return {
    id: `store.${id}`,
    spec,
    off: { ...off, file: `${SQLITE}/${off.file}` },
    async check() {
      const store = await openSqliteStore({ path: ':memory:', now: () => NOW })
      try {
        await check(store)
      } finally {
        await store.close()
      }
    },
  }
}

const HOLDER = { host: 'here', pid: 1, startedAt: 'then', purpose: 'build' }
const member = (store: Store): Promise<Record<string, unknown>[]> =>
  rowsOf(store, 'history', 'member', ['member_id', 'valid_from', 'valid_to'])

export const rules: Rule[] = [
  rule(
    'rollback leaves no gap',
    '04 §2.5',
    { file: 'database.ts', find: `writer.run('rollback')`, replace: `writer.run('commit')` },
    async (store) => {
      const failed = inUnit(store, async (unit) => {
        await store.ledger.append(unit, [event('a')])
        throw new Error('no')
      })
      await assert.rejects(failed)
      assert.equal(await store.ledger.head(), 0)
    },
  ),
  rule(
    'duplicates take no number',
    '04 §2.3',
    { file: 'ledger.ts', find: 'if (!keepDuplicates || canonical > before) {', replace: 'if (false) {' },
    async (store) => {
      const results = await inUnit(store, (unit) => store.ledger.append(unit, [event('a'), event('a'), event('b')]))
      assert.deepEqual(
        results.map((result) => result.sequence),
        [1, 1, 2],
      )
    },
  ),
  rule(
    'replays skip what is excluded',
    '04 §4.4',
    {
      file: 'ledger.ts',
      find: "l.duplicate_of is null and l.excluded = 0 and l.event_type is not null'",
      replace: "l.duplicate_of is null'",
    },
    async (store) => {
      await inUnit(store, async (unit) => {
        await store.ledger.append(unit, [event('a')])
        await store.ledger.renormalize(unit, [{ sequence: 1, event: null }])
      })
      assert.equal((await drain(store.ledger.replay({ from: 1 }))).length, 0)
    },
  ),
  rule(
    'the lowest sequence of an id is canonical',
    '04 §2.3',
    { file: 'renormalize.ts', find: 'if (canonical < sequence) return canonical', replace: '' },
    async (store) => {
      await inUnit(store, async (unit) => {
        await store.ledger.append(unit, [event('a'), event('b')])
        await store.ledger.renormalize(unit, [
          { sequence: 1, event: event('x') },
          { sequence: 2, event: event('x') },
        ])
      })
      const [first, second] = await drain(store.ledger.scan({ after: 0, to: 2, all: true }))
      assert.deepEqual([first?.duplicateOf, second?.duplicateOf], [null, 1])
    },
  ),
  rule(
    'appends during a renormalization are kept',
    '04 §4.4',
    { file: 'renormalize.ts', find: 'set renormalizing = 1,', replace: 'set renormalizing = 0,' },
    async (store) => {
      await inUnit(store, async (unit) => {
        await store.ledger.append(unit, [event('a')])
        await store.ledger.beginRenormalize(unit)
        await store.ledger.append(unit, [event('a', { rawJson: '"new"' })])
        await store.ledger.renormalize(unit, [{ sequence: 1, event: event('b') }])
        await store.ledger.endRenormalize(unit)
      })
      assert.equal((await store.ledger.event({ eventId: 'a' }))?.raw, '"new"')
    },
  ),
  rule(
    'repeats that were appended during a renormalization do not stay',
    '04 §4.4',
    {
      file: 'renormalize.ts',
      find: 'where sequence > ? and duplicate_of',
      replace: 'where sequence < ? and duplicate_of',
    },
    async (store) => {
      await inUnit(store, async (unit) => {
        await store.ledger.append(unit, [event('a')])
        await store.ledger.beginRenormalize(unit)
        await store.ledger.append(unit, [event('a', { rawJson: '"again"' })])
        await store.ledger.endRenormalize(unit)
      })
      assert.deepEqual(await store.ledger.raws([2]), new Map())
    },
  ),
  rule(
    'an id is not merged into itself',
    '04 §2.4',
    { file: 'identity.ts', find: 'if (from === into) throw', replace: 'if (from === into && false) throw' },
    async (store) => {
      await assert.rejects(
        inUnit(store, (unit) => store.identity.merge(unit, 'member', 'a', 'a', 'test')),
        IdentityError,
      )
    },
  ),
  rule(
    'a merge is announced once',
    '04 §3.5',
    { file: 'identity.ts', find: 'if (known !== undefined && hints === 0 && moved === 0) return 0', replace: '' },
    async (store) => {
      for (let i = 0; i < 2; i++) await inUnit(store, (unit) => store.identity.merge(unit, 'member', 'a', 'b', 'test'))
      assert.equal((await store.identity.changes(null, 0)).length, 1)
    },
  ),
  rule(
    'one open row per entity',
    '07 §6.1',
    {
      file: 'history-write.ts',
      find: 'if (validFrom !== from) table.close.run',
      replace: 'if (false) table.close.run',
    },
    async (store) => {
      await inUnit(store, (unit) => prepareVersion(store, unit))
      for (const n of [1, 2]) {
        const rows = [write('member', 'm', { revision: n, rows: [row(day(n))] })]
        await inUnit(store, (unit) => store.history.write(unit, 'live', LAYOUT, rows))
      }
      assert.equal((await member(store)).filter((r) => r['valid_to'] === null).length, 1)
    },
  ),
  rule(
    'a repeated write changes nothing',
    '07 §6.1',
    { file: 'history-write.ts', find: 'write.revision <= revision', replace: 'write.revision < 0' },
    async (store) => {
      await inUnit(store, (unit) => prepareVersion(store, unit))
      const first = write('member', 'm', { revision: 1, rows: [row(day(1))] })
      const second = write('member', 'm', { revision: 2, rows: [row(day(2))] })
      await inUnit(store, (unit) => store.history.write(unit, 'live', LAYOUT, [first, second, first]))
      assert.deepEqual(
        (await member(store)).map((r) => r['valid_to']),
        [day(2).toString(), null],
      )
    },
  ),
  rule(
    'a lower generation is ignored',
    '07 §6.1',
    { file: 'history-write.ts', find: 'if (write.generation < generation) return false', replace: '' },
    async (store) => {
      await inUnit(store, (unit) => prepareVersion(store, unit))
      const newer = write('member', 'm', { generation: 2, rows: [row(day(1))] })
      const older = write('member', 'm', { generation: 1, rows: [row(day(5))], replace: true })
      await inUnit(store, (unit) => store.history.write(unit, 'live', LAYOUT, [newer, older]))
      assert.deepEqual(
        (await member(store)).map((r) => r['valid_from']),
        [day(1).toString()],
      )
    },
  ),
  rule(
    'a merged row ends no earlier than it began',
    '07 §6.1',
    { file: 'history.ts', find: 'max(?2, valid_from)', replace: '?2' },
    async (store) => {
      await inUnit(store, async (unit) => {
        await prepareVersion(store, unit)
        await store.history.write(unit, 'live', LAYOUT, [write('member', 'm', { rows: [row(day(5))] })])
        await store.history.absorb(unit, LAYOUT, 'member', 'm', 'other', day(2))
      })
      assert.equal((await member(store))[0]?.['valid_to'], day(5).toString())
    },
  ),
  rule(
    'an edge of both sides is there once',
    '06 §1',
    { file: '../sql/edge-views.ts', find: '.map((mask) => `not $', replace: '.map((mask) => `$' },
    async (store) => {
      await inUnit(store, async (unit) => {
        await prepareVersion(store, unit)
        const edges = (type: string, target: string) => ({ rows: [row(day(1))], edges: [edge(type, target, day(1))] })
        await store.history.write(unit, 'live', LAYOUT, [
          write('member', 'm', edges('took_out', 'l')),
          write('loan', 'l', edges('taken_by', 'm')),
        ])
      })
      assert.equal((await rowsOf(store, 'relationship', 'took_out', ['source_id'])).length, 1)
    },
  ),
  rule(
    'due means strictly before',
    '03 §10',
    { file: 'checkpoints.ts', find: 'next_due < ?', replace: 'next_due <= ?' },
    async (store) => {
      await inUnit(store, async (unit) => {
        await prepareVersion(store, unit)
        const checkpoint = { type: 'member', body: '{}', generation: 0, revision: 0, appliedUpto: 0 }
        await store.checkpoints.save(unit, 'live', [{ ...checkpoint, id: 'm', nextDue: day(2).toString() }])
      })
      assert.deepEqual(await store.checkpoints.due(null, 'v1', day(2), 9), [])
    },
  ),
  rule(
    'a held slot is refused',
    '10 §4.4',
    { file: 'locks.ts', find: 'throw lockHeld(held)', replace: ';' },
    async (store) => {
      await store.locks.acquire('state', HOLDER, 60_000, day(1))
      await assert.rejects(store.locks.acquire('state', HOLDER, 60_000, day(1)), LockHeld)
    },
  ),
  rule(
    'a stale epoch cannot write',
    '10 §4.4',
    { file: 'locks.ts', find: 'checkEpoch(slot, epoch, row?.[0] as number | undefined)', replace: '' },
    async (store) => {
      const stale = await store.locks.acquire('state', HOLDER, 1000, day(1))
      await store.locks.acquire('state', HOLDER, 1000, at('2024-01-02T00:00:00Z'))
      await assert.rejects(
        inUnit(store, (unit) => store.locks.fence(unit.tx, 'state', stale)),
        Fenced,
      )
    },
  ),
  rule(
    'an ended unit of work cannot write',
    '07 §3',
    { file: 'database.ts', find: 'if (tx !== this.#open)', replace: 'if (false)' },
    async (store) => {
      const ended = await inUnit(store, async (unit) => unit)
      await assert.rejects(store.ledger.append(ended, [event('a')]), StorageError)
    },
  ),
  rule(
    'queries see history only',
    '06 §6',
    {
      file: 'names.ts',
      find: `relationships(?:__\\w+)?|json_each`,
      replace: `relationships(?:__\\w+)?|ledger|json_each`,
    },
    async (store) => {
      await assert.rejects(store.reader.all('select raw from ledger', []), QueryError)
    },
  ),
]
