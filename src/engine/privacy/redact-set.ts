/**
 * Which rows of the ledger hold sensitive values of a person, and what they may stay as (spec 05 §5.1–5.3): the person's own,
 * shared ones too, their repeats, merges by hand, and events of others that name the person as target. Cost follows the
 * person's events.
 */
import { MERGE_EVENT } from '../../core/directive.ts'
import { parseJson } from '../../core/expression/json.ts'
import type { Digests } from '../../core/privacy/digest.ts'
import { NoteDraft, readNote } from '../../core/privacy/note.ts'
import { identityTreatments, type PrivacyPlan, redactionPlan, relatePlan } from '../../core/privacy/plan.ts'
import type { HintToken } from '../../core/privacy/treat.ts'
import { getOwn } from '../../core/raw-path.ts'
import type { FrozenEntity } from '../../ports/privacy.ts'
import type { FullLedgerRow, HintRow, TreatedRow } from '../../ports/store.ts'
import type { Edition } from '../engine.ts'
import { directives, excludedRows, neighbourEvents, Person } from './erase-set.ts'
import type { FreezeWork, FrozenRows } from './pivot.ts'
import { hintText, spellings } from './subject.ts'

export interface RedactedSet {
  readonly rows: FrozenRows
  readonly person: RedactedPerson
  /** Rows of the person, whose repeats are looked for again in the pivot; `looked`: all that were read. */
  readonly own: readonly number[]
  readonly looked: ReadonlySet<number>
  readonly changes: readonly TreatedRow[]
  /** Distinct events among them. */
  readonly events: number
  readonly fields: number
  /** Identity rows that give way to tokens. */
  readonly tokens: readonly HintToken[]
  readonly hints: readonly (HintRow & { readonly token: string })[]
  /** Some rows were treated before. */
  readonly again: boolean
  /** Plain texts of treated fields, with what stands in their place. */
  readonly replaced: ReadonlyMap<string, string | null>
  /** Everybody else whose events change. */
  readonly others: readonly FrozenEntity[]
}

/** A person of whom some values go and all else stays. */
export class RedactedPerson extends Person {
  override readonly own: readonly PrivacyPlan[]
  override readonly related: readonly PrivacyPlan[]
  /** Hint fields that are treated, by type. */
  readonly identities: ReadonlyMap<string, ReadonlySet<string>>
  /** Digests of hints that stay as they are. */
  readonly #staying: ReadonlySet<string>

  constructor(
    keys: Digests,
    editions: readonly Edition[],
    entities: readonly FrozenEntity[],
    hints: readonly (HintRow & { readonly redacted: boolean })[],
  ) {
    super(keys, editions, entities, hints)
    this.own = this.types.map((type) => redactionPlan(this.definitions, type))
    this.related = this.types.map((type) => relatePlan(this.definitions, type, 'redact'))
    this.identities = new Map(
      this.types.map((type) => [type, new Set(identityTreatments(this.definitions, type).keys())]),
    )
    const staying = hints.filter(
      ({ entityType, hintType, redacted }) => redacted || !this.isTreated(entityType, hintType),
    )
    this.#staying = new Set(
      staying.map(({ entityType, hintType, value }) => keys.token(hintText(entityType, hintType, value))),
    )
  }

  /** Without those of hints that rows may go on to have. */
  override digests(): string[] {
    return super.digests().filter((digest) => !this.#staying.has(digest))
  }

  isTreated(entityType: string, hintType: string): boolean {
    return this.identities.get(entityType)?.has(hintType) === true
  }
}

/** Of a treated value that does not tell whose it is, but must not stay either. */
export function valueText(text: string): string {
  return `value\u0000${text}`
}

export async function redactedSet(work: FreezeWork): Promise<RedactedSet> {
  const { context, entities, head } = work
  const { store } = context.engine
  const { identity, ledger, tiers } = store
  // The working definitions decide where versions differ.
  const working = context.working()
  const editions = [working, ...(await context.editions()).filter(({ version }) => version !== working.version)]
  const ids = entities.map(({ id }) => id)
  const isMember = new Set(ids)
  const hints = ids.length === 0 ? [] : await identity.hintsOf(null, ids)
  const person = new RedactedPerson(context.digests, editions, entities, hints)

  const own = new Set((await tiers.membersOf(null, ids, head)).map(({ sequence }) => sequence))
  for (const sequence of await directives(work)) own.add(sequence)
  const mine = new Set([...own, ...(await ledger.repeatsOf(null, [...own]))])
  for (const { sequence } of await excludedRows(work, person)) mine.add(sequence)
  const found = new Findings(person)
  for await (const rows of ledger.rows([...mine])) for (const row of rows) found.own(row)

  const candidates = [...(await neighbourEvents(work, editions, person))].filter((sequence) => !mine.has(sequence))
  const named = [...candidates, ...(await ledger.repeatsOf(null, candidates))]
  for await (const rows of ledger.rows(named)) for (const row of rows) found.named(row)

  const changed = found.changes.map(({ sequence }) => sequence)
  const others = new Map<string, FrozenEntity>()
  for (const { entityId, entityType } of await tiers.membersAt(null, changed)) {
    if (!isMember.has(entityId)) others.set(entityId, { id: entityId, type: entityType })
  }
  const tokenRows = hints.map(({ redacted, ...hint }) => {
    const treated = redacted || person.isTreated(hint.entityType, hint.hintType)
    return treated ? [{ ...hint, token: redacted ? hint.value : person.keys.token(hint.value) }] : []
  })
  return {
    rows: {
      digests: [...new Set([...person.digests(), ...found.valueDigests()])].sort(),
      eventDigests: [],
      emptied: [],
      treated: changed.sort((a, b) => a - b),
    },
    person,
    own: [...own],
    looked: new Set([...mine, ...named]),
    changes: found.changes,
    events: found.events,
    fields: found.fields,
    tokens: found.tokens,
    hints: tokenRows.flat(),
    again: found.again || hints.some(({ redacted }) => redacted),
    replaced: found.replaced,
    others: [...others.values()],
  }
}

/** What is learned row by row. */
class Findings {
  readonly changes: TreatedRow[] = []
  readonly tokens: HintToken[] = []
  readonly replaced = new Map<string, string | null>()
  events = 0
  fields = 0
  again = false
  readonly #person: RedactedPerson

  constructor(person: RedactedPerson) {
    this.#person = person
  }

  own(row: FullLedgerRow): void {
    if (row.eventType === MERGE_EVENT) {
      this.#directive(row)
      return
    }
    this.#person.learn(row)
    this.#treat(row, [...this.#person.own, ...this.#person.related])
  }

  /** An event of others, who may name the person or somebody else. */
  named(row: FullLedgerRow): void {
    this.#treat(row, this.#person.related)
  }

  valueDigests(): string[] {
    const { keys } = this.#person
    return [...this.replaced.keys()].flatMap((text) => spellings(text).map((one) => keys.token(valueText(one))))
  }

  #treat(row: FullLedgerRow, plans: readonly PrivacyPlan[]): void {
    if (row.redaction !== null) this.again = true
    const treated = this.#person.treat(row, plans)
    if (treated === null) return
    this.fields += treated.fields
    this.tokens.push(...treated.tokens)
    this.#note(parseJson(row.data), parseJson(treated.row.data))
    this.#note(parseJson(row.raw), parseJson(treated.row.raw))
    this.#add(row, treated.row)
  }

  /** A merge by hand tells both sides by their hints (spec 05 §3.2). */
  #directive(row: FullLedgerRow): void {
    const { keys, known } = this.#person
    const data = parseJson(row.data) as Record<string, unknown>
    const note = new NoteDraft(readNote(row.redaction))
    let fields = 0
    for (const side of ['from_hints', 'into_hints']) {
      const types = getOwn(data, side) as Record<string, Record<string, string[]>> | null
      for (const [entityType, hintTypes] of Object.entries(types ?? {})) {
        for (const [hintType, values] of Object.entries(hintTypes)) {
          if (!this.#person.isTreated(entityType, hintType)) continue
          const tokens = values.map((value) => (known.has(value) ? value : keys.token(value)))
          if (tokens.every((token, index) => token === values[index])) continue
          hintTypes[hintType] = tokens
          note.data.add(side)
          fields += 1
        }
      }
    }
    if (fields === 0) return
    this.fields += fields
    const { sequence, raw, hints, kinds } = row
    this.#add(row, { sequence, data: JSON.stringify(data), raw, hints, kinds, redaction: note.text() })
  }

  #add(row: FullLedgerRow, change: TreatedRow): void {
    this.changes.push(change)
    if (row.duplicateOf === null) this.events += 1
  }

  /** Texts and numbers that are not there any more. */
  #note(before: unknown, after: unknown): void {
    if (before === after) return
    if (typeof before !== 'object' || before === null) {
      const kept = typeof after === 'string' ? after : null
      if (before !== null && before !== undefined && typeof before !== 'boolean')
        this.replaced.set(String(before), kept)
      return
    }
    const left = typeof after === 'object' && after !== null ? (after as Record<string, unknown>) : {}
    for (const [key, value] of Object.entries(before)) this.#note(value, left[key])
  }
}
