/** Small runs, marks and letters for the contract of the run log. */
import type {
  CheckResult,
  InboxRow,
  InputMark,
  NewNotification,
  NewRun,
  RunFence,
  RunLog,
  RunRow,
  ScheduleTick,
} from '../../ports/runs.ts'
import type { EventFailure } from '../../results.ts'
import { at } from './fixtures.ts'

/** Minute `n` of a day. */
export function minute(n: number): string {
  return at(`2024-06-01T12:${String(n).padStart(2, '0')}:00Z`).toString()
}

/** Text that is difficult to store: every kind of escape, letters outside the basic plane, half a pair, U+0000. */
export const ODD = 'a\u0000b \ud800 "\\\n\u2028 Grüße 🦉 \u{10ffff}'

export function newRun(runId: string, options: Partial<NewRun> = {}): NewRun {
  return { runId, op: 'build', requestHash: 'h1', trigger: 'manual', package: '1.0.0', engine: 'local', ...options }
}

/** A run with its first attempt begun. */
export async function begun(log: RunLog, runId: string, options: Partial<NewRun> = {}): Promise<RunRow> {
  await log.runs.create(newRun(runId, options), minute(0))
  return log.runs.begin(runId, minute(1))
}

export function fenceOf({ runId, epoch }: RunRow): RunFence {
  return { runId, epoch }
}

export function tick(scheduledFor: string, options: Partial<ScheduleTick> = {}): ScheduleTick {
  return {
    pipeline: 'nightly',
    scheduledFor,
    decidedAt: scheduledFor,
    outcome: 'started',
    runId: null,
    reason: null,
    ...options,
  }
}

export function mark(part: string, options: Partial<InputMark> = {}): InputMark {
  return {
    pipeline: 'nightly',
    input: 'files',
    part,
    fingerprint: 'f1',
    position: null,
    state: 'open',
    recordsRead: 0,
    ingested: 0,
    duplicates: 0,
    failed: 0,
    runId: null,
    updatedAt: minute(1),
    ...options,
  }
}

export function pushed(batchId: string, line: number, options: Partial<InboxRow> = {}): InboxRow {
  return { batchId, line, source: 'kiosk', raw: `{"n":${line}}`, receivedAt: minute(1), ...options }
}

export function letter(options: Partial<EventFailure> = {}): EventFailure {
  return {
    raw: { id: 1 },
    error: 'not a number',
    stage: 'normalization',
    source: 'kiosk',
    handler: null,
    field: null,
    entityId: null,
    entityType: null,
    eventId: null,
    eventType: null,
    sequence: null,
    version: null,
    at: minute(1),
    recoverable: false,
    origin: null,
    ...options,
  }
}

export function result(check: string, options: Partial<CheckResult> = {}): CheckResult {
  return {
    runId: 'r_1',
    check,
    asset: 'entity/member',
    severity: 'error',
    blocking: true,
    passed: true,
    value: null,
    sampleIds: [],
    message: null,
    at: minute(1),
    ...options,
  }
}

export function notification(id: string, options: Partial<NewNotification> = {}): NewNotification {
  return {
    id,
    kind: 'failure',
    subject: 'run/r_1',
    target: { kind: 'file', path: 'alerts.jsonl' },
    payload: { id },
    availableAt: minute(1),
    ...options,
  }
}
