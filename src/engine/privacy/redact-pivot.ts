/**
 * The transaction of a redaction (spec 05 §5.3–5.4): ledger rows are treated, hints give way to tokens, and every version's
 * states lose the values, all at once. The person stays, with its history.
 */
import type { Hints } from '../../core/event.ts'
import { relateGroups } from '../../core/identity.ts'
import { decodeEvent } from '../../core/normalize.ts'
import type { Digests } from '../../core/privacy/digest.ts'
import type { HintRow, Unit } from '../../ports/store.ts'
import { parts } from './erase-pivot.ts'
import { type FreezeWork, MoreRows, type Pivot, type PivotWork } from './pivot.ts'
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
  const { context, slot, erasure, request } = work
  const { engine } = context
  const { store } = engine
  const editions = await context.editions()
  const forget = (): void => {
    for (const { version } of editions) engine.cache(version).clear()
  }
  forget()
  await slot.unit('', async (unit) => {
    await work.recheck(unit)
    await store.ledger.holdAppends(unit)
    await store.mapping.lock(unit, { wait: true })
    await refuseMore(work, set, unit)
    for (const rows of parts(set.changes)) await store.ledger.treat(unit, rows)
    const hints = await redactHints(work, set, unit)
    if (request.options.sticky && set.hints.length > 0) await store.ledger.guard(unit, { treating: true })
    const states = await treatStates(work, editions, set, unit)
    const subject = redactPivot.subject(context, erasure)
    const letters = await store.log.letters.treat(unit, subject)
    await store.locks.outdate(unit, 'state')
    await store.signals.send(unit)
    const counts = {
      entities: erasure.entities.length,
      eventsDeleted: 0,
      eventsScrubbed: set.events,
      mergeLog: 0,
      fields: set.fields,
    }
    const scrubbed = (items: number) => ({ action: 'scrubbed', items }) as const
    await work.pivoted(unit, counts, {
      ledger: scrubbed(set.changes.length),
      identity: scrubbed(hints),
      history: scrubbed(states.rows),
      checkpoints: scrubbed(states.checkpoints),
      dead_letters: scrubbed(letters),
    })
  })
  forget()
}

/** Nothing of the person was appended since it was frozen: neither repeats nor new events. */
async function refuseMore(work: PivotWork, set: RedactedSet, unit: Unit): Promise<void> {
  const { context, head } = work
  const { ledger } = context.engine.store
  for (const sequences of parts(set.own)) {
    for (const sequence of await ledger.repeatsOf(unit, sequences)) if (!set.looked.has(sequence)) throw new MoreRows()
  }
  const now = await ledger.head()
  if (now === head) return
  const edition = context.working()
  for await (const rows of ledger.scan({ unit, after: head, to: now, raw: false })) {
    for (const row of rows) {
      const hints = JSON.parse(row.hints) as Hints
      const groups = relateGroups(edition.program, decodeEvent(edition.program, row), hints)
      const all = [...Object.entries(hints), ...groups.map((group) => [group.entityType, group.hints] as const)]
      for (const [type, own] of all) {
        for (const [hintType, value] of Object.entries(own))
          if (set.person.has(type, hintType, value)) throw new MoreRows()
      }
    }
  }
}

/** Tokens in the place of the person's hints, and of hints of others that stood in the same fields. */
async function redactHints({ context, request }: PivotWork, set: RedactedSet, unit: Unit): Promise<number> {
  const { identity } = context.engine.store
  const { sticky } = request.options
  let changed = await identity.redact(unit, set.hints, sticky)
  const keyOf = ({ entityType, hintType, value }: Omit<HintRow, 'entityId'>): string =>
    JSON.stringify([entityType, hintType, value])
  const done = new Set(set.hints.map(keyOf))
  const more = [...new Map(set.tokens.map((hint) => [keyOf(hint), hint])).values()].filter(
    (hint) => !done.has(keyOf(hint)),
  )
  if (more.length === 0) return changed
  const owners = await identity.lookup(unit, more)
  const rows = more.flatMap((hint, index) => {
    const entityId = owners[index]
    return entityId === undefined ? [] : [{ ...hint, entityId }]
  })
  changed += await identity.redact(unit, rows, false)
  return changed
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
