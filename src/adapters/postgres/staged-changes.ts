/** Changes of archived rows that units leave for whoever carries them into the archive (spec 07 §3, §5.6). */
import type { Unit } from '../../ports/store.ts'
import type { StagedChange } from '../../ports/tiers.ts'
import { mergedChanges } from '../sql/staged-changes.ts'
import { copyField } from './connection.ts'
import type { Space } from './space.ts'

export async function stage(
  { database, names }: Space,
  unit: Unit,
  job: number,
  changes: readonly StagedChange[],
): Promise<void> {
  if (changes.length === 0) return
  await database.copy(
    unit.tx,
    'tiers.stage',
    `copy ${names.infra('tier_jobs')} (job, sequence, change) from stdin`,
    copyLines(job, changes),
  )
}

function* copyLines(job: number, changes: readonly StagedChange[]): Iterable<string> {
  for (const { sequence, change } of changes) {
    yield [job, sequence, JSON.stringify(change)].map(copyField).join('\t')
  }
}

export async function countStaged({ database, names }: Space, unit?: Unit): Promise<number> {
  const [row] = await database.query(unit?.tx, 'tiers.countStaged', `select count(*) from ${names.infra('tier_jobs')}`)
  return row?.[0] as number
}

export async function lastStaged({ database, names }: Space, unit?: Unit): Promise<number> {
  const sql = `select coalesce(max(id), 0) from ${names.infra('tier_jobs')}`
  const [row] = await database.query(unit?.tx, 'tiers.lastStaged', sql)
  return row?.[0] as number
}

export async function stagedSequences({ database, names }: Space, job: number): Promise<number[]> {
  const rows = await database.query(
    null,
    'tiers.stagedSequences',
    `select distinct sequence from ${names.infra('tier_jobs')} where job <= $1 order by sequence`,
    [job],
  )
  return rows.map(([sequence]) => sequence as number)
}

/** A range of tier_jobs_pkey, which has the changes of a row in the order in which they were made. */
export async function staged(
  { database, names }: Space,
  job: number,
  range: { from: number; to: number },
): Promise<StagedChange[]> {
  const rows = await database.query(
    null,
    'tiers.staged',
    `select sequence, change from ${names.infra('tier_jobs')}
      where sequence between $1 and $2 and job <= $3 order by sequence, id`,
    [range.from, range.to, job],
  )
  return mergedChanges(rows)
}

export async function dropStaged({ database, names }: Space, unit: Unit, job: number): Promise<void> {
  await database.query(unit.tx, 'tiers.dropStaged', `delete from ${names.infra('tier_jobs')} where job <= $1`, [job])
}

/** What waits for these rows is not carried any more. */
export async function forget(
  { database, names }: Space,
  unit: Unit,
  rows: readonly { readonly sequence: number }[],
): Promise<void> {
  // tier_jobs_pkey for each row.
  await database.query(
    unit.tx,
    'tiers.stage',
    `delete from ${names.infra('tier_jobs')} j using unnest($1::bigint[]) n (sequence) where j.sequence = n.sequence`,
    [rows.map(({ sequence }) => sequence)],
  )
}
