/**
 * Ids of relationship targets while interpreting. Every target an event could relate to is looked up before folding and
 * an id is reserved for one never seen (spec 03 §6), so that folding itself is pure.
 */
import { type HintGroup, hintKey } from '../core/identity.ts'
import type { HintKey, HintRow, Unit } from '../ports/store.ts'
import type { Engine } from './engine.ts'
import { lookupHints } from './privacy/lookup.ts'

export type TargetLookup = (entityType: string, hints: Readonly<Record<string, string>>) => string | undefined

const MAX_CACHED = 200_000

export class Targets {
  readonly #engine: Engine
  readonly #ids = new Map<string, string>()
  /** Keys of ids reserved in the unit at hand. */
  readonly #reserved = new Set<string>()

  constructor(engine: Engine) {
    this.#engine = engine
  }

  /** To be called where a unit begins: what an earlier try of it reserved was rolled back. */
  begin(): void {
    for (const key of this.#reserved) this.#ids.delete(key)
    this.#reserved.clear()
  }

  /** To be called when the unit is committed. */
  committed(): void {
    this.#reserved.clear()
  }

  /** Makes `lookup` answer for all of these groups. */
  async prepare(unit: Unit, groups: readonly HintGroup[]): Promise<void> {
    if (this.#ids.size > MAX_CACHED) this.#ids.clear()
    const missing = new Map<string, HintKey>()
    for (const { entityType, hints } of groups) {
      for (const [hintType, value] of Object.entries(hints)) {
        const key = hintKey(entityType, hintType, value)
        if (!this.#ids.has(key)) missing.set(key, { entityType, hintType, value })
      }
    }
    if (!(await this.#find(unit, missing))) {
      // Under the mapping lock nobody else reserves; somebody may have, just before.
      await this.#engine.store.mapping.lock(unit, { wait: true })
      await this.#find(unit, missing)
      await this.#reserve(unit, groups)
    }
  }

  /** Looks up what is missing; true if nothing is any more. */
  async #find(unit: Unit, missing: Map<string, HintKey>): Promise<boolean> {
    if (missing.size === 0) return true
    const found = await lookupHints(this.#engine, unit, [...missing.values()])
    let index = 0
    for (const key of [...missing.keys()]) {
      const id = found[index++]
      if (id === undefined) continue
      this.#ids.set(key, id)
      missing.delete(key)
    }
    return missing.size === 0
  }

  async #reserve(unit: Unit, groups: readonly HintGroup[]): Promise<void> {
    const reserved: HintRow[] = []
    for (const { entityType, hints } of groups) {
      const entries = Object.entries(hints).map(([hintType, value]) => ({
        hintType,
        value,
        key: hintKey(entityType, hintType, value),
      }))
      const unknown = entries.filter((entry) => !this.#ids.has(entry.key))
      if (unknown.length === 0) continue
      const entityId = this.lookup(entityType, hints) ?? this.#engine.newId()
      for (const { hintType, value, key } of unknown) {
        this.#ids.set(key, entityId)
        this.#reserved.add(key)
        reserved.push({ entityType, hintType, value, entityId })
      }
    }
    if (reserved.length > 0) await this.#engine.store.identity.insert(unit, reserved)
  }

  /** The id of a prepared group: the smallest of its hints' ids, so that the answer does not depend on field order. */
  lookup: TargetLookup = (entityType, hints) => {
    let smallest: string | undefined
    for (const hintType in hints) {
      const id = this.#ids.get(hintKey(entityType, hintType, hints[hintType] as string))
      if (id !== undefined && (smallest === undefined || id < smallest)) smallest = id
    }
    return smallest
  }
}
