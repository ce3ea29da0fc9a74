/**
 * Steps along edges in the store (spec 06 §9.3): one statement for a whole set of entities, which goes along as one bound
 * value and meets the edges by their indexes.
 */
import type { GraphReadOptions } from '../../ports/graph.ts'
import { col, lit } from '../expression.ts'
import { filtered } from '../relation.ts'
import type { QueryRoot } from '../root.ts'
import { readAll } from '../run.ts'
import { type QueryContext, TableQuery } from '../table-query.ts'
import type { Term } from '../term.ts'
import type { Step } from './search.ts'

/** Ids that go into one statement. */
const AT_ONCE = 100_000

export class Edges {
  readonly #root: QueryRoot
  readonly #options: GraphReadOptions
  readonly #context: QueryContext

  constructor(root: QueryRoot, options: GraphReadOptions) {
    this.#root = root
    this.#options = options
    const { context } = root.relationships()
    this.#context = options.timeoutMs === undefined ? context : { ...context, timeoutMs: options.timeoutMs }
  }

  /** Edges of one relationship as its name means them, whichever name they were written with. */
  named(type: string): TableQuery {
    const { asOf } = this.#options
    return asOf === null ? this.#root.relationship(type) : this.#root.relationship(type, { history: true }).asOf(asOf)
  }

  /** Edges of these types as they were written; null: of all. */
  written(types: readonly string[] | null): TableQuery {
    const { asOf } = this.#options
    const all = asOf === null ? this.#root.relationships() : this.#root.relationships({ history: true }).asOf(asOf)
    return types === null ? all : all.filter({ relationship_type: types })
  }

  /** Rows of an entity type. */
  entities(type: string): TableQuery {
    const { asOf } = this.#options
    return asOf === null ? this.#root.table(type) : this.#root.history(type).asOf(asOf)
  }

  /** Every step from one of the ids, with repetitions; along the edges, or both ways. */
  async steps(ids: readonly string[], edges: TableQuery, directed: boolean): Promise<Step[]> {
    const along = edges.select({ from_id: col('source_id'), to_id: col('target_id') })
    const against = edges.select({ from_id: col('target_id'), to_id: col('source_id') })
    const found: Step[] = []
    for (let at = 0; at < ids.length; at += AT_ONCE) {
      const some = ids.slice(at, at + AT_ONCE)
      const of = (one: TableQuery): TableQuery => among(one, 'from_id', some)
      const rows = await this.read(directed ? of(along) : of(along).union(of(against)))
      for (const row of rows) found.push(row as unknown as Step)
    }
    return found
  }

  /** Which of the ids have a row of which of the types. */
  async typesOf(ids: readonly string[], types: readonly string[]): Promise<Map<string, string>> {
    const found = new Map<string, string>()
    const [first, ...rest] = types.map((type) => this.entities(type).select({ id: col(`${type}_id`), type: lit(type) }))
    if (first === undefined) return found
    const all = rest.reduce((union, query) => union.union(query), first)
    for (let at = 0; at < ids.length; at += AT_ONCE) {
      const rows = await this.read(among(all, 'id', ids.slice(at, at + AT_ONCE)))
      for (const [id, type] of rows as [string, string][]) found.set(id, type)
    }
    return found
  }

  async read(query: Pick<TableQuery, 'relation'>): Promise<readonly (readonly unknown[])[]> {
    const { signal } = this.#options
    return (await readAll(query.relation, this.#context, signal ? { signal } : {})).rows
  }
}

/** Rows whose column is one of the ids; they go along as one bound value. */
function among(query: TableQuery, column: string, ids: readonly string[]): TableQuery {
  const list = JSON.stringify(ids.map((id) => id.toWellFormed()))
  const args: Term[] = [
    { op: 'column', name: column, type: 'string' },
    { op: 'value', value: list, type: 'string' },
  ]
  const where: Term = { op: 'call', fn: 'among', args, type: 'boolean' }
  return new TableQuery(filtered(query.relation, where), query.context)
}
