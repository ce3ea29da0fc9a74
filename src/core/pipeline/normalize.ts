/** From the body of a pipeline to what runs read: defaults filled in, durations in milliseconds (spec 10 §3.1–3.8). */
import { hash } from 'node:crypto'
import { canonicalJson } from '../definition/canonical.ts'
import { instantFromText, parseDurationText } from '../instant.ts'
import { lagOf } from './assets.ts'
import { type AlertBody, type InputBody, isSqlCheck, type PipelineBody, type StepBody } from './body.ts'
import {
  type AlertRule,
  type AlertTarget,
  type CheckDef,
  type CsvOptions,
  type FreshnessRule,
  type Input,
  type OnError,
  type Pipeline,
  RETRY,
  type Retention,
  type RetryPolicy,
  type Schedule,
  type Step,
} from './model.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const ON_ERROR: OnError = { maxRatio: 0.01, maxCount: null, minRecords: 100, action: 'fail', deadLetters: 'table' }

/** `body` is read without errors; `raw` is it as written. */
export function normalizePipeline(name: string, body: PipelineBody, raw: unknown): Pipeline {
  const retry = retryOf(body.retry, RETRY)
  const timeoutMs = ms(body.timeout, 12 * HOUR)
  const inputs = Object.entries(body.inputs ?? {}).map(([input, given]) => inputOf(input, given))
  return {
    name,
    description: body.description ?? null,
    inputs,
    steps: stepsOf(body.steps, { retry, timeoutMs, inputs: inputs.map((input) => input.name) }),
    schedule: body.schedule ? scheduleOf(body.schedule) : null,
    asOf: instantOr(body.as_of, 'scheduled'),
    version: body.version ?? null,
    skipIfIdle: body.skip_if_idle ?? false,
    retry,
    timeoutMs,
    pool: body.concurrency?.pool ?? null,
    parallel: body.concurrency?.parallel ?? 1,
    retention: body.retention ? retentionOf(body.retention) : null,
    checks: Object.entries(body.checks ?? {}).map(([check, given]) => checkOf(check, given)),
    freshness: Object.entries(body.freshness ?? {}).map(([asset, given]) => freshnessOf(asset, given)),
    alerts: (body.alerts ?? []).map(alertOf),
    tags: body.tags ?? {},
    hash: hash('sha256', canonicalJson(raw)),
  }
}

function ms(text: string | null | undefined, otherwise: number): number {
  return (text === null || text === undefined ? null : parseDurationText(text))?.ms ?? otherwise
}

function retentionOf(given: NonNullable<PipelineBody['retention']>): Retention {
  return {
    hotDays: given.hot_days ?? null,
    hotRows: given.hot_rows ?? null,
    coldMs: given.cold ? ms(given.cold, 0) : null,
    coldTypes: given.cold_types ?? [],
    onlyStates: given.only_states ?? [],
  }
}

/** A word stays as it is, an instant becomes canonical. */
function instantOr<T extends string | null>(text: string | null | undefined, otherwise: T): string | T {
  return text === null || text === undefined ? otherwise : (instantFromText(text)?.toString() ?? text)
}

function retryOf(given: PipelineBody['retry'], otherwise: RetryPolicy): RetryPolicy {
  return {
    attempts: given?.attempts ?? otherwise.attempts,
    backoffMs: ms(given?.backoff, otherwise.backoffMs),
    factor: given?.factor ?? otherwise.factor,
    maxMs: ms(given?.max, otherwise.maxMs),
  }
}

function inputOf(name: string, body: InputBody): Input {
  const base = {
    name,
    source: body.source,
    batch: body.batch ?? 500,
    parallel: 1,
    required: body.required ?? false,
    onError: onErrorOf(body.on_error),
  }
  switch (body.kind) {
    case 'files':
      return { ...base, kind: 'files', path: body.path, ...readingOf(body), append: body.append ?? false }
    case 's3':
      return {
        ...base,
        kind: 's3',
        url: body.url,
        pattern: body.pattern ?? null,
        storage: storageOf(body.storage),
        ...readingOf(body),
      }
    case 'postgres':
      return {
        ...base,
        kind: 'postgres',
        database: body.database,
        query: body.query,
        cursor: body.cursor
          ? { column: body.cursor.column, initial: body.cursor.initial, overlapMs: ms(body.cursor.overlap, 0) }
          : null,
        window: body.window ?? null,
      }
    case 'inbox':
      return { ...base, kind: 'inbox' }
  }
}

function onErrorOf(given: InputBody['on_error']): OnError {
  return {
    maxRatio: given?.max_ratio ?? ON_ERROR.maxRatio,
    maxCount: given?.max_count ?? ON_ERROR.maxCount,
    minRecords: given?.min_records ?? ON_ERROR.minRecords,
    action: given?.action ?? ON_ERROR.action,
    deadLetters: given?.dead_letters ?? ON_ERROR.deadLetters,
  }
}

type Parted = Extract<InputBody, { kind: 'files' | 's3' }>
function readingOf(body: Parted) {
  const csv: CsvOptions = {
    delimiter: body.csv?.delimiter ?? ',',
    null: body.csv?.null ?? null,
    encoding: body.csv?.encoding ?? 'utf-8',
  }
  return {
    format: body.format ?? null,
    records: body.records ?? null,
    csv,
    settleMs: ms(body.settle, 30_000),
    after: body.after ?? 'keep',
    moveTo: body.move_to ?? null,
    parallel: body.parallel ?? 1,
    window: body.window ?? null,
  } as const
}

function storageOf(given: Extract<InputBody, { kind: 's3' }>['storage']): Readonly<Record<string, string>> {
  return {
    ...(given?.region ? { region: given.region } : {}),
    ...(given?.endpoint ? { endpoint: given.endpoint } : {}),
    ...(given?.path_style === null || given?.path_style === undefined
      ? {}
      : { pathStyle: given.path_style ? 'true' : 'false' }),
  }
}

/** Ids of steps as they are given, else the kind, then `kind_2`. */
export function stepIds(steps: readonly StepBody[]): string[] {
  const taken = new Set(steps.flatMap(({ body }) => (body.id ? [body.id] : [])))
  return steps.map(({ kind, body }) => {
    if (body.id) return body.id
    let id: string = kind
    for (let n = 2; taken.has(id); n++) id = `${kind}_${n}`
    taken.add(id)
    return id
  })
}

interface Defaults {
  readonly retry: RetryPolicy
  readonly timeoutMs: number
  readonly inputs: readonly string[]
}

function stepsOf(steps: readonly StepBody[], defaults: Defaults): Step[] {
  const ids = stepIds(steps)
  return steps.map((step, i) => {
    const { body } = step
    return stepOf(
      step,
      {
        id: ids[i]!,
        needs: body.needs ?? (i === 0 ? [] : [ids[i - 1]!]),
        when: body.when ?? 'success',
        retry: retryOf(body.retry, defaults.retry),
        timeoutMs: ms(body.timeout, defaults.timeoutMs),
      },
      defaults.inputs,
    )
  })
}

type StepBase = Pick<Step, 'id' | 'needs' | 'when' | 'retry' | 'timeoutMs'>
function stepOf(step: StepBody, base: StepBase, inputs: readonly string[]): Step {
  switch (step.kind) {
    case 'ingest':
      return { ...base, kind: 'ingest', inputs: step.body.inputs ?? inputs }
    case 'build': {
      const { version, full, from_raw } = step.body
      return { ...base, kind: 'build', version: version ?? null, full: full ?? false, fromRaw: from_raw ?? false }
    }
    case 'tick':
      return { ...base, kind: 'tick', asOf: instantOr(step.body.as_of, null) }
    case 'check':
      return { ...base, kind: 'check', only: step.body.only ?? [] }
    case 'flush':
      return { ...base, kind: 'flush', upTo: step.body.up_to ?? null }
    case 'prune':
      return { ...base, kind: 'prune', before: step.body.before ?? null }
    case 'maintain': {
      const { compact, vacuum, verify } = step.body
      return { ...base, kind: 'maintain', compact: compact ?? true, vacuum: vacuum ?? true, verify: verify ?? true }
    }
    case 'export': {
      const { to, format, types, relationships, history } = step.body
      const which = { types: types ?? [], relationships: relationships ?? true, history: history ?? false }
      return { ...base, kind: 'export', to, format: format ?? 'parquet', ...which }
    }
    case 'expire':
      return { ...base, kind: 'expire' }
    case 'erase_queue':
      return { ...base, kind: 'erase_queue', max: step.body.max ?? 100, maxWaitMs: ms(step.body.max_wait, HOUR) }
  }
}

export function scheduleOf(given: NonNullable<PipelineBody['schedule']>): Schedule {
  return {
    cron: given.cron?.trim() ?? null,
    everyMs: given.every ? ms(given.every, 0) : null,
    timezone: given.timezone ?? 'UTC',
    start: instantOr(given.start, null),
    end: instantOr(given.end, null),
    overlap: given.overlap ?? 'queue',
    missed: given.missed ?? 'last',
    windowMs: ms(given.window, 24 * HOUR),
    jitterMs: ms(given.jitter, 0),
  }
}

function checkOf(name: string, body: NonNullable<PipelineBody['checks']>[string]): CheckDef {
  const severity = body.severity ?? 'error'
  const base = {
    name,
    asset: body.asset ?? null,
    severity,
    blocking: body.blocking ?? severity === 'error',
    timeoutMs: ms(body.timeout, 10 * MINUTE),
  } as const
  if (isSqlCheck(body)) {
    return { ...base, kind: 'sql', sql: body.sql, expect: body.expect ?? null }
  }
  switch (body.kind) {
    case 'replay_consistent':
      return { ...base, kind: body.kind, sample: body.sample ?? 100 }
    case 'row_count':
      return {
        ...base,
        kind: body.kind,
        min: body.min ?? null,
        max: body.max ?? null,
        maxChange: body.max_change ?? 0.5,
      }
    case 'not_null':
    case 'unique':
      return { ...base, kind: body.kind, column: body.column }
    case 'accepted':
      return { ...base, kind: body.kind, column: body.column, values: body.values }
    case 'dead_letter_rate':
      return { ...base, kind: body.kind, max: body.max ?? 0.01 }
    case 'unresolved_rate':
      return { ...base, kind: body.kind, max: body.max ?? 0.05 }
    case 'merge_spike':
      return { ...base, kind: body.kind, factor: body.factor ?? 5, min: body.min ?? 20 }
    case 'pending_events':
    case 'inputs_held':
      return { ...base, kind: body.kind, max: body.max ?? 0 }
    case 'erasures_closed':
      return { ...base, kind: body.kind, olderThanMs: ms(body.older_than, 24 * HOUR) }
    case 'history_valid':
    case 'dangling_edges':
    case 'cold_complete':
    case 'fresh':
      return { ...base, kind: body.kind }
  }
}

function freshnessOf(asset: string, given: NonNullable<PipelineBody['freshness']>[string]): FreshnessRule {
  return {
    asset,
    warnMs: given.warn ? ms(given.warn, 0) : null,
    errorMs: given.error ? ms(given.error, 0) : null,
    of: given.of ?? lagOf(asset)[0] ?? 'build',
  }
}

function alertOf(given: AlertBody): AlertRule {
  return {
    on: given.on,
    to: targetOf(given.to),
    minSeverity: given.min_severity ?? 'warn',
    repeatMs: ms(given.repeat, 6 * HOUR),
  }
}

function targetOf(to: AlertBody['to']): AlertTarget {
  switch (to.kind) {
    case 'webhook':
      return { kind: 'webhook', url: to.body.url, headers: to.body.headers ?? {}, secret: to.body.secret ?? null }
    case 'cloudevents':
      return { kind: 'cloudevents', url: to.body.url }
    case 'file':
      return { kind: 'file', path: to.body.path }
  }
}
