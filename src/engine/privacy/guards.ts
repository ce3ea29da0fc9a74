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
  /** Sticky tokens met so far: whom they belong to. */
  readonly #sticky = new Map<string, string>()
  readonly #plans = new Map<string, { own: PrivacyPlan; related: PrivacyPlan }>()

  constructor(engine: Engine, edition: Edition, digests: Digests) {
    this.#engine = engine
    this.#edition = edition
    this.#digests = digests
  }

  /**
   * The events, those of redacted persons treated. What such an event tells of its person besides is redacted from now on,
   * too, wherever it is; so the answer is the same whether events come together or one by one.
   */
  async treated(unit: Unit, events: readonly NormalizedEvent[]): Promise<readonly NormalizedEvent[]> {
    const result = [...events]
    const named = events.map((event) => this.#named(event))
    await this.#find(unit, named)
    if (this.#sticky.size === 0) return events
    const done = new Set<string>()
    for (let found = true; found; ) {
      found = false
      for (const [index, event] of events.entries()) {
        const { own, targets } = named[index] as Named
        for (const entityType of new Set(own.map((key) => key.entityType))) {
          const mark = `${index}\u0000${entityType}`
          const ids = own.flatMap((key) => (key.entityType === entityType ? (this.#idOf(key) ?? []) : []))
          const [owner] = ids.sort()
          if (owner === undefined || done.has(mark)) continue
          done.add(mark)
          found = true
          const before = result[index] ?? event
          result[index] = treatEvent(before, this.#plan(entityType).own, this.#digests)
          await this.#learn(unit, event, result[index], entityType, owner)
        }
        for (const [place, target] of targets.entries()) {
          const mark = `${index}\u0000>${place}`
          const known = this.#keysOf(target).map((key) => this.#digests.token(key.value))
          const isKnown = this.#keysOf(target).some((key) => this.#idOf(key) !== undefined)
          if (!isKnown || done.has(mark)) continue
          done.add(mark)
          const plan = this.#plan(target.entityType).related
          result[index] = treatEvent(result[index] ?? event, plan, this.#digests, { known: new Set(known) })
        }
      }
    }
    return result
  }

  #named(event: NormalizedEvent): Named {
    const { program } = this.#edition
    const own = Object.entries(event.hints).flatMap(([entityType, hints]) => this.#keysOf({ entityType, hints }))
    // Not stored yet, so without a sequence; nothing here reads one.
    const targets = program.relatingEvents.has(event.eventType)
      ? relateGroups(program, { ...event, sequence: 0 }, event.hints)
      : []
    return { own, targets }
  }

  #keysOf({ entityType, hints }: HintGroup): HintKey[] {
    return Object.entries(hints).map(([hintType, value]) => ({ entityType, hintType, value }))
  }

  #tokenKey({ entityType, hintType, value }: HintKey): string {
    return hintKey(entityType, hintType, this.#digests.token(value))
  }

  #idOf(key: HintKey): string | undefined {
    return this.#sticky.get(this.#tokenKey(key))
  }

  async #find(unit: Unit, named: readonly Named[]): Promise<void> {
    const keys = named.flatMap(({ own, targets }) => [...own, ...targets.flatMap((target) => this.#keysOf(target))])
    const tokens = [...new Set(keys.map(({ value }) => this.#digests.token(value)))]
    const known = await this.#engine.store.identity.tokens(unit, tokens, { sticky: true })
    for (const { entityType, hintType, value, entityId } of known) {
      this.#sticky.set(hintKey(entityType, hintType, value), entityId)
    }
  }

  /** Further hints of the event that gave way to tokens: the person is known by them from now on. */
  async #learn(
    unit: Unit,
    event: NormalizedEvent,
    treated: NormalizedEvent,
    entityType: string,
    owner: string,
  ): Promise<void> {
    const plain = event.hints[entityType] ?? {}
    const tokens = treated.hints[entityType] ?? {}
    const fresh: (HintKey & { readonly token: string })[] = []
    for (const [hintType, value] of Object.entries(plain)) {
      const token = tokens[hintType]
      if (token === undefined || token === value) continue
      const key = { entityType, hintType, value, token }
      if (this.#idOf(key) !== undefined) continue
      this.#sticky.set(this.#tokenKey(key), owner)
      fresh.push(key)
    }
    if (fresh.length === 0) return
    const { identity, mapping } = this.#engine.store
    await mapping.lock(unit, { wait: true })
    const found = await identity.lookup(unit, fresh)
    const asTokens = fresh.map(({ token, ...key }) => ({ ...key, value: token }))
    const before = await identity.lookup(unit, asTokens)
    const unknown: HintRow[] = []
    const known: (HintRow & { readonly token: string })[] = []
    for (const [index, { token, ...key }] of fresh.entries()) {
      const plainOwner = found[index]
      if (plainOwner !== undefined) known.push({ ...key, entityId: plainOwner, token })
      else {
        const tokenOwner = before[index]
        if (tokenOwner === undefined) unknown.push({ ...key, value: token, entityId: owner })
        known.push({ ...key, value: token, entityId: tokenOwner ?? owner, token })
      }
    }
    if (unknown.length > 0) await identity.insert(unit, unknown)
    await identity.redact(unit, known, true)
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
