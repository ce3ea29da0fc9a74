/** The public API (spec 09). */

export type { BuildCallOptions, EngineStats, IngestOptions, TickOptions } from './calls.ts'
export type { ColdLedgerOptions, ObjectStorage } from './cold-options.ts'
export type { ComplianceOptions } from './compliance.ts'
export { defineProject, type ProjectConfig, type ProjectSettings } from './config/define.ts'
export type { Certificate } from './core/certificate.ts'
export { type CertificateFinding, verifyCertificate } from './core/verify-certificate.ts'
export { readDeadLetters, settleDeadLetters } from './dead-letters.ts'
export { Defacto } from './defacto.ts'
export type { SourceName } from './definition-types.ts'
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
export { registerErasureTarget, type UserTarget } from './erasure-targets.ts'
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
export type { FrozenSubject } from './ports/erasure.ts'
export type { LogFormat, Logger, LogLevel, LogTarget } from './ports/logger.ts'
export type { ErasureRequest, Hold, RequestFilter, RequestKind, RequestStatus } from './ports/privacy.ts'
export type { Counters, RunEvent, RunOp, RunRow, RunStatus } from './ports/runs.ts'
export type {
  Advanced,
  EraseOptions,
  ErasureApi,
  ErasurePlan,
  HoldApi,
  HoldInput,
  LossDecision,
  RedactOptions,
  RequestInput,
  RequestView,
  SubjectInput,
} from './privacy.ts'
export * from './query-entry.ts'
export { type RawEvent, SourceRecord } from './records.ts'
export type * from './results.ts'
export type { Subject, SubjectIdentity, SubjectMerge } from './subject-export.ts'
export type { LedgerTiers, TierCallOptions, TierStatus } from './tiers.ts'
