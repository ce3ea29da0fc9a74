/** Rules of the run log that must not be lost while it is made faster (spec 10 §2, §3.3, §4.4). */
import assert from 'node:assert/strict'
import { openSqliteStore } from '../../src/adapters/sqlite/store.ts'
import { ConflictError, Fenced } from '../../src/errors.ts'
import type { Store } from '../../src/ports/store.ts'
import { inUnit, NOW } from '../../src/testing/contract/backend.ts'
import { begun, fenceOf, mark, minute, newRun } from '../../src/testing/contract/run-log-fixtures.ts'
import type { Rule } from './rule.ts'

function rule(
  id: string,
  spec: string,
  off: { file: string; find: string; replace: string },
  check: (store: Store) => Promise<void>,
): Rule {
  return {
    id: `run-log.${id}`,
    spec,
    off: { ...off, file: `src/adapters/sql/run-log-${off.file}` },
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

const NEVER = '0001-01-01T00:00:00+00:00'

export const rules: Rule[] = [
  rule(
    'a chunk of an earlier attempt is fenced',
    '10 §4.4',
    {
      file: 'runs.ts',
      find: "where run_id = $1 and epoch = $2 and status = 'running'",
      replace: "where run_id = $1 and epoch >= $2 and status = 'running'",
    },
    async (store) => {
      const stale = fenceOf(await begun(store.log, 'r_1'))
      await store.log.runs.begin('r_1', minute(2))
      const chunk = inUnit(store, (unit) => store.log.runs.advance(unit, stale, { at: minute(2) }))
      await assert.rejects(chunk, Fenced)
    },
  ),
  rule(
    'a chunk of a run that shall not run is fenced',
    '10 §4.4',
    { file: 'runs.ts', find: "and epoch = $2 and status = 'running'", replace: 'and epoch = $2' },
    async (store) => {
      const fence = fenceOf(await begun(store.log, 'r_1'))
      await store.log.runs.change('r_1', { status: 'cancelled' }, { at: minute(2) })
      const chunk = inUnit(store, (unit) => store.log.runs.advance(unit, fence, { at: minute(2) }))
      await assert.rejects(chunk, Fenced)
    },
  ),
  rule(
    'a key belongs to one request',
    '10 §4.2',
    { file: 'runs.ts', find: 'first.requestHash !== run.requestHash', replace: 'false' },
    async (store) => {
      await store.log.runs.create(newRun('r_1', { idempotencyKey: 'k' }), minute(0))
      const other = newRun('r_2', { idempotencyKey: 'k', requestHash: 'h2' })
      await assert.rejects(store.log.runs.create(other, minute(0)), ConflictError)
    },
  ),
  rule(
    'a part is read on by one alone',
    '10 §3.3',
    { file: 'inputs.ts', find: 'and cast(position as text) = ', replace: "and '' <> " },
    async (store) => {
      const { inputs } = store.log
      await inUnit(store, (unit) => inputs.putMark(unit, mark('a', { position: 1 }), null))
      const late = inUnit(store, (unit) => inputs.putMark(unit, mark('a', { position: 2 }), mark('a', { position: 0 })))
      await assert.rejects(late, Fenced)
    },
  ),
  rule(
    'a step stays while its run goes on',
    '10 §2',
    { file: 'expire.ts', find: 'union select r.other from kept k join related r on r.run_id = k.run_id', replace: '' },
    async (store) => {
      const { runs } = store.log
      await runs.create(newRun('r_1', { op: 'pipeline' }), minute(0))
      await runs.create(newRun('r_2', { parentRunId: 'r_1', status: 'succeeded' }), minute(0))
      await runs.expire({ runs: minute(30), events: NEVER, ticks: NEVER, checks: NEVER, letters: NEVER })
      assert.equal((await runs.children('r_1')).length, 1)
    },
  ),
  rule(
    'numbers of events are given once',
    '10 §2',
    { file: 'expire.ts', find: 'later.seq > ', replace: 'later.seq >= ' },
    async (store) => {
      const { runs } = store.log
      await begun(store.log, 'r_1')
      await runs.log('r_1', minute(1), [{ kind: 'log', message: 'a' }])
      await runs.expire({ runs: NEVER, events: minute(30), ticks: NEVER, checks: NEVER, letters: NEVER })
      await runs.log('r_1', minute(1), [{ kind: 'log', message: 'b' }])
      assert.deepEqual(
        (await runs.events('r_1')).map(({ seq }) => seq),
        [1, 2],
      )
    },
  ),
]
