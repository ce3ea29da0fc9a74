/** Table `tier_jobs`: the same in every database. */
import type { StagedChange } from '../../ports/tiers.ts'

/**
 * One change for each sequence, later ones merged over earlier ones; what was emptied stays so. Rows: sequence and JSON
 * text, in order of both.
 */
export function mergedChanges(rows: readonly (readonly unknown[])[]): StagedChange[] {
  const merged = new Map<number, StagedChange['change']>()
  for (const [sequence, text] of rows as [number, string][]) {
    const before = merged.get(sequence)
    const change = JSON.parse(text) as StagedChange['change']
    if (before?.eventType !== null || change.eventType === null) merged.set(sequence, { ...before, ...change })
  }
  return [...merged].map(([sequence, change]) => ({ sequence, change }))
}
