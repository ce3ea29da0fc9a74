/** What ages out of the run log (spec 10 §2). Marks, pushed records and open letters never do. */
import { RUN_ENDED } from '../../ports/runs.ts'
import type { Tx } from '../../ports/store.ts'
import type { LogDatabase } from './run-log-database.ts'

/** Instants: what is older goes. */
export interface Ages {
  readonly runs: string
  readonly events: string
  readonly ticks: string
  readonly checks: string
  readonly letters: string
}

/** Rows removed. */
export async function removeOld(database: LogDatabase, tx: Tx, before: Ages): Promise<number> {
  const operation = 'runs.expire'
  const runs = database.table('runs')
  const events = database.table('run_events')
  const ticks = database.table('schedule_ticks')
  const remove = (sql: string, params: readonly (string | readonly string[])[]): Promise<number> =>
    database.execute(tx, operation, sql, params)

  // A run stays as long as one of its family, upwards and downwards, is young or has not ended.
  const rows = await database.query(
    tx,
    operation,
    `with recursive related (run_id, other) as (
      select run_id, parent_run_id from ${runs} where parent_run_id is not null
      union all select parent_run_id, run_id from ${runs} where parent_run_id is not null),
    kept (run_id) as (
      select run_id from ${runs}
        where not ${database.among('status', '$1')} or coalesce(finished_at, created_at) >= $2
      union select r.other from kept k join related r on r.run_id = k.run_id)
    select run_id from ${runs} except select run_id from kept`,
    [RUN_ENDED, before.runs],
  )
  const old = rows.map(([runId]) => runId as string)
  let removed = 0
  if (old.length > 0) {
    removed += await remove(`delete from ${events} where ${database.among('run_id', '$1')}`, [old])
    removed += await remove(`delete from ${runs} where ${database.among('run_id', '$1')}`, [old])
  }
  // The last event of a run stays with it: the next one is numbered after it.
  removed += await remove(
    `delete from ${events} where at < $1 and exists (
      select 1 from ${events} later where later.run_id = ${events}.run_id and later.seq > ${events}.seq)`,
    [before.events],
  )
  // Those of runs that are gone, or never were.
  removed += await remove(
    `delete from ${events} where at < $1 and not exists (select 1 from ${runs} r where r.run_id = ${events}.run_id)`,
    [before.events],
  )
  // The latest slot of a pipeline says from where slots are missing.
  removed += await remove(
    `delete from ${ticks} where decided_at < $1
      and exists (select 1 from ${ticks} later where later.pipeline = ${ticks}.pipeline
        and later.scheduled_for > ${ticks}.scheduled_for)
      and not exists (select 1 from ${runs} r where r.run_id = ${ticks}.run_id and not ${database.among('r.status', '$2')})`,
    [before.ticks, RUN_ENDED],
  )
  removed += await remove(`delete from ${database.table('check_results')} where at < $1`, [before.checks])
  removed += await remove(`delete from ${database.table('dead_letters')} where status <> 'open' and settled_at < $1`, [
    before.letters,
  ])
  removed += await remove(
    `delete from ${database.table('notifications')} where status <> 'pending' and created_at < $1`,
    [before.runs],
  )
  return removed
}
