/**
 * Which rows of the ledger concern a person that is erased, and what becomes of each (spec 05 §4.2 no. 3–6): those of nobody
 * else are emptied, those of others stay without what identifies the person. Cost follows the person's events.
 */

import type { DefinitionsObject } from '../../core/definition/model.ts'
import { relationsOf } from '../../core/definition/relations.ts'
import { mergeEventId } from '../../core/directive.ts'
import type { Hints } from '../../core/event.ts'
import { parseJson } from '../../core/expression/json.ts'
import { relateGroups } from '../../core/identity.ts'
import { decodeEvent } from '../../core/normalize.ts'
import type { Digests } from '../../core/privacy/digest.ts'
import { rawInputs } from '../../core/privacy/flow.ts'
import { erasurePlan, type PrivacyPlan, relatePlan } from '../../core/privacy/plan.ts'
import { type HintToken, treatRow } from '../../core/privacy/treat.ts'
import type { Program } from '../../core/program.ts'
import { getOwn, rawPath, readRaw } from '../../core/raw-path.ts'
import type { FrozenEntity } from '../../ports/privacy.ts'
import type { FullLedgerRow, HintRow, TreatedRow, Unit } from '../../ports/store.ts'
import type { Edition } from '../engine.ts'
import type { PrivacyCall } from './context.ts'
import type { FreezeWork, FrozenRows } from './pivot.ts'
import { hintText, spellings } from './subject.ts'

export interface ErasedSet {
  readonly rows: FrozenRows
  /** Canonical rows among those: their repeats are looked for again in the pivot. */
  readonly own: readonly number[]
  readonly shared: readonly number[]
  /** Everything of theirs that stays, repeats included. */
  readonly kept: readonly number[]
  /** What stands for the event of each emptied row. */
  readonly eventDigests: ReadonlyMap<number, string>
  readonly changes: readonly TreatedRow[]
  /** Hints of others that gave way to tokens, because they stand in a field of the person. */
  readonly tokens: readonly HintToken[]
  readonly fields: number
  /** Everybody else whose events change. */
  readonly others: readonly FrozenEntity[]
}

/** Whose rows are looked for, and up to where. */
export type Wanted = Pick<FreezeWork, 'context' | 'entities' | 'head'> & { readonly call?: PrivacyCall }

export async function erasedSet(work: Wanted): Promise<ErasedSet> {
  const { context, entities, head } = work
  const { store } = context.engine
  const editions = await context.editions()
  const ids = entities.map(({ id }) => id)
  const isMember = new Set(ids)
  const hints = ids.length === 0 ? [] : await store.identity.hintsOf(null, ids)
  const person = new Person(context.digests, editions, entities, hints)

  const mine = new Set((await store.tiers.membersOf(null, ids, head)).map(({ sequence }) => sequence))
  const members = await store.tiers.membersAt(null, [...mine])
  const withOthers = new Set(members.flatMap(({ sequence, entityId }) => (isMember.has(entityId) ? [] : [sequence])))
  const shared = [...mine].filter((sequence) => withOthers.has(sequence))
  const own = [...mine].filter((sequence) => !withOthers.has(sequence))
  for (const sequence of await directives(work)) if (!mine.has(sequence)) own.push(sequence)

  const emptied = new Set([...own, ...(await store.ledger.repeatsOf(null, own))])
  const kept = new Set([...shared, ...(await store.ledger.repeatsOf(null, shared))])
  for (const { sequence, isOthers } of await excludedRows(work, person)) (isOthers ? kept : emptied).add(sequence)

  const found = new Findings(person)
  for await (const rows of store.ledger.rows([...emptied])) for (const row of rows) found.empty(row)
  for await (const rows of store.ledger.rows([...kept])) for (const row of rows) found.treat(row)
  const neighbours = await neighbourEvents(work, editions, person)
  const candidates = [...neighbours].filter((sequence) => !emptied.has(sequence) && !kept.has(sequence))
  const repeated = await store.ledger.repeatsOf(null, candidates)
  for await (const rows of store.ledger.rows([...candidates, ...repeated])) {
    for (const row of rows) found.treatNamed(row)
  }
  const changed = [...new Set(found.changes.map(({ sequence }) => sequence))]
  const concerned = new Map<string, FrozenEntity>()
  for (const { entityId, entityType } of await store.tiers.membersAt(null, changed)) {
    if (!isMember.has(entityId)) concerned.set(entityId, { id: entityId, type: entityType })
  }
  return {
    rows: {
      digests: person.digests(),
      eventDigests: [...new Set(found.eventDigests.values())],
      emptied: [...emptied].sort(ascending),
      treated: changed.sort(ascending),
    },
    own,
    shared,
    kept: [...kept],
    eventDigests: found.eventDigests,
    changes: found.changes,
    tokens: found.tokens,
    fields: found.fields,
    others: [...concerned.values()],
  }
}

/** What is known of a person, and what is learned of it while its rows are read. */
export class Person {
  readonly keys: Digests
  readonly definitions: readonly DefinitionsObject[]
  readonly types: readonly string[]
  /** What treats a row that stays. */
  readonly own: readonly PrivacyPlan[]
  readonly related: readonly PrivacyPlan[]
  /** Tokens of its hints. */
  readonly known: ReadonlySet<string>
  readonly #hints = new Set<string>()
  readonly #texts = new Set<string>()
  readonly #digests = new Set<string>()

  constructor(
    keys: Digests,
    editions: readonly Edition[],
    entities: readonly FrozenEntity[],
    hints: readonly (HintRow & { readonly redacted: boolean })[],
  ) {
    this.keys = keys
    this.definitions = editions.map(({ program }) => program.definitions)
    this.types = [...new Set(entities.map(({ type }) => type))]
    this.own = this.types.map((type) => erasurePlan(this.definitions, type))
    this.related = this.types.map((type) => relatePlan(this.definitions, type))
    const known = new Set<string>()
    for (const { entityType, hintType, value, redacted } of hints) {
      const token = redacted ? value : keys.token(value)
      known.add(token)
      this.#digests.add(token)
      this.#hints.add(hintText(entityType, hintType, value))
      if (!redacted) this.#texts.add(value)
    }
    this.known = known
  }

  /** Whether a hint of a row is the person's, plain or redacted. */
  has(entityType: string, hintType: string, value: string): boolean {
    return (
      this.#hints.has(hintText(entityType, hintType, value)) ||
      this.#hints.has(hintText(entityType, hintType, this.keys.token(value)))
    )
  }

  /** What the raw record of a row had in the place of the person's hints. */
  learn(row: FullLedgerRow): void {
    const hints = JSON.parse(row.hints) as Hints
    let raw: unknown
    for (const type of this.types) {
      const named = Object.keys(getOwn(hints, type) ?? {}).filter((hintType) =>
        this.has(type, hintType, (hints[type] as Record<string, string>)[hintType] as string),
      )
      if (named.length === 0) continue
      for (const definitions of this.definitions) {
        const event = getOwn(getOwn(definitions.sources, row.source)?.events ?? {}, row.eventType)
        if (event === null) continue
        for (const path of named.flatMap((field) => rawInputs(event, field))) {
          raw ??= parseJson(row.raw)
          const value = path === '' ? null : readRaw(raw as Record<string, unknown>, rawPath(path))
          for (const text of spellings(value)) this.#texts.add(text)
        }
      }
    }
  }

  /** A row as the plans leave it, one after the other; null: as it is. */
  treat(
    row: FullLedgerRow,
    plans: readonly PrivacyPlan[],
  ): { readonly row: TreatedRow; readonly fields: number; readonly tokens: readonly HintToken[] } | null {
    let stored = row
    let change: TreatedRow | null = null
    let fields = 0
    const tokens: HintToken[] = []
    for (const plan of plans) {
      const treated = treatRow(stored, plan, this.keys, { known: this.known })
      if (treated === null) continue
      change = treated.row
      stored = { ...stored, ...treated.row }
      fields += treated.fields
      tokens.push(...treated.tokens)
    }
    return change === null ? null : { row: change, fields, tokens }
  }

  digests(): string[] {
    for (const text of this.#texts) this.#digests.add(this.keys.token(text))
    for (const hint of this.#hints) this.#digests.add(this.keys.token(hint))
    return [...this.#digests].sort()
  }
}

/** What is learned row by row. */
class Findings {
  readonly eventDigests = new Map<number, string>()
  readonly changes: TreatedRow[] = []
  readonly tokens: HintToken[] = []
  fields = 0
  readonly #person: Person

  constructor(person: Person) {
    this.#person = person
  }

  empty(row: FullLedgerRow): void {
    this.#person.learn(row)
    this.eventDigests.set(row.sequence, this.#person.keys.event(row.eventId))
  }

  treat(row: FullLedgerRow): void {
    this.#person.learn(row)
    this.#treat(row, [...this.#person.own, ...this.#person.related])
  }

  /** An event of others, who may name the person or somebody else. */
  treatNamed(row: FullLedgerRow): void {
    this.#treat(row, this.#person.related)
  }

  #treat(row: FullLedgerRow, plans: readonly PrivacyPlan[]): void {
    const treated = this.#person.treat(row, plans)
    if (treated === null) return
    this.changes.push(treated.row)
    this.fields += treated.fields
    this.tokens.push(...treated.tokens)
  }
}

/** Merges by hand that name the person: they are mapped to the winner, but what was reset since may not be. */
export async function directives({ context, entities }: Wanted): Promise<number[]> {
  const { identity, tiers } = context.engine.store
  const found: number[] = []
  for (const { id } of entities) {
    for (const { from, into } of await identity.mergesInto(id)) {
      for (let time = 1; ; time += 1) {
        const sequence = await tiers.sequenceOf(mergeEventId(from, into, time))
        if (sequence === undefined) break
        found.push(sequence)
      }
    }
  }
  return found
}

/** Rows that did not normalize any more have no entity; their old hints tell whose they were. */
export async function excludedRows(
  { context, call }: Wanted,
  person: Pick<Person, 'has' | 'types'>,
): Promise<{ sequence: number; isOthers: boolean }[]> {
  const { ledger } = context.engine.store
  const found: { sequence: number; isOthers: boolean }[] = []
  for await (const sequences of ledger.excluded()) {
    call?.signal?.throwIfAborted()
    for await (const rows of ledger.rows(sequences)) {
      for (const row of rows) {
        const types = Object.entries(JSON.parse(row.hints) as Hints)
        if (!types.some(([type, own]) => isHinted(person, type, own))) continue
        found.push({ sequence: row.sequence, isOthers: !types.every(([type]) => person.types.includes(type)) })
      }
    }
  }
  return found
}

/**
 * Events of those who are related to the person, in whatever version, that may name it; and those that name it, but which
 * nobody has interpreted yet.
 */
export async function neighbourEvents(
  wanted: Wanted,
  editions: readonly Edition[],
  person: Pick<Person, 'has'>,
): Promise<ReadonlySet<number>> {
  const { context, entities, head } = wanted
  const { history, tiers } = context.engine.store
  const ids = entities.map(({ id }) => id)
  const found = new Set(await namedSinceBuilt(wanted, editions, person))
  const neighbours = new Set<string>()
  for (const { version, program } of editions) {
    if (ids.length === 0 || program.layout.relationships.length === 0) continue
    const read = (unit: Unit): Promise<string[]> => history.sourcesOf(unit, program.layout, ids)
    for (const id of await context.engine.unit(version, read)) neighbours.add(id)
  }
  for (const id of ids) neighbours.delete(id)
  if (neighbours.size === 0) return found
  for (const { sequence } of await tiers.membersOf(null, [...neighbours], head)) found.add(sequence)
  return found
}

/** Events that name the person in a relation and are in no history yet. Cost follows what is to be interpreted. */
async function namedSinceBuilt(
  { context, entities, head, call }: Wanted,
  editions: readonly Edition[],
  person: Pick<Person, 'has'>,
): Promise<number[]> {
  const { builds, ledger } = context.engine.store
  if (entities.length === 0) return []
  const working = context.working()
  const known = relationsOf(working.program.definitions)
  const open: { program: Program; from: number }[] = []
  for (const { version, program } of editions) {
    // What an edition relates as the working one does, the histories of that one tell.
    const isNews = [...relationsOf(program.definitions)].some((relation) => !known.has(relation))
    if (version !== working.version && !isNews) continue
    const from = Math.min(...(await builds.all(version)).map(({ cursor }) => cursor))
    open.push({ program, from: Number.isFinite(from) ? from : 0 })
  }
  const found: number[] = []
  const after = Math.min(...open.map(({ from }) => from), head)
  for await (const rows of ledger.scan({ after, to: head, raw: false })) {
    call?.signal?.throwIfAborted()
    for (const row of rows) {
      const mayName = open.filter(
        ({ program, from }) => row.sequence > from && program.relatingEvents.has(row.eventType),
      )
      if (mayName.some(({ program }) => namesTarget(program, row, person))) found.push(row.sequence)
    }
  }
  return found
}

/** Whether a relation of the event has the person as its target. */
export function namesTarget(program: Program, row: FullLedgerRow, person: Pick<Person, 'has'>): boolean {
  const groups = relateGroups(program, decodeEvent(program, row), JSON.parse(row.hints) as Hints)
  return groups.some(({ entityType, hints }) => isHinted(person, entityType, hints))
}

/** Whether one of these hints is the person's. */
export function isHinted(person: Pick<Person, 'has'>, type: string, hints: Readonly<Record<string, string>>): boolean {
  return Object.entries(hints).some(([hintType, value]) => person.has(type, hintType, value))
}

const ascending = (a: number, b: number): number => a - b
