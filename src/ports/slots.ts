/** Rules about slots that are the same in every database (spec 10 §4.4). */
import { addDuration, Duration, type Instant } from '../core/instant.ts'
import { Fenced, LockHeld } from '../errors.ts'
import type { Holder, LockRow } from './store.ts'

/** The slot of everything a build writes; shards have slots below it: `state/0`, `state/1`, … */
export const STATE = 'state'

/** A slot that is held or wanted; `shards`: into how many parts its holder divides the entities. */
interface Claim {
  readonly slot: string
  readonly shards: number
}

/**
 * Whether two claims exclude each other: the same slot, a slot and what lies below it (`state` and `state/1`), or parts of
 * different divisions (`state/0` of 2 and `state/1` of 4 have entities in common).
 */
function excludes(a: Claim, b: Claim): boolean {
  if (a.slot === b.slot || a.slot.startsWith(`${b.slot}/`) || b.slot.startsWith(`${a.slot}/`)) return true
  return a.shards !== b.shards && a.slot.startsWith(`${STATE}/`) && b.slot.startsWith(`${STATE}/`)
}

/** Of the stored slots those that a claim meets: one held by a live process, and those whose holders are gone. */
export function inTheWay(
  rows: readonly LockRow[],
  claim: { slot: string; holder: Holder; now: Instant; isDead: (holder: Holder) => boolean },
): { held: LockRow | undefined; lapsed: readonly LockRow[] } {
  const wanted = { slot: claim.slot, shards: claim.holder.shards ?? 0 }
  const lapsed: LockRow[] = []
  for (const row of rows) {
    if (row.holder === null || !excludes(wanted, { slot: row.slot, shards: row.holder.shards ?? 0 })) continue
    const expired = row.expiresAt === null || row.expiresAt <= claim.now.toString()
    if (!expired && !claim.isDead(row.holder) && !isEarlierAttempt(row.holder, claim.holder))
      return { held: row, lapsed: [] }
    if (row.slot !== claim.slot) lapsed.push(row)
  }
  return { held: undefined, lapsed }
}

/** An attempt that a later one of the same run has replaced cannot commit any more, alive or not. */
function isEarlierAttempt(holder: Holder, by: Holder): boolean {
  return holder.run !== undefined && holder.run === by.run && (holder.attempt ?? 0) < (by.attempt ?? 0)
}

export function lockHeld({ slot, holder, acquiredAt, expiresAt }: LockRow): LockHeld {
  return new LockHeld(
    `'${slot}' is held by process ${holder?.pid} on ${holder?.host} (${holder?.purpose}) since ${acquiredAt}; wait for it or stop it`,
    { details: { slot, holder, since: acquiredAt, expiresAt } },
  )
}

/** Throws `Fenced` unless the stored epoch is the writer's own. */
export function checkEpoch(slot: string, epoch: number, current: number | undefined): void {
  if (current === epoch) return
  throw new Fenced(
    `slot '${slot}' was taken over (epoch ${current ?? 'none'}, this writer has ${epoch}); nothing was written`,
    { details: { slot, epoch, current: current ?? null } },
  )
}

export function expiry(now: Instant, ttlMs: number): string {
  return (addDuration(now, new Duration(ttlMs)) ?? now).toString()
}

/** How long somebody who asked for a slot is believed to be there still; who waits for long asks again and again. */
const WISH_MS = 10_000

/** What is stored about somebody who wants a slot. */
export function wish(purpose: string, now: Instant): string {
  return JSON.stringify({ by: purpose, until: expiry(now, WISH_MS) })
}

/** Who stored the wish; null if that is long ago. */
export function askedBy(stored: string, now: Instant): string | null {
  const { by, until } = JSON.parse(stored) as { by: string; until: string }
  return until > now.toString() ? by : null
}

/** Held slots whose holders stand in the way of this one. */
export function excludedBy(rows: readonly LockRow[], slot: string): string[] {
  const wanted = { slot, shards: 0 }
  return rows
    .filter((row) => row.holder !== null && row.slot !== slot)
    .filter((row) => excludes(wanted, { slot: row.slot, shards: row.holder?.shards ?? 0 }))
    .map((row) => row.slot)
}
