/** Every step function by name, and which ones an operation is made of (spec 10 §4.2). */
import type { RunOp } from '../../ports/runs.ts'
import { runCheck } from '../checks/run.ts'
import type { StepFunction } from '../contract.ts'
import { finishInput } from '../ingest/finish.ts'
import { planInput } from '../ingest/plan.ts'
import { ingestPart } from '../ingest/read.ts'
import { buildChunks, planBuild, tickChunks } from './build.ts'
import { compactChunks, flushChunks, pruneChunks, pruneMetadata, vacuum, verifyCold } from './cold.ts'
import { exportTables } from './export.ts'
import { certify, eraseLocal, eraseStore, freeze, verifyErasure } from './privacy.ts'

export const STEPS: Readonly<Record<string, StepFunction>> = {
  planInput,
  ingestPart,
  finishInput,
  runCheck,
  planBuild,
  buildChunks,
  tickChunks,
  flushChunks,
  pruneChunks,
  compactChunks,
  vacuum,
  verifyCold,
  pruneMetadata,
  exportTables,
  freeze,
  eraseLocal,
  eraseStore,
  verifyErasure,
  certify,
}

const HOUR_MS = 3_600_000
/** How long calls may work of steps that begin anew when they are stopped, a little less than their activities; others 5 minutes. */
export const BUDGET_MS: Readonly<Record<string, number>> = {
  runCheck: 0.9 * HOUR_MS,
  exportTables: 0.9 * HOUR_MS,
  verifyCold: 3.9 * HOUR_MS,
  // One transaction.
  eraseLocal: 0.9 * HOUR_MS,
  eraseStore: 0.9 * HOUR_MS,
  verifyErasure: 0.9 * HOUR_MS,
  certify: 0.9 * HOUR_MS,
}

const ERASURE = ['freeze', 'eraseLocal', 'eraseStore', 'verifyErasure', 'certify'] as const

/** In this order, each as long as it says that there is more. Pipelines and backfills are made of runs (`nextStep`). */
export const CHUNKS: Readonly<Record<RunOp, readonly string[]>> = {
  pipeline: [],
  backfill: [],
  ingest: ['planInput', 'ingestPart', 'finishInput'],
  build: ['planBuild', 'buildChunks'],
  tick: ['tickChunks'],
  check: ['runCheck'],
  flush: ['flushChunks'],
  prune: ['pruneChunks'],
  maintain: ['compactChunks', 'vacuum', 'verifyCold', 'pruneMetadata'],
  export: ['exportTables'],
  expire: ERASURE,
  erase_queue: ERASURE,
  erase: ERASURE,
  redact: ERASURE,
}
