/** Collections as graphs in Neo4j, all tables of one snapshot of the store (spec 06 §7.1). */
import { ConfigError, QueryError } from '../../errors.ts'
import type { ExportedEdges, ExportRecord, Neo4jOptions } from '../../ports/exports.ts'
import type { Relationships } from '../graph/relationships.ts'
import type { TableQuery } from '../table-query.ts'
import { exportsOf } from './access.ts'
import { maskedAddress } from './place.ts'
import { recorded } from './record.ts'
import { type NamedQuery, withTables } from './tables.ts'

export interface Neo4jExportOptions extends Neo4jOptions {
  /** Whose nodes and edges they are called there; default: this space, by the id it was given when it was made. */
  readonly space?: string
}

/** What a collection says of itself to those who write it to a graph database. */
export interface WrittenTables {
  readonly source: {
    table(type: string): TableQuery
    /** Current edges that were written under this name, with their properties. */
    written(type: string): TableQuery
    declared(): Relationships
  }
  readonly types: readonly string[]
  /** One name of each relationship. */
  readonly relationships: readonly string[]
  readonly history: boolean
}

export async function exportNeo4j(
  { source, ...tables }: WrittenTables,
  url: string,
  { space: named, ...options }: Neo4jExportOptions = {},
): Promise<ExportRecord> {
  const [firstType] = tables.types
  if (firstType === undefined) throw step('the collection has no entity types')
  if (tables.history) throw step('Neo4j holds the graph as it is; call it on tables(), without history()')
  const access = exportsOf(source.table(firstType).context)
  const space = named ?? access.space
  if (space === null || space === '') {
    throw new ConfigError(
      "this handle does not know which space it reads: name it in the option 'space', the same each time",
    )
  }
  const declared = source.declared()
  const nodes = tables.types.map((type): NamedQuery => ({ name: type, query: source.table(type) }))
  const names = declared.writtenAs(tables.relationships)
  const edges = names.map((type): NamedQuery => ({ name: type, query: source.written(type) }))
  const what = {
    path: maskedAddress(url),
    format: 'neo4j',
    entityTypes: access.typesIn(nodes.map(({ query }) => query.relation)),
    inParts: true,
  } as const
  const at = access.now().toString()
  return recorded(access, what, () =>
    withTables([...nodes, ...edges], options, (read) =>
      access.writers.neo4j(
        url,
        {
          space,
          version: access.version,
          at,
          ...access.types(),
          nodes: read.slice(0, nodes.length).map((table) => ({ type: table.name, table })),
          edges: read
            .slice(nodes.length)
            .map((table): ExportedEdges => ({ type: table.name, ...declared.endsOf(table.name), table })),
        },
        options,
      ),
    ),
  )
}

function step(message: string): QueryError {
  return new QueryError(`toNeo4j: ${message}`, { code: 'E_QUERY_STEP', details: { step: 'toNeo4j' } })
}
