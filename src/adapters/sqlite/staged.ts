/** Table `tier_jobs`: changes of archived rows on their way into the archive (spec 07 §5.6). */
import type { StagedChange } from '../../ports/tiers.ts'
import { mergedChanges } from '../sql/staged-changes.ts'
import type { Connection } from './connection.ts'

export function stage(connection: Connection, job: number, changes: readonly StagedChange[]): void {
  const insert = connection.statement('insert into tier_jobs (job, sequence, change) values (?, ?, ?)')
  for (const { sequence, change } of changes) insert.run(job, sequence, JSON.stringify(change))
}

export function stagedChanges(
  connection: Connection,
  job: number,
  range: { from: number; to: number },
): StagedChange[] {
  // Range of tier_jobs_sequence; ids ascend in the order of staging.
  const rows = connection.all(
    'select sequence, change from tier_jobs where sequence between ? and ? and job <= ? order by sequence, id',
    range.from,
    range.to,
    job,
  )
  return mergedChanges(rows)
}

/** What waits for these rows is not carried any more. */
export function forget(connection: Connection, rows: readonly { readonly sequence: number }[]): void {
  const remove = connection.statement('delete from tier_jobs where sequence = ?')
  for (const { sequence } of rows) remove.run(sequence)
}
