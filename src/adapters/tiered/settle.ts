/** Carrying changes of archived rows from the database, where units staged them, into the archive (spec 07 §5.6). */
import type { Archive, ArchiveRow } from '../../ports/archive.ts'
import type { Store, Unit } from '../../ports/store.ts'

/** Name under which the archive records which changes it has. */
export function changesApp(namespace: string): string {
  return `defacto-redact/${namespace}`
}

/**
 * One commit for all changes staged so far, made even where none of them concerns an archived row: a flush that read the
 * rows before they changed meets it and reads them again. May be interrupted anywhere and run by several processes.
 */
export async function settleChanges(hot: Store, archive: Archive): Promise<void> {
  const { tiers } = hot
  if ((await tiers.countStaged()) === 0) return
  const job = await inUnit(hot, async (unit) => {
    const state = await tiers.lock(unit)
    if (state === null) return null
    await tiers.put(unit, { job: state.job + 1 })
    return state.job
  })
  if (job === null) return
  const { version } = await archive.rewrite({
    txn: { appId: changesApp(hot.namespace), version: job },
    sequences: await tiers.stagedSequences(job),
    change: async (rows) => changed(hot, job, rows),
  })
  await inUnit(hot, async (unit) => {
    const state = await tiers.lock(unit)
    // An older copy of the archive lacks these changes, and can be told by that.
    await tiers.put(unit, { tableVersion: Math.max(version, state?.tableVersion ?? 0) })
    await tiers.dropStaged(unit, job)
  })
}

/**
 * Rows that the database still has become what they are there, to the letter, so that they can be compared before they
 * leave it; of others the staged columns change.
 */
async function changed({ tiers }: Store, job: number, rows: readonly ArchiveRow[]): Promise<ArchiveRow[]> {
  const from = rows[0]?.sequence
  const to = rows.at(-1)?.sequence
  if (from === undefined || to === undefined) return []
  const changes = new Map((await tiers.staged(job, { from, to })).map(({ sequence, change }) => [sequence, change]))
  const stored = new Map<number, ArchiveRow>()
  const pruned = (await tiers.state())?.pruned ?? 0
  if (to > pruned) {
    for await (const some of tiers.rows({ after: Math.max(from - 1, pruned), to })) {
      for (const row of some) stored.set(row.sequence, row)
    }
  }
  return rows.map((row) => {
    const change = changes.get(row.sequence)
    // A tombstone stays one, whatever was staged before it became one.
    if (change === undefined || row.eventType === null) return row
    return stored.get(row.sequence) ?? { ...row, ...change }
  })
}

async function inUnit<T>(hot: Store, work: (unit: Unit) => Promise<T>): Promise<T> {
  const now = await hot.locks.clock()
  return hot.transaction((tx) => work({ tx, epoch: 0, version: '', now }))
}
