/** How far inputs are read, records that were pushed, and which sequences were known when (spec 10 §3.3). */
import { parseJson } from '../../core/expression/json.ts'
import { mentionsIn } from '../../core/privacy/raw-text.ts'
import { Fenced } from '../../errors.ts'
import type { FrozenSubject } from '../../ports/erasure.ts'
import type { InboxRow, InputMark, InputPort } from '../../ports/runs.ts'
import type { Tx, Unit } from '../../ports/store.ts'
import { INBOX, MARK } from './run-log-columns.ts'
import type { LogDatabase } from './run-log-database.ts'

/** Pushed records looked into at once. */
const PAGE = 500
const PLACES = MARK.names.map((_, i) => `$${i + 1}`).join(', ')
const SETS = MARK.names.map((name, i) => `${name} = $${i + 1}`).join(', ')

export class LoggedInputs implements InputPort {
  readonly #database: LogDatabase
  readonly #marks: string
  readonly #inbox: string
  readonly #heads: string

  constructor(database: LogDatabase) {
    this.#database = database
    this.#marks = database.table('input_marks')
    this.#inbox = database.table('inbox')
    this.#heads = database.table('ledger_marks')
  }

  /** By part. */
  async marks(pipeline: string, input: string): Promise<InputMark[]> {
    const rows = await this.#database.query(
      null,
      'inputs.marks',
      `select ${MARK.list} from ${this.#marks} where pipeline = $1 and input = $2 order by part`,
      [pipeline, input],
    )
    return rows.map((row) => MARK.of(row))
  }

  async putMark(unit: Unit, mark: InputMark, before: InputMark | null): Promise<void> {
    const values = MARK.values(mark)
    const written =
      before === null
        ? await this.#database.execute(
            unit.tx,
            'inputs.putMark',
            `insert into ${this.#marks} (${MARK.list}) values (${PLACES})
              on conflict (pipeline, input, part) do nothing`,
            values,
          )
        : await this.#database.execute(
            unit.tx,
            'inputs.putMark',
            // Positions are stored in canonical form: equal ones have equal texts.
            `update ${this.#marks} set ${SETS} where pipeline = $1 and input = $2 and part = $3
              and cast(position as text) = $${values.length + 1}`,
            [...values, MARK.value('position', before.position)],
          )
    if (written === 1) return
    throw new Fenced(
      `a part of input '${mark.input}' of '${mark.pipeline}' was read on by somebody else; nothing was written`,
      { details: { pipeline: mark.pipeline, input: mark.input } },
    )
  }

  async setState(
    keys: readonly Pick<InputMark, 'pipeline' | 'input' | 'part'>[],
    state: InputMark['state'],
    at: string,
  ): Promise<void> {
    if (keys.length === 0) return
    const sql = `update ${this.#marks} set state = $4, updated_at = $5 where pipeline = $1 and input = $2 and part = $3`
    await this.#database.transaction(async (tx) => {
      for (const { pipeline, input, part } of keys) {
        await this.#database.execute(tx, 'inputs.setState', sql, [pipeline, input, part, state, at])
      }
    })
  }

  async push(rows: readonly InboxRow[]): Promise<void> {
    if (rows.length === 0) return
    // Pushed again after an unknown outcome, a line is there already.
    const into = { table: this.#inbox, columns: INBOX.names, suffix: 'on conflict (batch_id, line) do nothing' }
    await this.#database.transaction((tx) =>
      this.#database.insert(
        tx,
        'inputs.push',
        into,
        rows.map((row) => INBOX.values(row)),
      ),
    )
  }

  async batches(source?: string): Promise<{ batchId: string; source: string; lines: number; receivedAt: string }[]> {
    const rows = await this.#database.query(
      null,
      'inputs.batches',
      `select batch_id, source, count(*), min(received_at) from ${this.#inbox}
        ${source === undefined ? '' : 'where source = $1'} group by batch_id, source
        order by min(received_at), batch_id`,
      source === undefined ? [] : [source],
    )
    return rows.map(([batchId, from, lines, receivedAt]) => ({
      batchId: batchId as string,
      source: from as string,
      lines: lines as number,
      receivedAt: receivedAt as string,
    }))
  }

  async inbox(batchId: string, options: { after: number; limit: number }): Promise<InboxRow[]> {
    const rows = await this.#database.query(
      null,
      'inputs.inbox',
      `select ${INBOX.list} from ${this.#inbox} where batch_id = $1 and line > $2 order by line limit $3`,
      [batchId, options.after, options.limit],
    )
    return rows.map((row) => INBOX.of(row))
  }

  async dropInbox(unit: Unit, batchId: string, upToLine: number): Promise<void> {
    const sql = `delete from ${this.#inbox} where batch_id = $1 and line <= $2`
    await this.#database.execute(unit.tx, 'inputs.dropInbox', sql, [batchId, upToLine])
  }

  async eraseInbox(unit: Unit, subject: FrozenSubject): Promise<number> {
    let removed = 0
    for await (const [batchId, lines] of this.#mentioning(unit.tx, subject)) {
      removed += await this.#database.execute(
        unit.tx,
        'inputs.eraseInbox',
        `delete from ${this.#inbox} where batch_id = $1 and ${this.#database.among('cast(line as text)', '$2')}`,
        [batchId, lines.map(String)],
      )
    }
    return removed
  }

  async inboxOf(unit: Unit | null, subject: FrozenSubject): Promise<number> {
    let found = 0
    for await (const [, lines] of this.#mentioning(unit?.tx ?? null, subject)) found += lines.length
    return found
  }

  /** Lines that mention the person, by batch, a page at a time. */
  async *#mentioning(tx: Tx | null, subject: FrozenSubject): AsyncGenerator<readonly [string, number[]]> {
    let last = { batchId: '', line: 0 }
    for (;;) {
      const rows = await this.#database.query(
        tx,
        'inputs.eraseInbox',
        `select ${INBOX.list} from ${this.#inbox} where batch_id > $1 or (batch_id = $1 and line > $2)
          order by batch_id, line limit ${PAGE}`,
        [last.batchId, last.line],
      )
      const page = rows.map((row) => INBOX.of(row))
      // What was pushed after the pivot is about whoever the person is now.
      const before = page.filter(({ receivedAt }) => subject.pivotAt === null || receivedAt <= subject.pivotAt)
      const found = before.filter(({ raw }) => mentionsIn(subject, recordOf(raw)))
      for (const [batchId, lines] of Map.groupBy(found, (row) => row.batchId)) {
        yield [batchId, lines.map(({ line }) => line)]
      }
      const end = page.at(-1)
      if (end === undefined || page.length < PAGE) return
      last = end
    }
  }

  async noteHead(unit: Unit, at: string, head: number): Promise<void> {
    await this.#database.execute(
      unit.tx,
      'inputs.noteHead',
      `insert into ${this.#heads} as m (at, head) values ($1, $2) on conflict (at) do update
        set head = case when excluded.head > m.head then excluded.head else m.head end`,
      [at, head],
    )
  }

  async headAt(at: string): Promise<number> {
    // The greatest, not the latest: clocks of several machines note in their own order.
    const sql = `select coalesce(max(head), 0) from ${this.#heads} where at <= $1`
    const [row] = await this.#database.query(null, 'inputs.headAt', sql, [at])
    return row?.[0] as number
  }
}

/** What was pushed; a text that is no JSON as it is. */
function recordOf(raw: string): unknown {
  try {
    return parseJson(raw)
  } catch {
    return raw
  }
}
