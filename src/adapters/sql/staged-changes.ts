/** Table `tier_jobs`: the same in every database. */
import type { StagedChange } from '../../ports/tiers.ts'

/** One change for each sequence, later ones merged over earlier ones. Rows: sequence and JSON text, in order of both. */
export function mergedChanges(rows: readonly (readonly unknown[])[]): StagedChange[] {
  const merged = new Map<number, StagedChange['change']>()
  for (const [sequence, text] of rows as [number, string][]) {
    merged.set(sequence, { ...merged.get(sequence), ...(JSON.parse(text) as StagedChange['change']) })
  }
  return [...merged].map(([sequence, change]) => ({ sequence, change }))
}
