/**
 * What a ledger with merges, redactions and erasures amounts to (spec 05): an account of which records still count and what is
 * left of them, out of which the reference interpreter makes the history. Nothing of the engine is in it.
 */
import type { Defs } from '../oracle/definitions.ts'
import { groupAll, type Identity } from '../oracle/identity.ts'
import { Replay } from '../oracle/interpret.ts'
import { normalize, type OracleEvent } from '../oracle/normalize.ts'
import { Failure } from '../oracle/values.ts'

export type Fields = Readonly<Record<string, unknown>>
export interface Row {
  readonly n: number
  /** What is left of the record. */
  record: Fields
  /** Null while it does not normalize any more. */
  event: OracleEvent | null
  /** As they were when it last normalized. */
  hints: OracleEvent['hints']
}
/** Type, field and value. */
export type Hint = readonly [string, string, string]
export interface Summary {
  readonly type: string
  readonly events: readonly number[]
  /** States and counts of every row of the history. */
  readonly rows: readonly (readonly [string, unknown])[]
  readonly edges: readonly string[]
}

/** Fields of a record by the entity type that they identify. */
const OWN: Readonly<Record<string, readonly string[]>> = {
  person: ['mail', 'tel', 'badge', 'called'],
  company: ['vat'],
  ticket: ['ticket'],
}

export const ownFields = (type: string, record: Fields): Fields =>
  Object.fromEntries(Object.entries(record).filter(([field]) => OWN[type]?.includes(field)))

export class LifecycleModel {
  definitions: Defs
  readonly rows: Row[] = []
  /** Merges by hand: everything that was known of both sides. */
  links: { readonly type: string; readonly hints: readonly Hint[] }[] = []
  readonly suppressed = new Set<number>()

  constructor(definitions: object) {
    this.definitions = definitions as Defs
  }

  /** Whether the record counts from now on. */
  ingest(n: number, record: Fields): boolean {
    if (this.suppressed.has(n) || this.rows.some((row) => row.n === n)) return false
    const event = this.#read(n, record)
    if (event === null) return false
    this.rows.push({ n, record, event, hints: event.hints })
    return true
  }

  renormalize(definitions: object): void {
    this.definitions = definitions as Defs
    for (const row of this.rows) {
      row.event = this.#read(row.n, row.record)
      if (row.event !== null) row.hints = row.event.hints
    }
  }

  identity(): Identity {
    const identity = groupAll(this.definitions, this.#events())
    for (const [no, { type, hints }] of this.links.entries()) {
      for (const [, field, value] of hints) identity.join(type, { [LINK]: String(no), [field]: value })
    }
    return identity
  }

  /** Entities that have events, by all their hints. */
  entities(): Map<string, Summary> {
    const identity = this.identity()
    const own = new Map<string, { type: string; events: OracleEvent[] }>()
    for (const event of this.#events()) {
      for (const [type, hints] of Object.entries(event.hints)) {
        const key = identity.keyOf(type, hints)
        if (key === null) continue
        const one = own.get(key) ?? { type, events: [] }
        one.events.push(event)
        own.set(key, one)
      }
    }
    const found = new Map<string, Summary>()
    for (const [key, { type, events }] of own) {
      const replay = new Replay(this.definitions, type, key, identity)
      for (const event of events.sort((a, b) => a.sequence - b.sequence)) replay.event(event)
      found.set(plainKey(key), {
        type,
        events: events.map(({ sequence }) => sequence),
        rows: replay.rows.map(({ state, props }) => [state, Number(props.get('uses'))]),
        edges: replay.edgeRows.map(({ target, to }) => `${to === null ? 'now' : 'once'} ${plainKey(target)}`).sort(),
      })
    }
    return found
  }

  /** Returns the rows that are gone. */
  erase(key: string, suppress: boolean): Row[] {
    const identity = this.identity()
    const hints = hintsIn(key)
    const [[type]] = hints as [Hint]
    const isKey = (own: Record<string, string>): boolean => plainKey(identity.keyOf(type, own) ?? '') === key
    const emptied: Row[] = []
    for (const row of [...this.rows]) {
      const isNamed =
        row.event === null
          ? hints.some(([, field, value]) => row.hints[type]?.[field] === value)
          : row.hints[type] !== undefined && isKey(row.hints[type])
      if (isNamed && Object.keys(row.hints).every((one) => one === type)) {
        emptied.push(row)
        this.rows.splice(this.rows.indexOf(row), 1)
        if (suppress) this.suppressed.add(row.n)
      } else if (isNamed || (type === 'person' && this.#mentions(row, hints))) {
        row.record = Object.fromEntries(Object.entries(row.record).filter(([field]) => !OWN[type]?.includes(field)))
        row.event = this.#read(row.n, row.record)
        if (row.event !== null) row.hints = row.event.hints
      }
    }
    this.links = this.links.filter((link) => {
      const [[, field, value]] = link.hints as [Hint]
      return link.type !== type || !isKey({ [field]: value })
    })
    return emptied
  }

  #mentions({ record }: Row, hints: readonly Hint[]): boolean {
    const mail = record['mail']
    return (
      typeof mail === 'string' && hints.some(([, field, value]) => field === 'mail' && value === mail.toLowerCase())
    )
  }

  #events(): OracleEvent[] {
    return this.rows.flatMap(({ event }) => (event === null ? [] : [event]))
  }

  #read(n: number, record: Fields): OracleEvent | null {
    try {
      // Instants are those of the numbers: whatever arrives when, the order is the same.
      return { ...normalize(this.definitions, 'crm', record), sequence: n }
    } catch (error) {
      if (error instanceof Failure) return null
      throw error
    }
  }
}

/** Ties the sides of a merge by hand; no hint of any definition. */
const LINK = '_link'

const plainKey = (key: string): string =>
  key
    .split(' ')
    .filter((text) => !text.includes(`"${LINK}"`))
    .join(' ')

export const hintsIn = (key: string): Hint[] => key.split(' ').map((text) => JSON.parse(text) as Hint)
