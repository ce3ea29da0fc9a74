/** Brings a ledger on its way to two tiers, for the contract suites. */
import type { Store } from '../../ports/store.ts'
import { inUnit } from './backend.ts'

/** How far a ledger is on its way to two tiers: ids partly filled, all filled, some or all rows gone from the database. */
export const STAGES = ['filling', 'on', 'pruned', 'empty'] as const
export type Stage = (typeof STAGES)[number]

/** Makes the ledger a tiered one, as far as `stage`, from wherever it is before that. */
export async function tier(store: Store, stage: Stage): Promise<void> {
  const { tiers, ledger } = store
  await inUnit(store, (unit) => tiers.begin(unit))
  if (stage === 'filling') {
    const half = Math.floor((await ledger.head()) / 2)
    await inUnit(store, (unit) => tiers.fill(unit, half))
    return
  }
  while (!(await inUnit(store, (unit) => tiers.fill(unit, 1000)))) {}
  if (stage === 'on') return
  const flushed = await ledger.head()
  await inUnit(store, async (unit) => {
    await tiers.lock(unit)
    await tiers.put(unit, { claimed: flushed, flushed })
    await tiers.prune(unit, stage === 'empty' ? flushed : Math.floor(flushed / 2))
  })
}
