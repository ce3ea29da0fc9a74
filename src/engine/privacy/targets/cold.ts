/**
 * The archive of an erasure (spec 05 §4.2 no. 11, 07 §5.6): what units have staged is carried into it, and files that still
 * hold it are removed at once. Both once for all requests of a batch, so that a file they share is written once.
 */
import type { Digests } from '../../../core/privacy/digest.ts'
import { StorageError } from '../../../errors.ts'
import type { Archive, ArchiveFile, Pending, Swept } from '../../../ports/archive.ts'
import type { ErasureTarget, FrozenSubject, TargetCall, TargetOutcome } from '../../../ports/erasure.ts'
import type { Outstanding } from '../../../ports/privacy.ts'
import { archiveOf, whileArchiveRests } from '../../cold/slot.ts'
import type { Engine } from '../../engine.ts'
import { withWholeState } from '../../slot.ts'
import { recognizesHints } from '../subject.ts'

/** Longer than any writer takes from an upload to its commit. */
const ORPHAN_AGE_MS = 3_600_000

/** Null: nothing was ever archived, and nothing can be. */
export async function coldTarget(engine: Engine, digests: Digests): Promise<ErasureTarget | null> {
  const isTiered = ((await engine.store.tiers.state())?.claimed ?? 0) > 0
  if (engine.store.archive === null && !isTiered) return null
  return {
    name: 'cold',
    plan: async (subject) => countArchived(engine, subject),
    erase: (subjects, call) => erase(engine, subjects, call),
    verify: async (subject) => ({ remaining: await left(engine, digests, subject), method: 'scan' }),
  }
}

async function erase(
  engine: Engine,
  subjects: readonly FrozenSubject[],
  { signal, progress }: TargetCall,
): Promise<readonly TargetOutcome[]> {
  const archive = archiveOf(engine)
  const outcomes: TargetOutcome[] = []
  for (const subject of subjects) {
    outcomes.push({ action: 'rewritten', items: await countArchived(engine, subject) })
  }
  await whileArchiveRests(engine, 'erase', signal, async () => {
    await engine.store.ledger.settle()
    progress?.(1, 2)
    const swept = await archive.purge({ orphanAgeMs: ORPHAN_AGE_MS })
    const pending = swept.pending.length === 0 ? [] : (await purgeAlone(engine, archive, signal)).pending
    if (pending.length > 0) throw kept(archive, pending)
  })
  progress?.(2, 2)
  return outcomes
}

/** Uploads that no commit names may be somebody's at work, unless nobody can be at work. */
async function purgeAlone(engine: Engine, archive: Archive, signal: AbortSignal | undefined): Promise<Swept> {
  const never = async (): Promise<boolean> => false
  const swept = await withWholeState(engine, 'erase', signal, never, async () => {
    await engine.store.ledger.settle()
    return archive.purge({ orphanAgeMs: 0 })
  })
  return swept ?? { removed: 0, bytes: 0, pending: [] }
}

function kept(archive: Archive, pending: readonly Pending[]): StorageError {
  const reasons = [...new Set(pending.map(({ reason }) => reason))]
  const outstanding: Outstanding[] = reasons.map((reason) => ({ store: 'cold', reason, until: null }))
  return new StorageError(
    `${pending.length} files of the archive in '${archive.location}' that still hold what was erased could not be removed: ${reasons.join('; ')}. Allow it, or wait until it is allowed; it is tried again.`,
    {
      code: 'E_COLD_KEPT',
      recoverable: true,
      details: { operation: 'archive.purge', files: pending.length, outstanding },
    },
  )
}

/** How many rows of the request are archived. */
async function countArchived({ store }: Engine, { emptied, treated }: FrozenSubject): Promise<number> {
  const claimed = (await store.tiers.state())?.claimed ?? 0
  return [...emptied, ...treated].filter((sequence) => sequence <= claimed).length
}

/** Rows of the files that had the person's events: those that are no tombstones, and any other that names it. */
async function left(engine: Engine, digests: Digests, subject: FrozenSubject): Promise<number> {
  const archive = archiveOf(engine)
  const snapshot = await archive.snapshot()
  if (snapshot === null) return 0
  const sequences = [...subject.emptied, ...subject.treated].sort((a, b) => a - b)
  const emptied = new Set(subject.emptied)
  const isNamed = recognizesHints(digests, subject)
  let found = 0
  for (const { after, to } of ranges(snapshot.files, sequences, subject.ledgerHead)) {
    const columns = ['eventType', 'hints'] as const
    for await (const rows of archive.scan({ after, to, columns, snapshot })) {
      for (const { sequence, eventType, hints } of rows) {
        const isBack = emptied.has(sequence) && eventType !== null
        if (isBack || (hints !== null && isNamed(hints))) found += 1
      }
    }
  }
  return found
}

/** What the affected files span, files of unknown range included, up to what was frozen. */
function ranges(
  files: readonly ArchiveFile[],
  sequences: readonly number[],
  head: number,
): readonly { readonly after: number; readonly to: number }[] {
  const found: { after: number; to: number }[] = []
  for (const { sequences: range } of files) {
    if (range === null) return [{ after: 0, to: head }]
    if (!sequences.some((sequence) => sequence >= range.first && sequence <= range.last)) continue
    const before = found.at(-1)
    const to = Math.min(range.last, head)
    if (before !== undefined && before.to >= range.first - 1) before.to = Math.max(before.to, to)
    else found.push({ after: range.first - 1, to })
  }
  return found
}
