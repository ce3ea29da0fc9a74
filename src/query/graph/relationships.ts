/** Relationship types as a graph knows them: their other names, and what their edges connect (spec 06 §9.2, 01 §2.7). */
import type { EdgeName } from '../../ports/graph.ts'
import type { QueryProgram } from '../root.ts'

/** Entity types at the ends of edges, from the declarations; several where entity types share a relationship type. */
export interface Ends {
  readonly sources: readonly string[]
  readonly targets: readonly string[]
}

const NONE: Ends = { sources: [], targets: [] }

export class Relationships {
  readonly #names = new Map<string, readonly EdgeName[]>()
  readonly #ends = new Map<string, { sources: string[]; targets: string[] }>()

  constructor({ definitions, layout }: QueryProgram) {
    for (const { type, inverses } of layout.relationships) {
      const others = inverses.filter((name) => layout.relationships.some((other) => other.type === name))
      const reversed = others.map((name): EdgeName => ({ type: name, reversed: true }))
      this.#names.set(type, [{ type, reversed: false }, ...reversed])
    }
    for (const [entityType, { relationships = [] }] of Object.entries(definitions.entities)) {
      for (const { type, target } of relationships) {
        const ends = this.#ends.get(type) ?? { sources: [], targets: [] }
        this.#ends.set(type, ends)
        if (!ends.sources.includes(entityType)) ends.sources.push(entityType)
        if (!ends.targets.includes(target)) ends.targets.push(target)
      }
    }
  }

  /** Names under which edges of the relationship may have been written, its own first. */
  namesOf(type: string): readonly EdgeName[] {
    return this.#names.get(type) ?? []
  }

  /** Every name under which edges of these relationships may have been written, once. */
  writtenAs(types: readonly string[]): readonly string[] {
    return [...new Set(types.flatMap((type) => this.namesOf(type).map((name) => name.type)))]
  }

  endsOf(type: string): Ends {
    return this.#ends.get(type) ?? NONE
  }
}
