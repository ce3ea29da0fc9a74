/**
 * The frame of every pivot (spec 05 §4.3 step 2): one unit that begins with holds and approval, lets nothing be appended or
 * mapped beside it, and ends with journal and request. What this process remembers goes before and after.
 */
import { hintKey } from '../../core/identity.ts'
import type { HintToken } from '../../core/privacy/treat.ts'
import type { ErasureCounts, StoreAction } from '../../ports/privacy.ts'
import type { Unit } from '../../ports/store.ts'
import type { Edition, Engine } from '../engine.ts'
import { parts } from './parts.ts'
import { MoreRows, type PivotWork } from './pivot.ts'

/** What was changed, in all and by store. */
export interface Pivoted {
  readonly counts: ErasureCounts
  readonly stores: Readonly<Record<string, { readonly action: StoreAction; readonly items: number }>>
}

/** `own`: rows whose repeats are `known`; one that came since they were frozen is `MoreRows`. */
export async function pivotUnit(
  work: PivotWork,
  { own, known }: { readonly own: readonly number[]; readonly known: ReadonlySet<number> },
  change: (unit: Unit, editions: readonly Edition[]) => Promise<Pivoted>,
): Promise<void> {
  const { engine } = work.context
  const { ledger, mapping, locks, signals } = engine.store
  const editions = await work.context.editions()
  // What is remembered may be older than what is read now, and is wrong afterwards.
  const forget = (): void => {
    for (const { version } of editions) engine.cache(version).clear()
  }
  forget()
  await work.slot.unit('', async (unit) => {
    await work.recheck(unit)
    // Whatever is appended from here on finds the rows as they are then.
    await ledger.holdAppends(unit)
    await mapping.lock(unit, { wait: true })
    for (const sequences of parts(own)) {
      for (const sequence of await ledger.repeatsOf(unit, sequences)) if (!known.has(sequence)) throw new MoreRows()
    }
    const { counts, stores } = await change(unit, editions)
    await locks.outdate(unit, 'state')
    await signals.send(unit)
    await work.pivoted(unit, counts, stores)
  })
  forget()
}

/** Others whose hints stood in a field that was treated are found by tokens from now on; how many hints. */
export async function followTokens(
  { store: { identity } }: Engine,
  unit: Unit,
  tokens: readonly HintToken[],
  done: readonly Omit<HintToken, 'token'>[] = [],
): Promise<number> {
  const keyOf = ({ entityType, hintType, value }: Omit<HintToken, 'token'>): string =>
    hintKey(entityType, hintType, value)
  const more = new Map(tokens.map((hint) => [keyOf(hint), hint]))
  for (const hint of done) more.delete(keyOf(hint))
  if (more.size === 0) return 0
  const hints = [...more.values()]
  const owners = await identity.lookup(unit, hints)
  const rows = hints.flatMap((hint, index) => {
    const entityId = owners[index]
    return entityId === undefined ? [] : [{ ...hint, entityId }]
  })
  return rows.length === 0 ? 0 : identity.redact(unit, rows, false)
}
