/** The public API (spec 09). */

export type { BuildCallOptions, EngineStats, IngestOptions, TickOptions } from './calls.ts'
export type { ColdLedgerOptions, ObjectStorage } from './cold-options.ts'
export { defineProject, type ProjectConfig, type ProjectSettings } from './config/define.ts'
export { readDeadLetters, settleDeadLetters } from './dead-letters.ts'
export { Defacto } from './defacto.ts'
export type { DefinitionsInput, EntityName, HistoryRow, Row, SourceName } from './definition-types.ts'
export {
  Definitions,
  defineDefinitions,
  Effect,
  Entity,
  Handler,
  Identity,
  Property,
  Relationship,
  Schema,
  Source,
  State,
  TimeRule,
  validateDefinitions,
} from './definitions.ts'
export * from './errors.ts'
export type { LedgerEventView } from './inspection.ts'
export type { DefactoOptions, FileDeadLetterOptions, TableDeadLetterOptions } from './options.ts'
export { type CheckAnswer, type CheckContext, type CheckDefinition, check } from './orchestration/checks/code.ts'
export {
  type BackfillSpec,
  type ConnectOptions,
  type OpInput,
  Orchestrator,
  type Progress,
  RunCancelled,
  RunHandle,
  type RunInfo,
  RunTimeout,
  type ScheduleDiff,
  type ScheduleInfo,
  type SubmitOptions,
} from './orchestrator.ts'
export type { DeadLetterEntry, DeadLetterSink } from './ports/dead-letter.ts'
export type { ExportFormat, ExportProgress, ExportRecord, WriteOptions } from './ports/exports.ts'
export type { LogFormat, Logger, LogLevel, LogTarget } from './ports/logger.ts'
export type { Counters, RunEvent, RunOp, RunRow, RunStatus } from './ports/runs.ts'
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
export { type RawEvent, SourceRecord } from './records.ts'
export type * from './results.ts'
export type { LedgerTiers, TierCallOptions, TierStatus } from './tiers.ts'
