/** Runs and their events (spec 10 §2). The row of a run is the fence of its attempts. */
import { ConflictError, Fenced, NotFoundError } from '../../errors.ts'
import {
  type Counters,
  type Json,
  type NewNotification,
  type NewRun,
  type NewRunEvent,
  RUN_ENDED,
  type RunChange,
  type RunEvent,
  type RunEventKind,
  type RunFence,
  type RunFilter,
  type RunPort,
  type RunRow,
  type RunStatus,
} from '../../ports/runs.ts'
import type { Tx, Unit } from '../../ports/store.ts'
import { columnOf, EVENT, plainText, RUN } from './run-log-columns.ts'
import type { LogDatabase, LogParam } from './run-log-database.ts'
import { type Ages, removeOld } from './run-log-expire.ts'
import type { LoggedNotifications } from './run-log-notifications.ts'

const PLACES = RUN.names.map((_, i) => `$${i + 1}`).join(', ')
const GOING: readonly RunStatus[] = ['queued', 'waiting', 'running']
const UNSTARTED = { attempt: 0, epoch: 0, errorCode: null, error: null, startedAt: null, progressAt: null }

/** What a run has that nobody said anything about. */
const ABSENT: Omit<RunRow, keyof typeof UNSTARTED | 'finishedAt' | 'createdAt'> = {
  runId: '',
  op: 'build',
  pipeline: null,
  step: null,
  parentRunId: null,
  retryOf: null,
  idempotencyKey: null,
  requestHash: '',
  trigger: 'manual',
  scheduledFor: null,
  asOf: null,
  windowFrom: null,
  windowTo: null,
  version: null,
  definitionHash: null,
  package: '',
  mode: null,
  input: null,
  cursor: null,
  fromSeq: null,
  toSeq: null,
  headAtRequest: null,
  status: 'queued',
  waitingFor: null,
  stats: {},
  tags: {},
  engine: 'local',
  workflowId: null,
  traceparent: null,
  cancelReason: null,
}

export class LoggedRuns implements RunPort {
  readonly #database: LogDatabase
  readonly #notifications: LoggedNotifications
  readonly #runs: string
  readonly #events: string

  constructor(database: LogDatabase, notifications: LoggedNotifications) {
    this.#database = database
    this.#notifications = notifications
    this.#runs = database.table('runs')
    this.#events = database.table('run_events')
  }

  async create(run: NewRun, at: string): Promise<{ run: RunRow; created: boolean }> {
    return this.#database.transaction((tx) => this.createIn(tx, run, at))
  }

  /** `create` inside a transaction. */
  async createIn(tx: Tx, given: NewRun, at: string): Promise<{ run: RunRow; created: boolean }> {
    const run = asQueued(given, at)
    // Waits for another one that stores the same key or id; what it stored is then found by the next statement.
    const [inserted] = await this.#database.query(
      tx,
      'runs.create',
      `insert into ${this.#runs} (${RUN.list}) values (${PLACES}) on conflict do nothing returning ${RUN.list}`,
      RUN.values(run),
    )
    if (inserted !== undefined) return { run: RUN.of(inserted), created: true }
    const found = await this.#database.query(
      tx,
      'runs.create',
      `select ${RUN.list} from ${this.#runs} where run_id = $1 or idempotency_key = $2`,
      [run.runId, RUN.value('idempotencyKey', run.idempotencyKey)],
    )
    const rows = found.map((row) => RUN.of(row))
    const first = rows.find(({ runId }) => runId === run.runId) ?? rows[0]
    if (first === undefined) throw new ConflictError(`run '${run.runId}' cannot be stored; try again`)
    if (first.runId !== run.runId && first.requestHash !== run.requestHash) {
      throw new ConflictError(
        `the idempotency key of this request belongs to run '${first.runId}', which asked for something else; use another key`,
        { details: { runId: first.runId } },
      )
    }
    return { run: first, created: false }
  }

  async get(runId: string): Promise<RunRow | undefined> {
    const [row] = await this.#select(null, 'runs.get', 'where run_id = $1', [runId])
    return row
  }

  async list(filter: RunFilter = {}): Promise<RunRow[]> {
    const params: LogParam[] = []
    const bind = (value: LogParam): string => `$${params.push(value)}`
    const conditions = ['1 = 1']
    const { status, op, pipeline, parentRunId, tags, since, limit } = filter
    if (status !== undefined) conditions.push(this.#database.among('status', bind(status)))
    if (op !== undefined) conditions.push(this.#database.among('op', bind(op)))
    if (pipeline !== undefined) conditions.push(`pipeline = ${bind(pipeline)}`)
    if (parentRunId === null) conditions.push('parent_run_id is null')
    else if (parentRunId !== undefined) conditions.push(`parent_run_id = ${bind(parentRunId)}`)
    if (since !== undefined) conditions.push(`created_at >= ${bind(since)}`)
    for (const [key, value] of Object.entries(plainTags(tags ?? {}))) {
      conditions.push(this.#database.hasMember('tags', bind(key), bind(value)))
    }
    const end = limit === undefined ? '' : `limit ${bind(limit)}`
    const order = `order by created_at desc, ordinal desc ${end}`
    return this.#select(null, 'runs.list', `where ${conditions.join(' and ')} ${order}`, params)
  }

  async children(runId: string): Promise<RunRow[]> {
    return this.#select(null, 'runs.children', 'where parent_run_id = $1 order by ordinal', [runId])
  }

  /** Runs of the pipeline that have not ended, oldest first; without its steps. */
  async activeOf(tx: Tx, pipeline: string): Promise<RunRow[]> {
    return this.#select(
      tx,
      'schedules.decide',
      `where pipeline = $1 and step is null and ${this.#database.among('status', '$2')} order by ordinal`,
      [pipeline, GOING],
    )
  }

  async begin(runId: string, at: string): Promise<RunRow> {
    const database = this.#database
    return database.transaction(async (tx) => {
      // Waits for the chunk that an earlier attempt has open (`advance`), which is the last one it commits.
      const [row] = await database.query(
        tx,
        'runs.begin',
        `update ${this.#runs} set epoch = epoch + 1, attempt = attempt + 1, status = 'running', waiting_for = null,
          started_at = coalesce(started_at, $2) where run_id = $1 and ${database.among('status', '$3')}
          returning ${RUN.list}`,
        [runId, at, GOING],
      )
      if (row !== undefined) return RUN.of(row)
      const [ended] = await this.#select(tx, 'runs.begin', 'where run_id = $1', [runId])
      if (ended === undefined) throw new NotFoundError(`there is no run '${runId}'`)
      return ended
    })
  }

  async advance(unit: Unit, fence: RunFence, change: { at: string; cursor?: Json; add?: Counters }): Promise<void> {
    const { runId, epoch } = fence
    const params: LogParam[] = [runId, epoch, change.at]
    let sets = 'progress_at = $3, attempt = 0'
    if (change.cursor !== undefined) {
      sets += `, cursor = $${params.push(RUN.value('cursor', change.cursor))}`
    }
    if (change.add !== undefined) {
      sets += `, stats = ${this.#database.added('stats', `$${params.push(RUN.value('stats', change.add))}`)}`
    }
    // Holds the row to the end of the unit: a later attempt begins after it, an earlier one finds another epoch.
    const changed = await this.#database.execute(
      unit.tx,
      'runs.advance',
      `update ${this.#runs} set ${sets} where run_id = $1 and epoch = $2 and status = 'running'`,
      params,
    )
    if (changed === 1) return
    const [now] = await this.#select(unit.tx, 'runs.advance', 'where run_id = $1', [runId])
    const state = now === undefined ? 'is gone' : `is ${now.status} in attempt ${now.epoch}`
    throw new Fenced(`run '${runId}' ${state}, this is attempt ${epoch}; nothing was written`, {
      details: { runId, epoch, current: now?.epoch ?? null, status: now?.status ?? null },
    })
  }

  async change(
    runId: string,
    change: RunChange,
    options: {
      at: string
      from?: readonly RunStatus[]
      epoch?: number
      events?: readonly NewRunEvent[]
      notifications?: readonly NewNotification[]
    },
  ): Promise<RunRow | null> {
    const { at, from, epoch, events = [], notifications = [] } = options
    const params: LogParam[] = [runId]
    const bind = (value: LogParam): string => `$${params.push(value)}`
    const sets = ['run_id = run_id']
    for (const [field, value] of Object.entries(change) as [keyof RunChange & string, never][]) {
      if (value === undefined) continue
      sets.push(`${columnOf(field)} = ${bind(RUN.value(field, value))}`)
      if (field === 'error') sets.push(`error_code = ${bind(change.error?.code ?? null)}`)
    }
    const conditions = ['run_id = $1']
    if (from !== undefined) conditions.push(this.#database.among('status', bind(from)))
    if (epoch !== undefined) conditions.push(`epoch = ${bind(epoch)}`)
    const sql = `update ${this.#runs} set ${sets.join(', ')} where ${conditions.join(' and ')} returning ${RUN.list}`
    return this.#database.transaction(async (tx) => {
      const [row] = await this.#database.query(tx, 'runs.change', sql, params)
      if (row === undefined) return null
      await this.#append(tx, runId, at, events)
      await this.#notifications.enqueueIn(tx, notifications, at)
      return RUN.of(row)
    })
  }

  async log(runId: string, at: string, events: readonly NewRunEvent[]): Promise<void> {
    if (events.length === 0) return
    await this.#database.transaction((tx) => this.#append(tx, runId, at, events))
  }

  async events(
    runId: string,
    options: { after?: number; limit?: number; kinds?: readonly RunEventKind[] } = {},
  ): Promise<RunEvent[]> {
    const { after = 0, limit, kinds } = options
    const params: LogParam[] = [runId, after]
    const kind = kinds === undefined ? '' : `and ${this.#database.among('kind', `$${params.push(kinds)}`)}`
    const end = limit === undefined ? '' : `limit $${params.push(limit)}`
    const rows = await this.#database.query(
      null,
      'runs.events',
      `select ${EVENT.list} from ${this.#events} where run_id = $1 and seq > $2 ${kind} order by seq ${end}`,
      params,
    )
    return rows.map((row) => EVENT.of(row))
  }

  async expire(before: Ages): Promise<number> {
    return this.#database.transaction((tx) => removeOld(this.#database, tx, before))
  }

  /** Numbers follow each other without gaps, whoever writes; not by the run's row, which an open chunk may hold for long. */
  async #append(tx: Tx, runId: string, at: string, events: readonly NewRunEvent[]): Promise<void> {
    if (events.length === 0) return
    const database = this.#database
    await database.exclusive(tx, 'runs.log', `events/${runId}`)
    const [last] = await database.query(
      tx,
      'runs.log',
      `select coalesce(max(seq), 0) from ${this.#events} where run_id = $1`,
      [runId],
    )
    const first = (last?.[0] as number) + 1
    const rows = events.map((event, i) =>
      EVENT.values({ step: null, level: 'info', code: null, data: null, ...event, runId, at, seq: first + i }),
    )
    await database.insert(tx, 'runs.log', { table: this.#events, columns: EVENT.names }, rows)
  }

  async #select(tx: Tx | null, operation: string, rest: string, params: readonly LogParam[]): Promise<RunRow[]> {
    const rows = await this.#database.query(tx, operation, `select ${RUN.list} from ${this.#runs} ${rest}`, params)
    return rows.map((row) => RUN.of(row))
  }
}

/** The row of a new run. */
function asQueued(run: NewRun, at: string): RunRow {
  const said = Object.fromEntries(Object.entries(run).filter(([, value]) => value !== undefined)) as NewRun
  const { tags = {} } = said
  const finishedAt = RUN_ENDED.includes(said.status ?? 'queued') ? at : null
  return { ...ABSENT, ...said, ...UNSTARTED, tags: plainTags(tags), createdAt: at, finishedAt }
}

/** Tags are looked up inside the database, which reads no others. */
function plainTags(tags: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(tags).map(([key, value]) => [plainText(key), plainText(value)]))
}
