/** Dead letters in the database (spec 07 §9, 10 §2). */
import { randomUUIDv7 } from 'node:crypto'
import { parseJson } from '../../core/expression/json.ts'
import { recordJson } from '../../core/expression/record-json.ts'
import { GONE, letterJudge } from '../../core/privacy/letters.ts'
import type { FrozenSubject } from '../../ports/erasure.ts'
import type { DeadLetterPort, DeadLetterRow } from '../../ports/runs.ts'
import type { Tx, Unit } from '../../ports/store.ts'
import type { EventFailure } from '../../results.ts'
import { Columns } from './run-log-columns.ts'
import type { LogDatabase, LogParam, LogRow } from './run-log-database.ts'

type Letter = Omit<DeadLetterRow, 'failure'> &
  Omit<EventFailure, 'raw' | 'advisory'> & {
    readonly settledAt: string | null
    readonly advisory: boolean
    /** JSON text. */
    readonly raw: string
  }

/** Letters looked into at once. */
const PAGE = 500

const LETTER = new Columns<Letter>({
  id: 'key',
  runId: 'key',
  status: 'key',
  reason: 'text',
  settledAt: 'plain',
  error: 'text',
  stage: 'key',
  source: 'text',
  handler: 'text',
  field: 'text',
  entityId: 'text',
  entityType: 'text',
  eventId: 'text',
  eventType: 'text',
  sequence: 'plain',
  version: 'text',
  at: 'plain',
  recoverable: 'flag',
  advisory: 'flag',
  origin: 'json',
  raw: 'key',
})

export class LoggedLetters implements DeadLetterPort {
  readonly #database: LogDatabase
  readonly #table: string

  constructor(database: LogDatabase) {
    this.#database = database
    this.#table = database.table('dead_letters')
  }

  async add(unit: Unit, runId: string | null, failures: readonly EventFailure[]): Promise<void> {
    const letters = failures.map((failure) =>
      LETTER.values({
        ...failure,
        id: `l_${randomUUIDv7()}`,
        runId,
        status: 'open',
        reason: null,
        settledAt: null,
        advisory: failure.advisory === true,
        raw: recordJson(failure.raw),
      }),
    )
    await this.#database.insert(unit.tx, 'letters.add', { table: this.#table, columns: LETTER.names }, letters)
  }

  /** Oldest first. */
  async list(
    filter: { status?: DeadLetterRow['status']; source?: string; stage?: string; after?: string; limit?: number } = {},
  ): Promise<DeadLetterRow[]> {
    const { status, source, stage, after, limit } = filter
    const params: LogParam[] = []
    const conditions = Object.entries({ status, source, stage }).flatMap(([column, value]) =>
      value === undefined ? [] : [`${column} = $${params.push(value)}`],
    )
    if (after !== undefined) {
      conditions.push(`ordinal > (select ordinal from ${this.#table} where id = $${params.push(after)})`)
    }
    const where = conditions.length === 0 ? '' : `where ${conditions.join(' and ')}`
    const end = limit === undefined ? '' : `limit $${params.push(limit)}`
    const rows = await this.#database.query(
      null,
      'letters.list',
      `select ${LETTER.list} from ${this.#table} ${where} order by ordinal ${end}`,
      params,
    )
    return rows.map(letterOf)
  }

  async get(id: string): Promise<DeadLetterRow | undefined> {
    const sql = `select ${LETTER.list} from ${this.#table} where id = $1`
    const [row] = await this.#database.query(null, 'letters.get', sql, [id])
    return row === undefined ? undefined : letterOf(row)
  }

  /** Number of letters that had another status before. */
  async setStatus(ids: readonly string[], status: DeadLetterRow['status'], reason: string | null): Promise<number> {
    if (ids.length === 0) return 0
    const settledAt = status === 'open' ? null : String(this.#database.now())
    const sql = `update ${this.#table} set status = $1, reason = $2, settled_at = $3
      where ${this.#database.among('id', '$4')} and status <> $1`
    const params = [status, LETTER.value('reason', reason), settledAt, ids]
    return this.#database.transaction((tx) => this.#database.execute(tx, 'letters.setStatus', sql, params))
  }

  /** By source. */
  async count(status: DeadLetterRow['status']): Promise<{ source: string; letters: number }[]> {
    const sql = `select source, count(*) from ${this.#table} where status = $1 group by source order by source`
    const rows = await this.#database.query(null, 'letters.count', sql, [status])
    return rows.map(([source, letters]) => ({ source: source as string, letters: letters as number }))
  }

  async erase(unit: Unit, subject: FrozenSubject): Promise<number> {
    const database = this.#database
    let removed = 0
    for await (const page of this.#changes(unit.tx, subject)) {
      const ids = page.map(({ id }) => id)
      const sql = `delete from ${this.#table} where ${database.among('id', '$1')}`
      removed += await database.execute(unit.tx, 'letters.erase', sql, [ids])
    }
    return removed
  }

  async treat(unit: Unit, subject: FrozenSubject): Promise<number> {
    let treated = 0
    const sql = `update ${this.#table} set raw = $2 where id = $1`
    for await (const page of this.#changes(unit.tx, subject)) {
      for (const { id, raw } of page) treated += await this.#database.execute(unit.tx, 'letters.treat', sql, [id, raw])
    }
    return treated
  }

  async concerning(unit: Unit | null, subject: FrozenSubject): Promise<number> {
    let found = 0
    for await (const page of this.#changes(unit?.tx ?? null, subject)) found += page.length
    return found
  }

  /** Every letter is looked into, a page at a time: what a record holds no index knows. */
  async *#changes(tx: Tx | null, subject: FrozenSubject): AsyncGenerator<{ id: string; raw: string | null }[]> {
    const change = changeOf(subject)
    const raws = LETTER.names.indexOf('raw')
    let after = 0
    for (;;) {
      const rows = await this.#database.query(
        tx,
        'letters.erase',
        `select ${LETTER.list}, ordinal from ${this.#table} where ordinal > $1 order by ordinal limit ${PAGE}`,
        [after],
      )
      const found = rows.flatMap((row) => {
        const letter = letterOf(row)
        // What came after the pivot is about whoever the person is now.
        if (subject.pivotAt !== null && letter.failure.at > subject.pivotAt) return []
        const raw = change(letter, row[raws] as string)
        return raw === undefined ? [] : [{ id: letter.id, raw }]
      })
      if (found.length > 0) yield found
      if (rows.length < PAGE) return
      after = rows.at(-1)?.at(-1) as number
    }
  }
}

/** Null: the letter goes; a text: its new record; undefined: it stays as it is. */
function changeOf(subject: FrozenSubject): (letter: DeadLetterRow, raw: string) => string | null | undefined {
  const judge = letterJudge(subject)
  return ({ failure }, raw) => {
    const judged = judge(failure)
    if (judged === GONE) return null
    const text = judged === failure.raw ? raw : recordJson(judged)
    return text === raw ? undefined : text
  }
}

function letterOf(row: LogRow): DeadLetterRow {
  const { id, runId, status, reason, settledAt: _, advisory, raw, ...failure } = LETTER.of(row)
  return {
    id,
    runId,
    status,
    reason,
    failure: { ...failure, raw: parseJson(raw), ...(advisory ? { advisory: true as const } : {}) },
  }
}
