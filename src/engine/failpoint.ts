/**
 * Named places where a crash test makes the process kill itself: `DEFACTO_FAILPOINT=build.chunk:3` dies with SIGKILL the
 * third time that place is reached, or gets the signal of `DEFACTO_FAILPOINT_SIGNAL`. Costs one comparison when the
 * variable is not set.
 */
const armed = process.env['DEFACTO_FAILPOINT']
const [armedName, armedCount] = (armed ?? '').split(':')
let passed = 0

/** Every place, so that a crash test can visit them all. */
export const FAILPOINTS = [
  'ingest.normalized',
  'ingest.appended',
  'ingest.committed',
  'build.begun',
  'map.written',
  'map.committed',
  'merge.applied',
  'chunk.written',
  'chunk.committed',
  'shadow.begun',
  'shadow.written',
  'shadow.committed',
  'swap.written',
  'swap.committed',
  'renormalize.written',
  'renormalize.committed',
  'hints.written',
  'reset.written',
  'reset.committed',
  'tick.written',
  'tick.committed',
  'finish.written',
  'finish.committed',
] as const

/** Those of the cold tier. */
export const COLD_FAILPOINTS = [
  'tiers.filled',
  'flush.claimed',
  'flush.archived',
  'flush.recorded',
  'prune.confirmed',
  'prune.written',
  'prune.committed',
  'restore.written',
  'restore.committed',
  'forget.written',
  'forget.committed',
] as const

/** Those of merging by hand. */
export const MERGE_FAILPOINTS = ['merge.recorded', 'merge.committed'] as const

/** Those of erasures and redactions. */
export const PRIVACY_FAILPOINTS = [
  'erase.frozen',
  'erase.freeze.committed',
  'erase.written',
  'erase.committed',
  'erase.store.done',
  'erase.store.recorded',
  'erase.verified',
  'certify.written',
  'certify.committed',
] as const

/** Rows per unit of work; tests set `DEFACTO_UNIT_ROWS` so that little work takes many units. */
export function unitRows(usual: number): number {
  return Number(process.env['DEFACTO_UNIT_ROWS'] ?? usual)
}

export type Failpoint =
  | (typeof FAILPOINTS)[number]
  | (typeof COLD_FAILPOINTS)[number]
  | (typeof MERGE_FAILPOINTS)[number]
  | (typeof PRIVACY_FAILPOINTS)[number]

let heard: ((name: Failpoint) => void) | null = null

/** Tells whoever tests crashes inside one process about every place that is reached; it may throw. Null: nobody. */
export function hearFailpoints(listener: ((name: Failpoint) => void) | null): void {
  heard = listener
}

export function failpoint(name: Failpoint): void {
  heard?.(name)
  if (armed === undefined || armedName !== name) return
  passed += 1
  if (passed !== Number(armedCount ?? 1)) return
  process.kill(process.pid, process.env['DEFACTO_FAILPOINT_SIGNAL'] ?? 'SIGKILL')
}
