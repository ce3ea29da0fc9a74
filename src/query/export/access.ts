/** What exports of one version need besides its queries (spec 06 §7, 05 §4.5). */
import { canonicalJson } from '../../core/definition/canonical.ts'
import type { Instant } from '../../core/instant.ts'
import { QueryError } from '../../errors.ts'
import type { ExportLog, ExportWriters, StoredVersion } from '../../ports/exports.ts'
import { Relationships } from '../graph/relationships.ts'
import type { Relation, TableName } from '../relation.ts'
import type { QueryProgram } from '../root.ts'
import type { QueryContext } from '../table-query.ts'

/** Where exports go, as the composition root gives it. */
export interface ExportPlaces {
  readonly writers: ExportWriters
  /** Null: a handle that may not write to the space; its exports are not recorded. */
  readonly log: ExportLog | null
  /** Id of the space; left out where the handle does not know it. */
  readonly space?: string
  now(): Instant
}

export class ExportAccess {
  readonly writers: ExportWriters
  readonly log: ExportLog | null
  readonly version: string
  readonly #places: ExportPlaces
  readonly #program: QueryProgram
  /** Made when something is exported: most queries never are. */
  #relationships: Relationships | null = null

  constructor(places: ExportPlaces, program: QueryProgram, version: string) {
    this.writers = places.writers
    this.log = places.log
    this.version = version
    this.#places = places
    this.#program = program
  }

  now(): Instant {
    return this.#places.now()
  }

  get space(): string | null {
    return this.#places.space ?? null
  }

  get #types(): readonly string[] {
    return this.#program.layout.entities.map(({ type }) => type)
  }

  /** All types of the version. */
  types(): { readonly entityTypes: readonly string[]; readonly relationshipTypes: readonly string[] } {
    const relationshipTypes = this.#program.layout.relationships.map(({ type }) => type)
    return { entityTypes: this.#types, relationshipTypes }
  }

  /** The version as a file of histories describes it. */
  stored(namespace: string): StoredVersion {
    const { definitions, layout } = this.#program
    return { namespace, version: this.version, layout, definitions: canonicalJson(definitions) }
  }

  /** Entity types whose data may be in the results, in the order of the definitions. Edges hold the ids of both ends. */
  typesIn(relations: readonly Relation[]): string[] {
    const found = new Set(relations.flatMap((relation) => this.#typesOf(relation)))
    return this.#types.filter((type) => found.has(type))
  }

  #typesOf(relation: Relation): readonly string[] {
    switch (relation.kind) {
      case 'table':
        return this.#typesBehind(relation.table)
      case 'raw': {
        // Of a text that was not checked nobody knows what it reads.
        if (relation.columns === null) return this.#types
        return relation.parts.flatMap((part) =>
          typeof part === 'object' && 'table' in part ? this.#typesBehind(part.table) : [],
        )
      }
      case 'deferred':
      case 'loaded':
        // Results of graph searches name entities of any type.
        return this.#types
      case 'merged':
        return [relation.base, relation.input].flatMap((input) => this.#typesOf(input))
      case 'join':
      case 'union':
        return [relation.left, relation.right].flatMap((side) => this.#typesOf(side))
      default:
        return this.#typesOf(relation.input)
    }
  }

  #typesBehind(table: TableName): readonly string[] {
    if (table.kind === 'history') return [table.name]
    if (table.kind === 'relationships') return this.#types
    this.#relationships ??= new Relationships(this.#program)
    const { sources, targets } = this.#relationships.endsOf(table.name)
    return [...sources, ...targets]
  }
}

/** @throws QueryError for queries that were made without a place to write to */
export function exportsOf({ exports }: QueryContext): ExportAccess {
  if (exports !== undefined) return exports
  throw new QueryError('these queries have no writers; open the space with Defacto or DefactoQuery to export', {
    code: 'E_QUERY_STEP',
  })
}
