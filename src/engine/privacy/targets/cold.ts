/**
 * The archive of an erasure (spec 05 §4.2 no. 11, 07 §5.6): what units have staged is carried into it, and files that still
 * hold it are removed at once. Both once for all requests of a batch, so that a file they share is written once.
 */
import type { Digests } from '../../../core/privacy/digest.ts'
import { StorageError } from '../../../errors.ts'
import type { Archive, ArchiveFile, Pending, Swept } from '../../../ports/archive.ts'
import type { ErasureTarget, FrozenSubject, TargetCall, TargetCheck, TargetOutcome } from '../../../ports/erasure.ts'
import type { Outstanding } from '../../../ports/privacy.ts'
import { archiveOf, whileArchiveRests } from '../../cold/slot.ts'
import type { Engine } from '../../engine.ts'
import { withWholeState } from '../../slot.ts'
import { hintOwners } from '../subject.ts'

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
    verify: async (subject) => check((await left(engine, digests, [subject]))[0] ?? 0),
    verifyAll: async (subjects) => (await left(engine, digests, subjects)).map(check),
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
  const purge = (orphanAgeMs: number): Promise<Swept> =>
    whileArchiveRests(engine, 'erase', signal, async () => {
      await engine.store.ledger.settle()
      progress?.(1, 2)
      return archive.purge({ orphanAgeMs })
    })
  let { pending } = await purge(ORPHAN_AGE_MS)
  if (pending.length > 0) {
    // Uploads that no commit names may be somebody's at work, unless nobody can be at work. The state comes first: a reset
    // that holds it waits for the archive.
    const never = async (): Promise<boolean> => false
    const alone = await withWholeState(engine, 'erase', signal, never, () => purge(0))
    pending = alone?.pending ?? []
  }
  if (pending.length > 0) throw kept(archive, pending)
  progress?.(2, 2)
  return outcomes
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

const check = (remaining: number): TargetCheck => ({ remaining, method: 'scan' })

/**
 * For each subject: rows of the files that had its events, as far as they are no tombstones, and any other row there that
 * names it. A file that several share is read once.
 */
async function left(engine: Engine, digests: Digests, subjects: readonly FrozenSubject[]): Promise<number[]> {
  const found = subjects.map(() => 0)
  const archive = archiveOf(engine)
  const snapshot = await archive.snapshot()
  if (snapshot === null) return found
  const touched = subjects.flatMap(({ emptied, treated }) => [...emptied, ...treated]).sort((a, b) => a - b)
  const emptied = new Map(subjects.flatMap((subject, index) => subject.emptied.map((sequence) => [sequence, index])))
  const namedBy = hintOwners(digests, subjects)
  const head = Math.max(0, ...subjects.map(({ ledgerHead }) => ledgerHead))
  const count = (index: number): void => {
    found[index] = (found[index] ?? 0) + 1
  }
  for (const { after, to } of ranges(snapshot.files, touched, head)) {
    const columns = ['eventType', 'hints'] as const
    for await (const rows of archive.scan({ after, to, columns, snapshot })) {
      for (const { sequence, eventType, hints } of rows) {
        const owner = emptied.get(sequence)
        if (owner !== undefined && eventType !== null) count(owner)
        else if (hints !== null) {
          for (const index of namedBy(hints)) if (sequence <= (subjects[index]?.ledgerHead ?? 0)) count(index)
        }
      }
    }
  }
  return found
}

/** What the affected files span, files of unknown range included, up to what was frozen. */
function ranges(
  files: readonly ArchiveFile[],
  /** Ascending. */
  sequences: readonly number[],
  head: number,
): readonly { readonly after: number; readonly to: number }[] {
  const found: { after: number; to: number }[] = []
  for (const { sequences: range } of files) {
    if (range === null) return [{ after: 0, to: head }]
    if (!reaches(sequences, range)) continue
    const before = found.at(-1)
    const to = Math.min(range.last, head)
    if (before !== undefined && before.to >= range.first - 1) before.to = Math.max(before.to, to)
    else found.push({ after: range.first - 1, to })
  }
  return found
}

/** Whether one of the ascending sequences is in the range. */
function reaches(sequences: readonly number[], { first, last }: { first: number; last: number }): boolean {
  let [low, high] = [0, sequences.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((sequences[middle] as number) < first) low = middle + 1
    else high = middle
  }
  return low < sequences.length && (sequences[low] as number) <= last
}
