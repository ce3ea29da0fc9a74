/** Physical removal: of data files that the table does not name, and of the log before a checkpoint (spec 07 §5.6). */
import type { Pending, Swept } from '../../ports/archive.ts'
import type { StoredObject } from '../../ports/objects.ts'
import { writeCheckpoint } from './checkpoint.ts'
import { commit, existing } from './commit.ts'
import { type Context, untilCommitted } from './context.ts'
import { isDataFile, LOG, objectPath, parseLogName } from './log-names.ts'

export const DAY_MS = 86_400_000

/** Removals in one request. */
const BATCH = 1_000

const NOTHING: Swept = { removed: 0, bytes: 0, pending: [] }

export async function vacuum(
  context: Context,
  { retentionMs = 7 * DAY_MS, orphanAgeMs = DAY_MS }: { retentionMs?: number; orphanAgeMs?: number },
): Promise<Swept> {
  const now = context.now().getTime()
  const unfinished = await sweepUnfinished(context, orphanAgeMs)
  return sum(unfinished, await sweepData(context, now - retentionMs, now - orphanAgeMs))
}

/**
 * Begins with a commit of its own: writers with older plans meet it, and the checkpoint after it is ours for certain,
 * without statistics that a foreign one may carry.
 */
export async function purge(context: Context, { orphanAgeMs = DAY_MS }: { orphanAgeMs?: number }): Promise<Swept> {
  if ((await context.log.newest()) === null) return NOTHING
  const state = await untilCommitted('purge', async () => {
    const before = await existing(context)
    return before === null ? null : commit(context, before, { operation: 'VACUUM START', parameters: {}, actions: [] })
  })
  const now = context.now().getTime()
  await writeCheckpoint(context, state)
  const hidden = await sweepHidden(context)
  const unfinished = await sweepUnfinished(context, orphanAgeMs)
  const log = await removeLog(context, state.version, Number.POSITIVE_INFINITY)
  return sum(sum(sum(hidden, unfinished), log), await sweepData(context, now, now - orphanAgeMs))
}

/** Uploads that never became objects. */
async function sweepUnfinished({ objects }: Context, ageMs: number): Promise<Swept> {
  return { ...NOTHING, ...(await objects.abandon(ageMs)) }
}

/** What a bucket held back the last time, or another program only marked as deleted. */
async function sweepHidden({ objects }: Context): Promise<Swept> {
  const { paths, reason } = await objects.hidden('')
  const ours = paths.filter((path) => isDataFile(path) || path.startsWith(LOG))
  const pending = [...(await objects.remove(ours))]
  if (reason !== null) pending.push({ path: LOG, reason })
  return { removed: ours.length - pending.filter(({ path }) => ours.includes(path)).length, bytes: 0, pending }
}

/** Keeps the newest checkpoint older than the cut-off, its commit, and everything after. */
export async function cleanLog(
  context: Context,
  { retentionMs = 30 * DAY_MS }: { retentionMs?: number },
): Promise<Swept> {
  const before = context.now().getTime() - retentionMs
  let keep = -1
  for await (const { path, modifiedAt } of context.objects.list(LOG)) {
    const name = parseLogName(path)
    if (name?.kind === 'checkpoint' && modifiedAt.getTime() <= before) keep = Math.max(keep, name.version)
  }
  return keep < 0 ? NOTHING : removeLog(context, keep, before)
}

async function removeLog(context: Context, version: number, modifiedBefore: number): Promise<Swept> {
  const old: StoredObject[] = []
  for await (const object of context.objects.list(LOG)) {
    // Whatever belongs to an old version: commits, checkpoints, checksums of other writers.
    const number = /^_delta_log\/(\d{20})\./.exec(object.path)?.[1]
    if (number === undefined || Number(number) >= version) continue
    if (object.modifiedAt.getTime() <= modifiedBefore) old.push(object)
  }
  return removeAll(context, old)
}

async function sweepData(context: Context, removedBefore: number, orphanBefore: number): Promise<Swept> {
  const found: StoredObject[] = []
  for await (const object of context.objects.list('')) if (isDataFile(object.path)) found.push(object)
  // Read after the listing, so that whatever was committed until now counts.
  const state = await context.log.newest()
  if (state === null) return NOTHING
  const live = new Set([...state.files.keys()].map(objectPath))
  const removed = new Map([...state.removed.values()].map((one) => [objectPath(one.path), one.deletionTimestamp]))
  const gone: StoredObject[] = []
  const pending: Pending[] = []
  for (const object of found) {
    if (live.has(object.path)) continue
    const removedAt = removed.get(object.path)
    if (removedAt === undefined ? object.modifiedAt.getTime() <= orphanBefore : removedAt <= removedBefore)
      gone.push(object)
    else {
      const reason = removedAt === undefined ? 'a writer may still commit it' : 'readers may still need it'
      pending.push({ path: object.path, reason })
    }
  }
  return sum({ ...NOTHING, pending }, await removeAll(context, gone))
}

async function removeAll(context: Context, objects: readonly StoredObject[]): Promise<Swept> {
  let all = NOTHING
  for (let at = 0; at < objects.length; at += BATCH) {
    const some = objects.slice(at, at + BATCH)
    const pending = await context.objects.remove(some.map(({ path }) => path))
    const kept = new Set(pending.map(({ path }) => path))
    const removed = some.filter(({ path }) => !kept.has(path))
    const bytes = removed.reduce((total, { size }) => total + size, 0)
    all = sum(all, { removed: removed.length, bytes, pending })
  }
  return all
}

function sum(a: Swept, b: Swept): Swept {
  return { removed: a.removed + b.removed, bytes: a.bytes + b.bytes, pending: [...a.pending, ...b.pending] }
}
