/** Columns of the run log's tables and how their values are stored (spec 10 §2). */
import { canonicalJson } from '../../core/definition/canonical.ts'
import type {
  AppliedPipeline,
  CheckResult,
  InboxRow,
  InputMark,
  Notification,
  RunEvent,
  RunRow,
  ScheduleTick,
} from '../../ports/runs.ts'
import type { LogParam, LogRow } from './run-log-database.ts'

/**
 * `key`: a text of the program; `text`: of people or inputs; `json`: any value; `equal`: JSON that is compared; `flag`:
 * true or false; `plain`: numbers and instants.
 */
type Kind = 'key' | 'text' | 'json' | 'equal' | 'flag' | 'plain'
type Fields<T> = { readonly [F in keyof T]-?: Kind }

/** A table whose columns are the fields of `T` in snake case, in the order given. */
export class Columns<T extends object> {
  readonly names: readonly string[]
  /** For a select list. */
  readonly list: string
  readonly #fields: readonly (readonly [keyof T & string, Kind])[]
  readonly #kinds: Fields<T>

  constructor(fields: Fields<T>) {
    this.#kinds = fields
    this.#fields = Object.entries(fields) as [keyof T & string, Kind][]
    this.names = this.#fields.map(([field]) => columnOf(field))
    this.list = this.names.join(', ')
  }

  of(row: LogRow): T {
    return Object.fromEntries(this.#fields.map(([field, kind], i) => [field, given(kind, row[i])])) as T
  }

  values(object: T): LogParam[] {
    return this.#fields.map(([field, kind]) => stored(kind, object[field]))
  }

  value<F extends keyof T & string>(field: F, value: T[F]): LogParam {
    return stored(this.#kinds[field], value)
  }

  column(field: keyof T & string): string {
    return columnOf(field)
  }

  /** The same columns of a table with an alias. */
  under(alias: string): string {
    return this.names.map((name) => `${alias}.${name}`).join(', ')
  }
}

/** Column of a field; the one that is a word of SQL is quoted. */
export function columnOf(field: string): string {
  const name = field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
  return name === 'check' ? '"check"' : name
}

/** Databases hold neither U+0000 nor half a surrogate pair in texts. */
export function plainText(text: string): string {
  return text.toWellFormed().replaceAll('\u0000', '\ufffd')
}

function stored(kind: Kind, value: unknown): LogParam {
  if (kind === 'json') return JSON.stringify(value ?? null)
  if (kind === 'equal') return canonicalJson(value)
  if (value === null || value === undefined) return null
  return kind === 'text' ? plainText(value as string) : (value as LogParam)
}

function given(kind: Kind, value: unknown): unknown {
  if (value === null || value === undefined) return null
  if (kind === 'json' || kind === 'equal') return JSON.parse(value as string)
  return kind === 'flag' ? Boolean(value) : value
}

export const RUN = new Columns<RunRow>({
  runId: 'key',
  op: 'key',
  pipeline: 'key',
  step: 'key',
  parentRunId: 'key',
  retryOf: 'key',
  idempotencyKey: 'text',
  requestHash: 'key',
  trigger: 'key',
  scheduledFor: 'plain',
  asOf: 'plain',
  windowFrom: 'plain',
  windowTo: 'plain',
  version: 'key',
  definitionHash: 'key',
  package: 'key',
  mode: 'key',
  input: 'json',
  cursor: 'json',
  fromSeq: 'plain',
  toSeq: 'plain',
  headAtRequest: 'plain',
  status: 'key',
  waitingFor: 'key',
  stats: 'json',
  attempt: 'plain',
  epoch: 'plain',
  errorCode: 'key',
  error: 'json',
  tags: 'json',
  engine: 'key',
  workflowId: 'key',
  traceparent: 'key',
  cancelReason: 'text',
  createdAt: 'plain',
  startedAt: 'plain',
  progressAt: 'plain',
  finishedAt: 'plain',
})

export const EVENT = new Columns<RunEvent>({
  runId: 'key',
  seq: 'plain',
  at: 'plain',
  kind: 'key',
  step: 'key',
  level: 'key',
  code: 'key',
  message: 'text',
  data: 'json',
})

export const TICK = new Columns<ScheduleTick>({
  pipeline: 'key',
  scheduledFor: 'plain',
  decidedAt: 'plain',
  outcome: 'key',
  runId: 'key',
  reason: 'text',
})

export const PIPELINE = new Columns<AppliedPipeline>({
  name: 'key',
  body: 'json',
  pipelineHash: 'key',
  pausedReason: 'text',
  appliedAt: 'plain',
})

export const MARK = new Columns<InputMark>({
  pipeline: 'key',
  input: 'key',
  part: 'key',
  fingerprint: 'key',
  position: 'equal',
  state: 'key',
  recordsRead: 'plain',
  ingested: 'plain',
  duplicates: 'plain',
  failed: 'plain',
  runId: 'key',
  updatedAt: 'plain',
})

/** `raw` is a JSON text, so that what somebody pushed comes back as it was. */
export const INBOX = new Columns<InboxRow>({
  batchId: 'key',
  line: 'plain',
  source: 'key',
  raw: 'json',
  receivedAt: 'plain',
})

export const CHECK = new Columns<CheckResult>({
  runId: 'key',
  check: 'key',
  asset: 'key',
  severity: 'key',
  blocking: 'flag',
  passed: 'flag',
  value: 'plain',
  sampleIds: 'json',
  message: 'text',
  at: 'plain',
})

export const NOTIFICATION = new Columns<Notification>({
  id: 'key',
  kind: 'key',
  subject: 'key',
  target: 'json',
  payload: 'json',
  status: 'key',
  attempts: 'plain',
  createdAt: 'plain',
  availableAt: 'plain',
  leaseToken: 'key',
})
