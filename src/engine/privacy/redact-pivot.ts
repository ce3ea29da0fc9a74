/**
 * The transaction of a redaction (spec 05 §5.3–5.4): ledger rows are treated, hints give way to tokens, and every version's
 * states lose the values, all at once. The person stays, with its history.
 */
import type { Hints } from '../../core/event.ts'
import type { Digests } from '../../core/privacy/digest.ts'
import type { Unit } from '../../ports/store.ts'
import { isHinted, namesTarget } from './erase-set.ts'
import { parts } from './parts.ts'
import { type FreezeWork, MoreRows, type Pivot, type PivotWork } from './pivot.ts'
import { followTokens, pivotUnit } from './pivot-unit.ts'
import { type RedactedSet, redactedSet, valueText } from './redact-set.ts'
import { treatStates } from './redact-state.ts'
import { redactAgain, verifyRedacted } from './redact-verify.ts'
import { frozenSubject, spellings } from './subject.ts'

export const redactPivot: Pivot = {
  async prepare(work: FreezeWork) {
    const set = await redactedSet(work)
    return { rows: set.rows, pivot: (pivot) => redact(pivot, set) }
  },
  subject: (context, erasure) => {
    const subject = frozenSubject(context.digests, erasure)
    return { ...subject, treat: treatmentOf(context.digests, erasure.digests, subject.mentions) }
  },
  verify: (context, erasure) => verifyRedacted(context, erasure, redactPivot.subject(context, erasure)),
  repeat: (context, erasure) => redactAgain(context, redactPivot.subject(context, erasure)),
}

async function redact(work: PivotWork, set: RedactedSet): Promise<void> {
  const { context, erasure, request } = work
  const { engine } = context
  const { identity, ledger, log } = engine.store
  const { sticky } = request.options
  await pivotUnit(work, { own: set.own, known: set.looked }, async (unit, editions) => {
    await refuseNews(work, set, unit)
    for (const rows of parts(set.changes)) await ledger.treat(unit, rows)
    const own = await identity.redact(unit, set.hints, sticky)
    const others = await followTokens(engine, unit, set.tokens, set.hints)
    if (sticky && set.hints.length > 0) await ledger.guard(unit, { treating: true })
    const states = await treatStates(work, editions, set, unit)
    const letters = await log.letters.treat(unit, redactPivot.subject(context, erasure))
    const scrubbed = (items: number) => ({ action: 'scrubbed', items }) as const
    return {
      counts: {
        entities: erasure.entities.length,
        eventsDeleted: 0,
        eventsScrubbed: set.events,
        mergeLog: 0,
        fields: set.fields,
      },
      stores: {
        ledger: scrubbed(set.changes.length),
        identity: scrubbed(own + others),
        history: scrubbed(states.rows),
        checkpoints: scrubbed(states.checkpoints),
        dead_letters: scrubbed(letters),
      },
    }
  })
}

/** No new event of the person was appended since it was frozen. */
async function refuseNews({ context, head }: PivotWork, set: RedactedSet, unit: Unit): Promise<void> {
  const { ledger } = context.engine.store
  const now = await ledger.head()
  if (now === head) return
  const edition = context.working()
  for await (const rows of ledger.scan({ unit, after: head, to: now, raw: false })) {
    for (const row of rows) {
      const own = Object.entries(JSON.parse(row.hints) as Hints)
      const isOwn = own.some(([type, hints]) => isHinted(set.person, type, hints))
      if (isOwn || namesTarget(edition.program, row, set.person)) throw new MoreRows()
    }
  }
}

/** For what other stores hold: records that mention the person lose every value that was treated in its events. */
function treatmentOf(
  digests: Digests,
  frozen: readonly string[],
  mentions: (value: unknown) => boolean,
): (value: unknown) => unknown {
  const known = new Set(frozen)
  const isTreated = (text: string): boolean => known.has(digests.token(valueText(text)))
  const treat = (value: unknown): unknown => {
    if (typeof value === 'string') return spellings(value).some(isTreated) ? '[REDACTED]' : value
    if (typeof value === 'number' || typeof value === 'bigint') return isTreated(String(value)) ? null : value
    if (Array.isArray(value)) {
      const items = value.map(treat)
      return items.every((item, index) => item === value[index]) ? value : items
    }
    if (typeof value !== 'object' || value === null) return value
    const entries = Object.entries(value)
    const changed = entries.map(([key, item]) => [key, treat(item)] as const)
    return changed.every(([, item], index) => item === entries[index]?.[1]) ? value : Object.fromEntries(changed)
  }
  return (value) => (known.size > 0 && mentions(value) ? treat(value) : value)
}
