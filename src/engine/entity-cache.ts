/**
 * Entities a process has in memory between chunks and passes, bounded. An entry is only as good as the slot: whoever
 * takes a slot calls `validFor` with its epoch, and if anybody else held the slot in between the cache is emptied.
 */
import type { EntityState } from '../core/snapshot.ts'

export interface CachedEntity {
  readonly state: EntityState
  readonly generation: number
  readonly revision: number
  /** Whether `state.edges` holds the open edges (they are loaded only when an event may relate). */
  readonly edgesLoaded: boolean
}

const MAX_ENTITIES = 50_000

export class EntityCache {
  readonly #entities = new Map<string, CachedEntity>()
  #epoch = -1

  /** Declares the epoch now held; drops everything unless it directly follows the last one. */
  validFor(epoch: number): void {
    if (epoch !== this.#epoch && epoch !== this.#epoch + 1) this.#entities.clear()
    this.#epoch = epoch
  }

  get(id: string): CachedEntity | undefined {
    return this.#entities.get(id)
  }

  /** Call only after the unit of work that wrote these entities has committed. */
  put(id: string, entity: CachedEntity): void {
    this.#entities.delete(id)
    this.#entities.set(id, entity)
    if (this.#entities.size > MAX_ENTITIES) {
      const oldest = this.#entities.keys().next()
      if (!oldest.done) this.#entities.delete(oldest.value)
    }
  }

  /** Edges to these entities point elsewhere now: whoever has one reads its edges anew. */
  forgetEdgesTo(ids: ReadonlySet<string>): void {
    for (const [id, entity] of this.#entities) {
      if (entity.state.edges.some((edge) => ids.has(edge.targetId))) {
        this.#entities.set(id, { ...entity, edgesLoaded: false })
      }
    }
  }

  delete(id: string): void {
    this.#entities.delete(id)
  }

  clear(): void {
    this.#entities.clear()
  }
}
