/** Every kind of check, passed and failed, on the databases there are (spec 10 §3.7). */
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CheckError, NotFoundError } from '../../src/errors.ts'
import { check } from '../../src/orchestration/checks/code.ts'
import { runCheck } from '../../src/orchestration/checks/run.ts'
import type { CheckResult, RunRow } from '../../src/ports/runs.ts'
import { founded, postgresPlace, sqlitePlace, TestSpace, teamed, teams } from '../support/orchestration.ts'
import { joined, used } from '../support/people.ts'
import { describePostgres } from '../support/postgres.ts'

const PLACES = [
  { name: 'SQLite', place: sqlitePlace, describe },
  { name: 'Postgres', place: postgresPlace, describe: describePostgres as typeof describe },
] as const

const PEOPLE = ['a', 'b', 'c'].map((mail, i) => joined(mail, 1 + i))
const RECORDS = [
  founded('red', 1),
  ...PEOPLE,
  teamed('a', 'red', 5),
  teamed('b', 'red', 6),
  used('a', 7, 1),
  { kind: 'upgraded', mail: 'a', no: 2, plan: 'plus', at: '2024-01-08T00:00:00Z' },
  { kind: 'upgraded', mail: 'b', no: 3, plan: 'plus', at: '2024-01-09T00:00:00Z' },
]

for (const { name, place, describe: describeHere } of PLACES)
  describeHere(`checks on ${name}`, () => {
    let space: TestSpace
    beforeEach(async () => {
      space = await TestSpace.open(await place(), teams())
      await space.engine.ingest('web', RECORDS as never, { process: true })
    })
    afterEach(() => space?.close())

    /** Runs one check and returns its result. */
    async function result(body: Record<string, unknown>, more: Record<string, unknown> = {}): Promise<CheckResult> {
      space.pipeline('nightly', { checks: { one: body }, ...more })
      return run(await space.newRun('check', { pipeline: 'nightly' }))
    }
    async function run(row: RunRow): Promise<CheckResult> {
      const outcome = await space.attempt(row, runCheck).catch((error: unknown) => error)
      const [found] = await space.context.operations.log.checks.history('one', 1)
      expect(found?.runId).toBe(row.runId)
      if (found?.passed || !found?.blocking) expect(outcome).toMatchObject({ more: false })
      else expect(outcome).toMatchObject({ name: 'CheckError', code: 'E_CHECK' })
      return found as CheckResult
    }
    const idOf = async (mail: string): Promise<string> => (await space.engine.identity.lookup(mail)) as string

    it('history_valid: gaps, overlaps, two open rows, none, and what merged', async () => {
      const valid = { kind: 'history_valid', asset: 'entity/person/history' }
      expect(await result(valid)).toMatchObject({ passed: true, value: 0, sampleIds: [], message: null })
      await space.sql(
        `update {schema}person_history set valid_to = '2024-01-20T00:00:00+00:00' where person_id = '${await idOf('b')}' and valid_to is null`,
      )
      expect(await result(valid)).toMatchObject({ passed: false, value: 1, sampleIds: [await idOf('b')] })
      await space.sql(`update {schema}person_history set valid_to = null where person_id = '${await idOf('a')}'`)
      expect(await result({ kind: 'history_valid' })).toMatchObject({ passed: false, value: 2 })
    })

    it('history_valid: a gap between two rows; and what merged has no open row', async () => {
      await space.engine.ingest(
        'web',
        [joined('d', 2), joined('d', 3, { card: 'x' }), joined('e', 4, { card: 'x' })] as never,
        {
          process: true,
        },
      )
      expect(await result({ kind: 'history_valid' })).toMatchObject({ passed: true })
      const a = await idOf('a')
      await space.sql(
        `update {schema}person_history set valid_to = '2024-01-02T00:00:00+00:00' where person_id = '${a}' and valid_to = (select min(valid_to) from {schema}person_history where person_id = '${a}')`,
      )
      expect(await result({ kind: 'history_valid' })).toMatchObject({ passed: false, value: 1, sampleIds: [a] })
    })

    it('replay_consistent', async () => {
      const consistent = { kind: 'replay_consistent', asset: 'entity/person', sample: 50 }
      expect(await result(consistent)).toMatchObject({ passed: true, value: 0 })
      expect(await result({ kind: 'replay_consistent', sample: 1 })).toMatchObject({ passed: true })
      await space.sql(
        `update {schema}person_history set n = 4 where person_id = '${await idOf('a')}' and valid_to is null`,
      )
      expect(await result(consistent)).toMatchObject({ passed: false, value: 1, sampleIds: [await idOf('a')] })
    })

    it('row_count', async () => {
      const count = (more: object) => result({ kind: 'row_count', asset: 'entity/person', ...more })
      expect(await count({ min: 3, max: 3 })).toMatchObject({ passed: true, value: 3 })
      expect(await count({ min: 4 })).toMatchObject({ passed: false, value: 3 })
      expect(await count({ max: 2 })).toMatchObject({ passed: false, message: '3 rows: more than 2' })
      expect(await count({ max_change: 0.1 })).toMatchObject({ passed: true })
      await space.engine.ingest('web', [joined('d', 4)] as never, { process: true })
      expect(await count({ max_change: 0.1 })).toMatchObject({ passed: false, value: 4 })
      expect(await count({ max_change: 0.1 })).toMatchObject({ passed: true, value: 4 })
      expect(await result({ kind: 'row_count', asset: 'ledger', min: 1 })).toMatchObject({ passed: true, value: 10 })
      expect(await result({ kind: 'row_count', asset: 'relationship/in_team' })).toMatchObject({
        passed: true,
        value: 2,
      })
    })

    it('not_null, unique, accepted', async () => {
      const plan = (kind: string, more: object = {}) =>
        result({ kind, asset: 'entity/person', column: 'plan', ...more })
      expect(await plan('not_null')).toMatchObject({ passed: false, value: 1, sampleIds: [await idOf('c')] })
      expect(await plan('unique')).toMatchObject({ passed: false, value: 2 })
      expect(await plan('accepted', { values: ['plus'] })).toMatchObject({ passed: true, value: 0 })
      expect(await plan('accepted', { values: ['free'] })).toMatchObject({ passed: false, value: 2 })
      expect(await result({ kind: 'not_null', asset: 'entity/person', column: 'n' })).toMatchObject({ passed: true })
      await space.sql(`update {schema}person_history set plan = 'x' where person_id = '${await idOf('a')}'`)
      expect(await plan('unique')).toMatchObject({ passed: true })
      const found = await plan('accepted', { values: ['plus'] })
      expect(found.message).toBe("'plan' has another value than those accepted in 1 entity")
    })

    it('dangling_edges', async () => {
      expect(await result({ kind: 'dangling_edges' })).toMatchObject({ passed: true, value: 0 })
      await space.sql(`delete from {schema}team_history`)
      const found = await result({ kind: 'dangling_edges', asset: 'relationship/in_team' })
      expect(found).toMatchObject({ passed: false, value: 2 })
      expect(found.sampleIds.toSorted()).toEqual([await idOf('a'), await idOf('b')].sort())
    })

    it('dead_letter_rate and unresolved_rate, of the last run', async () => {
      space.pipeline('nightly', {
        inputs: { files: { source: 'web', kind: 'inbox' }, other: { source: 'web', kind: 'inbox' } },
      })
      const ingest = { events_read: 100, events_ingested: 98, duplicates: 0, events_failed: 2 }
      const parent = await space.newRun('pipeline', { pipeline: 'nightly' })
      const child = { pipeline: 'nightly', parentRunId: parent.runId }
      await space.ended('ingest', ingest, { ...child, input: { input: 'files' } })
      await space.ended('ingest', { events_read: 900 }, { ...child, input: { input: 'other' } })
      await space.ended('build', { events_processed: 50, events_unresolved: 5 }, child)
      const of = async (body: Record<string, unknown>): Promise<CheckResult> => {
        space.pipeline('nightly', { inputs: { files: { source: 'web', kind: 'inbox' } }, checks: { one: body } })
        return run(await space.newRun('check', { ...child, step: 'check' }))
      }
      expect(await of({ kind: 'dead_letter_rate', max: 0.002 })).toMatchObject({ passed: true, value: 0.002 })
      expect(await of({ kind: 'dead_letter_rate', max: 0.001 })).toMatchObject({ passed: false, value: 0.002 })
      expect(await of({ kind: 'dead_letter_rate', asset: 'source/other' })).toMatchObject({ passed: true, value: 0 })
      expect(await of({ kind: 'unresolved_rate' })).toMatchObject({ passed: false, value: 0.1 })
      expect(await of({ kind: 'unresolved_rate', max: 0.1 })).toMatchObject({ passed: true })
      const alone = await run(await space.newRun('check', { pipeline: 'nightly' }))
      expect(alone).toMatchObject({ passed: true, value: 0.1 })
    })

    it('merge_spike', async () => {
      const spike = { kind: 'merge_spike', factor: 5, min: 20 }
      space.pipeline('nightly', { checks: { one: spike } })
      const parents: string[] = []
      const built = async (merges: number): Promise<RunRow> => {
        space.now = new Date(space.now.getTime() + 60_000)
        const { runId } = await space.newRun('pipeline', { pipeline: 'nightly' })
        parents.push(runId)
        await space.ended('build', { merges_detected: merges }, { pipeline: 'nightly', parentRunId: runId })
        return space.newRun('check', { pipeline: 'nightly', parentRunId: runId, step: 'check' })
      }
      expect(await run(await built(1000))).toMatchObject({ passed: true, value: 1000 })
      for (const merges of [4, 6, 4]) await built(merges)
      expect(await run(await built(25))).toMatchObject({ passed: true })
      expect(await run(await built(31))).toMatchObject({ passed: false, value: 31, message: '31 merges; usual are 6' })
      expect(await run(await built(19))).toMatchObject({ passed: true })
    })

    it('pending_events and inputs_held', async () => {
      expect(await result({ kind: 'pending_events' })).toMatchObject({ passed: true, value: 0 })
      await space.engine.ingest('web', [joined('z', 9)] as never)
      expect(await result({ kind: 'pending_events' })).toMatchObject({ passed: false, value: 1 })
      expect(await result({ kind: 'pending_events', max: 1 })).toMatchObject({ passed: true })
      const inputs = { files: { source: 'web', kind: 'inbox' } }
      expect(await result({ kind: 'inputs_held' }, { inputs })).toMatchObject({ passed: true, value: 0 })
      const holder = await space.newRun('ingest', { pipeline: 'nightly' })
      const { operations } = space.context
      const { epoch } = await operations.log.runs.begin(holder.runId, space.text)
      const counts = { recordsRead: 0, ingested: 0, duplicates: 0, failed: 0 }
      const mark = { pipeline: 'nightly', input: 'files', part: 'p', fingerprint: '', position: null, ...counts }
      await operations.unit({ fence: { runId: holder.runId, epoch } }, (unit) =>
        operations.log.inputs.putMark(
          unit,
          { ...mark, state: 'held', runId: holder.runId, updatedAt: space.text },
          null,
        ),
      )
      expect(await result({ kind: 'inputs_held' }, { inputs })).toMatchObject({ passed: false, value: 1 })
    })

    it('fresh', async () => {
      const freshness = { 'source/web': { error: '12d' } }
      expect(await result({ kind: 'fresh' }, { freshness })).toMatchObject({ passed: true, value: 0 })
      space.now = new Date('2024-02-01T00:00:00Z')
      expect(await result({ kind: 'fresh' }, { freshness })).toMatchObject({
        passed: false,
        message: 'too far behind: source/web',
      })
      expect(await result({ kind: 'fresh', asset: 'entity/person' }, { freshness })).toMatchObject({ passed: true })
    })

    it('sql without and with expect; ids of entities are kept, nothing else', async () => {
      const plus = "select person_id from person_history where valid_to is null and plan = 'plus' order by person_id"
      const found = await result({ sql: plus, asset: 'entity/person' })
      expect(found).toMatchObject({ passed: false, value: 2, message: 'the query gives 2 rows' })
      expect(found.sampleIds).toEqual([await idOf('a'), await idOf('b')].sort())
      expect(await result({ sql: `${plus.replace("'plus'", "'free'")}` })).toMatchObject({ passed: true, value: 0 })
      const disguised = await result({ sql: 'select plan as person_id from person_history where plan is not null' })
      expect(disguised).toMatchObject({ passed: false, sampleIds: [] })
      const sql = 'select count(*) as n from person_history where valid_to is null'
      const expects = async (op: string, value: number) => (await result({ sql, expect: { op, value } })).passed
      expect(await Promise.resolve(expects('=', 3))).toBe(true)
      expect(await expects('!=', 3)).toBe(false)
      expect(await expects('<', 4)).toBe(true)
      expect(await expects('>=', 4)).toBe(false)
      const text = {
        sql: "select plan from person_history where plan = 'plus' limit 1",
        expect: { op: '=', value: 'pro' },
      }
      expect(await result(text)).toMatchObject({ passed: false, value: null, message: 'the value is not = pro' })
    })

    it('that cannot be answered fail with the reason and without values', async () => {
      const unknown = await result({ sql: 'select nothing from person_history' })
      expect(unknown).toMatchObject({ passed: false, value: null })
      expect(unknown.message).toMatch(/could not be answered: E_QUERY_SQL Line 1, column 8: /)
      const two = await result({ sql: 'select person_id, plan from person_history', expect: { op: '=', value: 1 } })
      expect(two.message).toMatch(/needs SQL that gives one row with one column/)
      const odd = await result({ kind: 'accepted', asset: 'entity/person', column: 'plan', values: [1] })
      expect(odd.message).toMatch(/could not be answered/)
      const writes = await result({ sql: 'delete from person_history' })
      expect(writes.message).toMatch(/E_QUERY_SQL/)
      expect(await space.engine.table('person').count()).toBe(3)
    })

    it('run all before a blocking one fails the run; warnings never do', async () => {
      const none = 'select person_id from person_history where 1 = 2'
      space.pipeline('nightly', {
        checks: {
          first: { sql: 'select person_id from person_history' },
          second: { sql: 'select person_id from person_history', severity: 'warn', blocking: true },
          third: { sql: 'select person_id from person_history', blocking: false },
          last: { sql: none, asset: 'entity/person' },
        },
      })
      const row = await space.newRun('check', { pipeline: 'nightly' })
      const error = await space.attempt(row, runCheck).catch((reason: unknown) => reason)
      expect(error).toBeInstanceOf(CheckError)
      expect(error).toMatchObject({ message: "a blocking check failed: 'first'", details: { checks: ['first'] } })
      const { log } = space.context.operations
      expect((await log.runs.get(row.runId))?.stats).toEqual({ checks: 4, checks_failed: 2, checks_warned: 1 })
      const events = await log.runs.events(row.runId, { kinds: ['check'] })
      expect(events.map(({ level, code, data }) => [level, code, data])).toEqual([
        [
          'error',
          'E_CHECK',
          { check: 'first', asset: 'ledger', severity: 'error', blocking: true, passed: false, value: 8 },
        ],
        [
          'warn',
          'E_CHECK',
          { check: 'second', asset: 'ledger', severity: 'warn', blocking: false, passed: false, value: 8 },
        ],
        [
          'error',
          'E_CHECK',
          { check: 'third', asset: 'ledger', severity: 'error', blocking: false, passed: false, value: 8 },
        ],
        [
          'info',
          null,
          { check: 'last', asset: 'entity/person', severity: 'error', blocking: true, passed: true, value: 0 },
        ],
      ])
      const some = await space.newRun('check', { pipeline: 'nightly', input: { only: ['second', 'last'] } })
      await expect(space.attempt(some, runCheck)).resolves.toEqual({
        more: false,
        stats: { checks: 2, checks_failed: 0, checks_warned: 1 },
      })
      const wrong = await space.newRun('check', { pipeline: 'nightly', input: { only: ['lst'] } })
      await expect(space.attempt(wrong, runCheck)).rejects.toThrow(NotFoundError)
    })

    it('go on at the first that was not run', async () => {
      space.pipeline('nightly', {
        checks: {
          a: { kind: 'pending_events' },
          b: { sql: 'select person_id from person_history' },
          c: { kind: 'fresh' },
        },
      })
      const row = await space.newRun('check', { pipeline: 'nightly' })
      const { runs } = space.context.operations.log
      const stop = new AbortController()
      const log: typeof runs.change = async (...call) => {
        if (call[2].events?.some(({ message }) => message.startsWith('check b'))) stop.abort(new Error('stop'))
        return Reflect.apply(runs.change, runs, call)
      }
      const watched = new Proxy(runs, { get: (of, key) => (key === 'change' ? log : bound(of, key)) })
      const operations = Object.create(space.context.operations, {
        log: {
          value: {
            ...space.context.operations.log,
            runs: watched,
            checks: space.context.operations.log.checks,
            notifications: space.context.operations.log.notifications,
          },
        },
      })
      const first = { ...space.context, operations }
      const { epoch } = await runs.begin(row.runId, space.text)
      const call = { run: row, fence: { runId: row.runId, epoch }, signal: stop.signal, heartbeat: () => {} }
      await expect(runCheck(first, call)).rejects.toThrow('stop')
      expect(await runs.get(row.runId)).toMatchObject({ cursor: { next: 2, failed: ['b'] }, stats: { checks: 2 } })
      await expect(space.attempt(row, runCheck)).rejects.toThrow("'b'")
      const events = await runs.events(row.runId, { kinds: ['check'] })
      expect(events.map(({ data }) => (data as { check: string }).check)).toEqual(['a', 'b', 'c'])
    })

    it('open one alert, and close it when they pass again', async () => {
      const alerts = [{ on: ['check', 'recovered'], to: { file: { path: 'alerts.ndjson' } } }]
      const sql = 'select person_id from person_history'
      await result({ sql }, { alerts })
      await result({ sql }, { alerts })
      await result({ sql: `${sql} where 1 = 2` }, { alerts })
      const sent = await space.context.operations.log.notifications.of('alert', 'check/one')
      expect(sent.map(({ payload }) => (payload as { event: string }).event).toSorted()).toEqual(['check', 'recovered'])
    })

    it('in code see the tables and nothing else, and fail when they throw', async () => {
      const seen: unknown[] = []
      const checks = [
        check('entity/person', { name: 'one' }, async ({ table, asOf, version }) => {
          seen.push(asOf, version)
          const rows = await table('person').rows()
          return { passed: rows.length > 3, value: rows.length, sampleIds: [await idOf('a')] }
        }),
        check('entity/person', { name: 'throws', severity: 'warn' }, async () => {
          throw new Error('secret value')
        }),
      ]
      const project = { ...space.context.project, checks }
      const row = await space.newRun('check')
      const { runs } = space.context.operations.log
      const { epoch } = await runs.begin(row.runId, space.text)
      const call = {
        run: row,
        fence: { runId: row.runId, epoch },
        signal: AbortSignal.timeout(60_000),
        heartbeat: () => {},
      }
      await expect(runCheck({ ...space.context, project }, call)).rejects.toThrow(CheckError)
      const [one] = await space.context.operations.log.checks.history('one', 1)
      expect(one).toMatchObject({ passed: false, value: 3, sampleIds: [await idOf('a')], blocking: true })
      const [throws] = await space.context.operations.log.checks.history('throws', 1)
      expect(throws).toMatchObject({ passed: false, blocking: false })
      expect(throws?.message).toBe('the check could not be answered: Error in its code')
      expect(seen).toEqual(['2024-01-20T00:00:01+00:00', space.engine.activeVersion])
    })

    it('stop with their run, and leave no result', async () => {
      const stop = new AbortController()
      const checks = [
        check('ledger', { name: 'waits' }, ({ signal }) => {
          stop.abort(new Error('stop'))
          return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
        }),
      ]
      const row = await space.newRun('check')
      const { log } = space.context.operations
      const { epoch } = await log.runs.begin(row.runId, space.text)
      const call = { run: row, fence: { runId: row.runId, epoch }, signal: stop.signal, heartbeat: () => {} }
      const project = { ...space.context.project, checks }
      await expect(runCheck({ ...space.context, project }, call)).rejects.toThrow('stop')
      expect(await log.checks.history('waits', 1)).toEqual([])
    })

    if (name === 'Postgres') {
      it('fail when they take too long', async () => {
        const tables = Array.from({ length: 12 }, (_, i) => `person_history t${i}`).join(', ')
        const sql = `select count(*) as n from ${tables}`
        const found = await result({ sql, expect: { op: '>', value: 0 }, timeout: '1s' })
        expect(found).toMatchObject({ passed: false, value: null })
        expect(found.message).toMatch(/could not be answered: (took longer than its timeout of 1 s|E_TIMEOUT)/)
      })
    }
  })

const bound = (of: object, key: string | symbol): unknown => {
  const value: unknown = Reflect.get(of, key)
  return typeof value === 'function' ? value.bind(of) : value
}

describe('cold_complete', () => {
  it('finds rows that the archive lacks, and rows that it has twice', async () => {
    const place = await sqlitePlace()
    const cold = join(place.folder, 'cold')
    const space = await TestSpace.open(place, teams(), { coldLedger: cold })
    try {
      await space.engine.ingest('web', RECORDS as never, { process: true })
      space.pipeline('nightly', { checks: { one: { kind: 'cold_complete' } } })
      const result = async (): Promise<CheckResult> => {
        const row = await space.newRun('check', { pipeline: 'nightly' })
        await space.attempt(row, runCheck).catch(() => {})
        const [found] = await space.context.operations.log.checks.history('one', 1)
        expect(found?.runId).toBe(row.runId)
        return found as CheckResult
      }
      expect(await result()).toMatchObject({ passed: true, value: 0, asset: 'cold' })
      await space.engine.ledger.tiers.flush({ upTo: 6 })
      expect(await result()).toMatchObject({ passed: true, value: 0 })

      await space.sql("update tiered_state set value = '8' where key in ('last_flushed_sequence', 'claimed_sequence')")
      expect(await result()).toMatchObject({
        passed: false,
        value: 2,
        message: 'of sequences 1 to 8 2 are missing and 0 stored twice',
      })
      await space.sql("update tiered_state set value = '6' where key in ('last_flushed_sequence', 'claimed_sequence')")

      twice(cold)
      expect(await result()).toMatchObject({
        passed: false,
        value: 6,
        message: 'of sequences 1 to 6 0 are missing and 6 stored twice',
      })
    } finally {
      await space.close()
    }
  })

  /** Commits the same rows under another name. */
  function twice(cold: string): void {
    const table = readdirSync(cold, { recursive: true, encoding: 'utf8' }).find((path) => path.endsWith('_delta_log'))
    const log = join(cold, table as string)
    const commits = readdirSync(log)
      .filter((file) => file.endsWith('.json'))
      .sort()
    const lines = readFileSync(join(log, commits.at(-1) as string), 'utf8')
      .trim()
      .split('\n')
    const { add } = lines.map((line) => JSON.parse(line)).find((action) => 'add' in action)
    const copy = `again-${add.path}`
    cpSync(join(log, '..', add.path), join(log, '..', copy))
    const next = String(commits.length).padStart(20, '0')
    writeFileSync(join(log, `${next}.json`), `${JSON.stringify({ add: { ...add, path: copy } })}\n`)
  }
})
