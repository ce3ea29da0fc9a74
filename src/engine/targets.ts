/**
 * Ids of relationship targets while interpreting. Every target an event could relate to is looked up before folding and
 * an id is reserved for one never seen (spec 03 §6), so that folding itself is pure.
 */
import { type HintGroup, hintKey } from '../core/identity.ts'
import type { HintKey, HintRow, Unit } from '../ports/store.ts'
import type { Engine } from './engine.ts'

export type TargetLookup = (entityType: string, hints: Readonly<Record<string, string>>) => string | undefined

const MAX_CACHED = 200_000

export class Targets {
  readonly #engine: Engine
  readonly #ids = new Map<string, string>()

  constructor(engine: Engine) {
    this.#engine = engine
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
    if (missing.size === 0) return
    const found = await this.#engine.store.identity.lookup(unit, [...missing.values()])
    let index = 0
    for (const key of missing.keys()) {
      const id = found[index++]
      if (id !== undefined) this.#ids.set(key, id)
    }
    await this.#reserve(unit, groups)
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
