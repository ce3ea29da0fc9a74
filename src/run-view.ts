/** Runs as programs read them, in JSON of the command line and of the HTTP API alike (spec 10 §7.2, §9). */
import type { RunEvent, RunRow } from './ports/runs.ts'

/** Names are stable within a major version. The pinned pipeline body stays in the database. */
export function runView(run: RunRow): Record<string, unknown> {
  return {
    run_id: run.runId,
    op: run.op,
    pipeline: run.pipeline,
    step: run.step,
    parent_run_id: run.parentRunId,
    retry_of: run.retryOf,
    idempotency_key: run.idempotencyKey,
    trigger: run.trigger,
    scheduled_for: run.scheduledFor,
    as_of: run.asOf,
    window_from: run.windowFrom,
    window_to: run.windowTo,
    version: run.version,
    definition_hash: run.definitionHash,
    package: run.package,
    mode: run.mode,
    from_seq: run.fromSeq,
    to_seq: run.toSeq,
    status: run.status,
    waiting_for: run.waitingFor,
    stats: run.stats,
    attempt: run.attempt,
    epoch: run.epoch,
    error: run.error,
    tags: run.tags,
    engine: run.engine,
    workflow_id: run.workflowId,
    cancel_reason: run.cancelReason,
    created_at: run.createdAt,
    started_at: run.startedAt,
    progress_at: run.progressAt,
    finished_at: run.finishedAt,
  }
}

export function eventView(event: RunEvent): Record<string, unknown> {
  return {
    run_id: event.runId,
    seq: event.seq,
    at: event.at,
    kind: event.kind,
    step: event.step,
    level: event.level,
    code: event.code,
    message: event.message,
    data: event.data,
  }
}
