/** Several queries together (spec 06 §2, §7); exports are built on it. */
import { didYouMean } from '../core/spelling.ts'
import { NotFoundError } from '../errors.ts'
import type { AnyRow } from './row-types.ts'
import type { TableQuery } from './table-query.ts'

/** The entry points a collection is made from. */
export interface CollectionSource {
  table(type: string): TableQuery
  history(type: string): TableQuery
  relationship(type: string, options?: { history?: boolean }): TableQuery
}

/** `[name, query]` pairs: entity types under their own name, relationships as `rel_{type}`. */
export class TableCollection implements Iterable<[string, TableQuery]> {
  readonly #source: CollectionSource
  readonly #types: readonly string[]
  readonly #edges: readonly string[]
  readonly #queries: ReadonlyMap<string, TableQuery>

  constructor(source: CollectionSource, types: readonly string[], edges: readonly string[], history = false) {
    this.#source = source
    this.#types = types
    this.#edges = edges
    this.#queries = new Map([
      ...types.map((type): [string, TableQuery] => [type, history ? source.history(type) : source.table(type)]),
      ...edges.map((edge): [string, TableQuery] => [`rel_${edge}`, source.relationship(edge, { history })]),
    ])
  }

  get size(): number {
    return this.#queries.size
  }

  has(name: string): boolean {
    return this.#queries.has(name)
  }

  /** Throws `NotFoundError` naming what the collection holds. */
  get(name: string): TableQuery {
    const query = this.#queries.get(name)
    if (query !== undefined) return query
    const names = [...this.#queries.keys()]
    throw new NotFoundError(`No '${name}' in this collection${didYouMean(name, names)}. It holds: ${names.join(', ')}`)
  }

  [Symbol.iterator](): Iterator<[string, TableQuery]> {
    return this.#queries.entries()
  }

  /** The same types with all their rows. */
  history(): TableCollection {
    return new TableCollection(this.#source, this.#types, this.#edges, true)
  }

  /** `{name: rows}`. */
  async toRows(): Promise<Record<string, AnyRow[]>> {
    const out: [string, AnyRow[]][] = []
    for (const [name, query] of this) out.push([name, await query.rows()])
    return Object.fromEntries(out)
  }
}
