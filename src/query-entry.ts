/** `defacto/query`: reading a history store without the engine (spec 06 §10, 09 §1). */
export type { DefinitionsInput, EntityName, HistoryRow, Row } from './definition-types.ts'
export * from './errors.ts'
export type { ExportFormat, ExportProgress, ExportRecord, WriteOptions } from './ports/exports.ts'
export type { Queries } from './queries.ts'
export type { TableCollection } from './query/collection.ts'
export type { GraphEdge, GraphJson, GraphNode, NodeLinkGraph, NodeLinkOptions } from './query/export/graph-json.ts'
export type { GraphExportOptions } from './query/export/graph-rows.ts'
export type { Neo4jExportOptions } from './query/export/neo4j.ts'
export {
  and,
  asc,
  avg,
  caseWhen,
  col,
  count,
  countDistinct,
  desc,
  Expr,
  first,
  lag,
  last,
  lead,
  lit,
  max,
  min,
  not,
  or,
  rank,
  rowNumber,
  sql,
  sum,
} from './query/expression.ts'
export type {
  CentralityOptions,
  CommunityOptions,
  CommunityRow,
  ComponentRow,
  ScoreRow,
  SimilarOptions,
} from './query/graph/analytics.ts'
export type {
  Graph,
  NeighborRow,
  NeighborsOptions,
  PathGraphOptions,
  RelatedOptions,
  TraverseGraphOptions,
  TraverseRow,
} from './query/graph/graph.ts'
export type { QueryRoot } from './query/root.ts'
export type { GroupedQuery, TableQuery } from './query/table-query.ts'
export { type ConnectQueryOptions, DefactoQuery } from './query-handle.ts'
