/** Carrying changes of archived rows from the database, where units staged them, into the archive (spec 07 §5.6). */
import { type Archive, type ArchiveRow, changesApp, tombstone } from '../../ports/archive.ts'
import type { Store, Unit } from '../../ports/store.ts'

/** How often others may be quicker. */
const ATTEMPTS = 10

/**
 * One commit for all changes staged so far, made even where none of them concerns an archived row: a flush that read the
 * rows before they changed meets it and reads them again. May be interrupted anywhere and run by several processes:
 * changes that were carried over already are carried over once more, to the same effect.
 */
export async function settleChanges(hot: Store, archive: Archive): Promise<void> {
  const { tiers } = hot
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    if ((await tiers.countStaged()) === 0) return
    const job = await closeJob(hot, archive)
    const { applied, version } = await archive.rewrite({
      txn: { appId: changesApp(hot.namespace), version: job },
      sequences: await tiers.stagedSequences(job),
      change: async (rows) => changed(hot, job, rows),
    })
    // Another process has carried over more in the meantime; what is left is looked at again.
    if (!applied) continue
    await inUnit(hot, async (unit) => {
      const state = await tiers.lock(unit)
      // An older copy of the archive lacks these changes, and can be told by that.
      await tiers.put(unit, { tableVersion: Math.max(version, state?.tableVersion ?? 0) })
      await tiers.dropStaged(unit, job)
    })
  }
}

/**
 * Ends the staging under the present number and returns one that the archive has not recorded. That may be a later one:
 * a database that was restored from a backup has forgotten what was carried over since.
 */
async function closeJob(hot: Store, archive: Archive): Promise<number> {
  const recorded = (await archive.snapshot())?.txns.get(changesApp(hot.namespace)) ?? 0
  return inUnit(hot, async (unit) => {
    const state = await hot.tiers.lock(unit)
    const job = Math.max(state?.job ?? 0, recorded + 1)
    await hot.tiers.put(unit, { job: job + 1 })
    return job
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
    if (change === undefined) return row
    // A tombstone stays one, whatever was staged before it became one.
    if (change.eventType === null) return tombstone(row.sequence, change.eventId ?? digestIn(row))
    if (row.eventType === null) return row
    const now = stored.get(row.sequence) ?? { ...row, ...change }
    // What was treated stays so, too, whatever an older copy of the database has.
    return row.redaction !== null && now.redaction === null && now.eventType !== null ? row : now
  })
}

function digestIn({ eventType, eventId }: ArchiveRow): string | null {
  return eventType === null ? eventId : null
}

async function inUnit<T>(hot: Store, work: (unit: Unit) => Promise<T>): Promise<T> {
  const now = await hot.locks.clock()
  return hot.transaction((tx) => work({ tx, epoch: 0, version: '', now }))
}
