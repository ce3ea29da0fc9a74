/**
 * What new events pass where something was erased or redacted before (spec 05 §4.2 no. 8, §5.3): erased ones are recognized by
 * the digests of their ids, those of a person redacted for good are treated before they are stored.
 */
import type { NormalizedEvent } from '../../core/event.ts'
import { type HintGroup, hintKey, relateGroups } from '../../core/identity.ts'
import type { Digests } from '../../core/privacy/digest.ts'
import { type PrivacyPlan, redactionPlan, relatePlan } from '../../core/privacy/plan.ts'
import { treatEvent } from '../../core/privacy/treat.ts'
import type { AppendGuards, HintKey, HintRow, Unit } from '../../ports/store.ts'
import type { Edition, Engine } from '../engine.ts'

export async function appendGuards(engine: Engine, edition: Edition): Promise<AppendGuards> {
  const digests = await engine.digests()
  return {
    digestOf: (eventId) => digests.event(eventId),
    treated: (unit, events) => new Arrival(engine, edition, digests).treated(unit, events),
  }
}

/** Whom an event names, by tokens. */
interface Named {
  readonly own: readonly HintKey[]
  readonly targets: readonly HintGroup[]
}

/** Events of one append. */
class Arrival {
  readonly #engine: Engine
  readonly #edition: Edition
  readonly #digests: Digests
  /** By hint: the redacted person it leads to. */
  readonly #owners = new Map<string, string>()
  readonly #plans = new Map<string, { own: PrivacyPlan; related: PrivacyPlan }>()

  constructor(engine: Engine, edition: Edition, digests: Digests) {
    this.#engine = engine
    this.#edition = edition
    this.#digests = digests
  }

  /**
   * The events, those of redacted persons treated. By what such an event tells of its person besides, the person is known from
   * now on; so the answer is the same whether events come together or one by one.
   */
  async treated(unit: Unit, events: readonly NormalizedEvent[]): Promise<readonly NormalizedEvent[]> {
    const named = events.map((event) => this.#named(event))
    await this.#find(unit, named)
    if (this.#owners.size === 0) return events
    const result = [...events]
    const done = new Set<string>()
    for (let more = true; more; ) {
      more = false
      for (const [index, event] of events.entries()) {
        for (const entityType of Object.keys(event.hints)) {
          const owner = this.#ownerOf({ entityType, hints: event.hints[entityType] ?? {} })
          const mark = `${index}\u0000${entityType}`
          if (owner === undefined || done.has(mark)) continue
          done.add(mark)
          more = true
          const treated = treatEvent(result[index] ?? event, this.#plan(entityType).own, this.#digests)
          result[index] = treated
          await this.#learn(unit, event, treated, entityType, owner)
        }
      }
    }
    for (const [index, { targets }] of named.entries()) {
      for (const target of targets) {
        if (this.#ownerOf(target) === undefined) continue
        const known = new Set(Object.values(target.hints).map((value) => this.#digests.token(value)))
        const { related } = this.#plan(target.entityType)
        result[index] = treatEvent(result[index] as NormalizedEvent, related, this.#digests, { known })
      }
    }
    return result
  }

  #named(event: NormalizedEvent): Named {
    const { program } = this.#edition
    const own = Object.entries(event.hints).flatMap(([entityType, hints]) => keysOf({ entityType, hints }))
    // Not stored yet, so without a sequence; nothing here reads one.
    const targets = program.relatingEvents.has(event.eventType)
      ? relateGroups(program, { ...event, sequence: 0 }, event.hints)
      : []
    return { own, targets }
  }

  #ownerOf(group: HintGroup): string | undefined {
    return keysOf(group)
      .flatMap((key) => this.#owners.get(textOf(key)) ?? [])
      .sort()[0]
  }

  /** Whom these events name among the persons that were redacted for good: by a token, or by a hint that was left to them. */
  async #find(unit: Unit, named: readonly Named[]): Promise<void> {
    const { identity } = this.#engine.store
    const all = named.flatMap(({ own, targets }) => [...own, ...targets.flatMap(keysOf)])
    const keys = [...new Map(all.map((key) => [textOf(key), key])).values()]
    const tokens = keys.map((key) => this.#digests.token(key.value))
    const sticky = new Map<string, string>()
    for (const row of await identity.tokens(unit, [...new Set(tokens)], { sticky: true })) {
      sticky.set(textOf(row), row.entityId)
    }
    const rest: HintKey[] = []
    for (const [index, key] of keys.entries()) {
      const owner = sticky.get(textOf({ ...key, value: tokens[index] as string }))
      if (owner === undefined) rest.push(key)
      else this.#owners.set(textOf(key), owner)
    }
    const ids = await identity.lookup(unit, rest)
    const known = [...new Set(ids.filter((id) => id !== undefined))]
    const redacted = (known.length === 0 ? [] : await identity.hintsOf(unit, known)).filter((hint) => hint.redacted)
    const values = [...new Set(redacted.map(({ value }) => value))]
    const persons = new Set((await identity.tokens(unit, values, { sticky: true })).map(({ entityId }) => entityId))
    for (const [index, key] of rest.entries()) {
      const id = ids[index]
      if (id !== undefined && persons.has(id)) this.#owners.set(textOf(key), id)
    }
  }

  /** What an event tells of its person: hints that gave way to tokens, and others. */
  async #learn(
    unit: Unit,
    event: NormalizedEvent,
    treated: NormalizedEvent,
    entityType: string,
    owner: string,
  ): Promise<void> {
    const left = treated.hints[entityType] ?? {}
    const fresh = keysOf({ entityType, hints: event.hints[entityType] ?? {} }).filter((key) => {
      return !this.#owners.has(textOf(key))
    })
    if (fresh.length === 0) return
    const { identity, mapping } = this.#engine.store
    await mapping.lock(unit, { wait: true })
    const stored = fresh.map(({ hintType, value }) => ({ entityType, hintType, value: left[hintType] ?? value }))
    const plain = await identity.lookup(unit, fresh)
    const before = await identity.lookup(unit, stored)
    const inserts: HintRow[] = []
    const redacts: (HintRow & { readonly token: string })[] = []
    for (const [index, key] of fresh.entries()) {
      const { value: token } = stored[index] as HintKey
      const plainOwner = plain[index]
      // Somebody else's so far: mapping finds that they are one.
      const entityId = plainOwner ?? before[index] ?? owner
      this.#owners.set(textOf(key), owner)
      if (plainOwner === undefined && before[index] === undefined) inserts.push({ ...key, value: token, entityId })
      if (token === key.value) continue
      redacts.push({ ...key, value: plainOwner === undefined ? token : key.value, entityId, token })
    }
    if (inserts.length > 0) await identity.insert(unit, inserts)
    if (redacts.length > 0) await identity.redact(unit, redacts, true)
  }

  #plan(entityType: string): { own: PrivacyPlan; related: PrivacyPlan } {
    let plan = this.#plans.get(entityType)
    if (plan === undefined) {
      const definitions = [this.#edition.program.definitions]
      plan = { own: redactionPlan(definitions, entityType), related: relatePlan(definitions, entityType, 'redact') }
      this.#plans.set(entityType, plan)
    }
    return plan
  }
}

function keysOf({ entityType, hints }: HintGroup): HintKey[] {
  return Object.entries(hints).map(([hintType, value]) => ({ entityType, hintType, value }))
}

function textOf({ entityType, hintType, value }: HintKey): string {
  return hintKey(entityType, hintType, value)
}
