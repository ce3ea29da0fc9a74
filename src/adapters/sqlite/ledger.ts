/** The event ledger in SQLite (spec 04 §2). */
import type { NormalizedEvent } from '../../core/event.ts'
import type {
  AppendGuards,
  AppendResult,
  FullLedgerRow,
  LedgerPort,
  LedgerRow,
  MappedRow,
  Renormalized,
  RenormalizeResult,
  TreatedRow,
  Unit,
} from '../../ports/store.ts'
import type { Connection, Row } from './connection.ts'
import type { Database } from './database.ts'
import { canonicalOf, countSkipped, INSERT_ID, INSERT_NEW_ID } from './event-ids.ts'
import { moveHead, readHead, type Tiering } from './head.ts'
import { emptyRows, excludedAfter, repeatsOf, treatRows } from './ledger-privacy.ts'
import {
  FULL_COLUMNS,
  FULL_COLUMNS_WITHOUT_RAW,
  fullRow,
  LEDGER_COLUMNS,
  ledgerRow,
  MAPPED_COLUMNS,
  mappedRow,
} from './ledger-rows.ts'
import { mappedPages } from './mapped-pages.ts'
import { beginRenormalize, endRenormalize, renormalize } from './renormalize.ts'

const CHUNK = 5000
/** Of whole rows, which may be large. */
const ROWS = 1000

const INSERT = `insert into ledger
  (sequence, event_id, event_type, timestamp, source, data, resolution_hints, duplicate_of, kinds, redaction, raw)
  values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
/** Uses the unique index `ledger_event_id`. */
const INSERT_NEW = `${INSERT} on conflict (event_id) where duplicate_of is null and excluded = 0 do nothing`
/** Rows a replay sees. */
const REPLAYABLE = 'l.duplicate_of is null and l.excluded = 0 and l.event_type is not null'

export class SqliteLedger implements LedgerPort {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async append(unit: Unit, events: readonly NormalizedEvent[], guards?: AppendGuards): Promise<AppendResult[]> {
    const operation = 'ledger.append'
    const { suppressing, treating } = this.#database.within(unit.tx, operation, readHead)
    const given = guards !== undefined && treating ? await guards.treated(unit, events) : events
    const asked = suppressing ? guards : undefined
    return this.#database.within(unit.tx, operation, (connection) => appendAll(connection, given, asked))
  }

  async guard(unit: Unit, kinds: { readonly suppressing?: true; readonly treating?: true }): Promise<void> {
    this.#database.within(unit.tx, 'ledger.guard', (connection) => {
      if (kinds.suppressing === true) connection.run('update head set suppressing = 1')
      if (kinds.treating === true) connection.run('update head set treating = 1')
    })
  }

  async head(): Promise<number> {
    return this.#database.read(null, 'ledger.head', (connection) => readHead(connection).last)
  }

  /** Every write transaction of SQLite is alone. */
  async holdAppends(): Promise<void> {}

  async *scan(options: {
    after: number
    to: number
    all?: boolean
    chunk?: number
    source?: string
    raw?: boolean
  }): AsyncIterable<FullLedgerRow[]> {
    const { to, source, chunk = CHUNK } = options
    const columns = options.raw === false ? FULL_COLUMNS_WITHOUT_RAW : FULL_COLUMNS
    const sql = `select ${columns} from ledger l where l.sequence > ? and l.sequence <= ?
      ${options.all === true ? 'and l.event_type is not null' : `and ${REPLAYABLE}`}
      ${source === undefined ? '' : 'and l.source = ?'} order by l.sequence limit ?`
    for (let after = options.after; ; ) {
      const from = after
      const rows = await this.#database.read(null, 'ledger.scan', (connection) =>
        connection.all(sql, ...(source === undefined ? [from, to, chunk] : [from, to, source, chunk])),
      )
      const last = rows.at(-1)
      if (last === undefined) return
      yield rows.map(fullRow)
      if (rows.length < chunk) return
      after = last[0] as number
    }
  }

  async *replay(options: {
    from: number
    to?: number
    includeDuplicates?: boolean
    chunk?: number
  }): AsyncIterable<LedgerRow[]> {
    const { from, to = Number.MAX_SAFE_INTEGER, chunk = CHUNK } = options
    const select = `select ${LEDGER_COLUMNS} from ledger l indexed by ledger_timestamp where l.sequence between ? and ?
      and ${options.includeDuplicates === true ? 'l.excluded = 0 and l.event_type is not null' : REPLAYABLE}`
    // Keyset pages in two parts, so that a page costs its rows however many events share one instant.
    const same = `${select} and l.timestamp = ? and l.sequence > ? order by l.sequence limit ?`
    const later = `${select} and l.timestamp > ? order by l.timestamp, l.sequence limit ?`
    let timestamp = ''
    let sequence = 0
    while (true) {
      const rows = await this.#database.read(null, 'ledger.replay', (connection) => {
        const first = connection.all(same, from, to, timestamp, sequence, chunk)
        return first.concat(connection.all(later, from, to, timestamp, chunk - first.length))
      })
      const last = rows.at(-1)
      if (last === undefined) return
      yield rows.map(ledgerRow)
      if (rows.length < chunk) return
      sequence = last[0] as number
      timestamp = last[3] as string
    }
  }

  async mappedRange(unit: Unit | null, range: { after: number; to: number }): Promise<MappedRow[]> {
    // Range of the primary key of event_entities, then the ledger by sequence.
    const rows = await this.#read(
      unit,
      'ledger.mappedRange',
      `select ${MAPPED_COLUMNS} from event_entities e cross join ledger l on l.sequence = e.sequence
        where e.sequence > ? and e.sequence <= ? and ${REPLAYABLE}
        order by e.entity_id, l.timestamp, l.sequence`,
      range.after,
      range.to,
    )
    return rows.map(mappedRow)
  }

  async mappedFor(unit: Unit | null, entityIds: readonly string[], to: number): Promise<MappedRow[]> {
    const rows = await this.#read(
      unit,
      'ledger.mappedFor',
      `select ${MAPPED_COLUMNS} from (select distinct value as id from json_each(?)) wanted
        cross join event_entities e indexed by event_entities_entity on e.entity_id = wanted.id and e.sequence <= ?
        cross join ledger l on l.sequence = e.sequence
        where ${REPLAYABLE} order by e.entity_id, l.timestamp, l.sequence`,
      JSON.stringify(entityIds),
      to,
    )
    return rows.map(mappedRow)
  }

  mappedByEntity(options: {
    afterEntity: string | null
    after?: number
    to: number
    chunk?: number
  }): AsyncIterable<MappedRow[]> {
    return mappedPages(this.#database, REPLAYABLE, { chunk: CHUNK, ...options })
  }

  async count(options: { source?: string } = {}): Promise<number> {
    const { source } = options
    const rows = await (source === undefined
      ? this.#read(null, 'ledger.count', 'select coalesce(sum(events), 0) from source_counts')
      : this.#read(null, 'ledger.count', 'select events from source_counts where source = ?', source))
    return (rows[0]?.[0] as number | undefined) ?? 0
  }

  async countAfter(cursor: number): Promise<number> {
    // Sequences have no gaps, so only the rows a replay skips have to be counted.
    const [row] = await this.#read(
      null,
      'ledger.countAfter',
      `select last, ${countSkipped('sequence > ?1')} from head`,
      cursor,
    )
    const [last, skipped] = row as [number, number]
    return Math.max(0, last - cursor - skipped)
  }

  async countMapped(to: number): Promise<number> {
    return (await this.countAfter(0)) - (await this.countAfter(to)) - (await this.countUnmapped(0, to))
  }

  async countUnmapped(after: number, to: number): Promise<number> {
    // Mappings exist for replayable rows only, so both sides can be counted without reading the rows themselves.
    const [row] = await this.#read(
      null,
      'ledger.countUnmapped',
      `select min(last, ?2), ${countSkipped('sequence > ?1 and sequence <= ?2')},
        (select count(*) from (select distinct sequence from event_entities where sequence > ?1 and sequence <= ?2))
        from head`,
      after,
      to,
    )
    const [end, skipped, mapped] = row as [number, number, number]
    return Math.max(0, end - after - skipped - mapped)
  }

  async eventsFor(
    entityId: string,
  ): Promise<{ sequence: number; eventId: string; eventType: string; timestamp: string }[]> {
    const rows = await this.#read(
      null,
      'ledger.eventsFor',
      `select l.sequence, l.event_id, l.event_type, l.timestamp
        from event_entities e indexed by event_entities_entity cross join ledger l on l.sequence = e.sequence
        where e.entity_id = ? and ${REPLAYABLE} order by l.timestamp, l.sequence`,
      entityId,
    )
    return rows.map((row) => ({
      sequence: row[0] as number,
      eventId: row[1] as string,
      eventType: row[2] as string,
      timestamp: row[3] as string,
    }))
  }

  async newestOf(source: string): Promise<string | null> {
    // ledger_timestamp, backwards until a row of the source.
    const rows = await this.#read(
      null,
      'ledger.newestOf',
      'select timestamp from ledger where source = ? and timestamp is not null order by timestamp desc, sequence desc limit 1',
      source,
    )
    return (rows[0]?.[0] as string | undefined) ?? null
  }

  async oldestAfter(sequence: number): Promise<string | null> {
    const sql = 'select min(+timestamp) from ledger where sequence > ?'
    const rows = await this.#read(null, 'ledger.oldestAfter', sql, sequence)
    return (rows[0]?.[0] as string | null | undefined) ?? null
  }

  async event(ref: { sequence: number } | { eventId: string }): Promise<FullLedgerRow | undefined> {
    const bySequence = 'sequence' in ref
    const where = bySequence ? 'l.sequence = ?' : 'l.event_id = ? and l.duplicate_of is null and l.excluded = 0'
    const rows = await this.#read(
      null,
      'ledger.event',
      `select ${FULL_COLUMNS} from ledger l where ${where} and l.event_type is not null`,
      bySequence ? ref.sequence : ref.eventId,
    )
    return rows[0] === undefined ? undefined : fullRow(rows[0])
  }

  async raws(sequences: readonly number[]): Promise<Map<number, string>> {
    const rows = await this.#read(
      null,
      'ledger.raws',
      'select sequence, raw from ledger where sequence in (select value from json_each(?)) and raw is not null',
      JSON.stringify(sequences),
    )
    return new Map(rows.map((row) => [row[0] as number, row[1] as string]))
  }

  async renormalize(unit: Unit, rows: readonly Renormalized[]): Promise<RenormalizeResult> {
    return this.#database.within(unit.tx, 'ledger.renormalize', (connection) => renormalize(connection, rows))
  }

  async beginRenormalize(unit: Unit): Promise<void> {
    this.#database.within(unit.tx, 'ledger.beginRenormalize', beginRenormalize)
  }

  async endRenormalize(unit: Unit): Promise<void> {
    this.#database.within(unit.tx, 'ledger.endRenormalize', endRenormalize)
  }

  async *rows(sequences: readonly number[]): AsyncIterable<FullLedgerRow[]> {
    const wanted = [...new Set(sequences)].sort((a, b) => a - b)
    const sql = `select ${FULL_COLUMNS} from json_each(?) w cross join ledger l on l.sequence = w.value
      where l.event_type is not null order by l.sequence`
    for (let at = 0; at < wanted.length; at += ROWS) {
      const rows = await this.#read(null, 'ledger.rows', sql, JSON.stringify(wanted.slice(at, at + ROWS)))
      if (rows.length > 0) yield rows.map(fullRow)
    }
  }

  async repeatsOf(unit: Unit | null, sequences: readonly number[]): Promise<number[]> {
    return this.#database.read(unit?.tx, 'ledger.repeatsOf', (connection) => repeatsOf(connection, sequences))
  }

  async *excluded(): AsyncIterable<number[]> {
    for (let after = 0; ; ) {
      const from = after
      const found = await this.#database.read(null, 'ledger.excluded', (connection) =>
        excludedAfter(connection, from, CHUNK),
      )
      if (found.length > 0) yield found
      if (found.length < CHUNK) return
      after = found.at(-1) as number
    }
  }

  async empty(
    unit: Unit,
    rows: readonly { readonly sequence: number; readonly digest: string | null }[],
  ): Promise<number> {
    return this.#database.within(unit.tx, 'ledger.empty', (connection) => emptyRows(connection, rows))
  }

  async treat(unit: Unit, rows: readonly TreatedRow[]): Promise<void> {
    this.#database.within(unit.tx, 'ledger.treat', (connection) => treatRows(connection, rows))
  }

  async updateHints(unit: Unit, rows: readonly { sequence: number; hintsJson: string }[]): Promise<void> {
    this.#database.within(unit.tx, 'ledger.updateHints', (connection) => {
      const update = connection.statement(
        'update ledger set resolution_hints = ? where sequence = ? and event_type is not null',
      )
      for (const row of rows) update.run(row.hintsJson, row.sequence)
    })
  }

  /** Nothing waits: there is no archive here. */
  async settle(): Promise<void> {}

  #read(unit: Unit | null, operation: string, sql: string, ...params: (string | number)[]): Promise<Row[]> {
    return this.#database.read(unit?.tx, operation, (connection) => connection.all(sql, ...params))
  }
}

/** `guards`: of those that were erased none comes back. */
function appendAll(connection: Connection, events: readonly NormalizedEvent[], guards?: AppendGuards): AppendResult[] {
  const results: AppendResult[] = []
  if (events.length === 0) return results
  // Only while a renormalization runs: a row it has not reached yet may be about to give up its id.
  const { last: before, renormalizing: keepDuplicates, tiering } = readHead(connection)
  const insert = inserter(connection, tiering)
  const counts = new Map<string, number>()
  let last = before
  for (const event of events) {
    const erased = guards === undefined ? undefined : canonicalOf(connection, guards.digestOf(event.eventId))
    if (erased !== undefined) {
      results.push({ sequence: erased, inserted: false })
      continue
    }
    if (!insert(last + 1, event, null)) {
      const canonical = canonicalOf(connection, event.eventId) as number
      if (!keepDuplicates || canonical > before) {
        results.push({ sequence: canonical, inserted: false })
        continue
      }
      insert(last + 1, event, canonical)
    }
    last += 1
    counts.set(event.source, (counts.get(event.source) ?? 0) + 1)
    results.push({ sequence: last, inserted: true })
  }
  if (last > before) moveHead(connection, last, counts)
  return results
}

type Insert = (sequence: number, event: NormalizedEvent, duplicateOf: number | null) => boolean

/** Inserts a row wherever it has to be; false, and nothing is written, if its id is that of another row. */
function inserter(connection: Connection, tiering: Tiering): Insert {
  // The table that knows all ids comes first and decides.
  const row = connection.statement(tiering === 'on' ? INSERT : INSERT_NEW)
  const insertRow: Insert = (sequence, event, duplicateOf) => {
    const { changes } = row.run(
      sequence,
      event.eventId,
      event.eventType,
      event.timestamp.toString(),
      event.source,
      event.dataJson,
      event.hintsJson,
      duplicateOf,
      event.kindsJson,
      event.redactionJson ?? null,
      event.rawJson,
    )
    return changes === 1
  }
  if (tiering === 'off') return insertRow
  const id = connection.statement(tiering === 'on' ? INSERT_NEW_ID : INSERT_ID)
  const insertId: Insert = (sequence, { eventId, source }, duplicateOf) =>
    id.run(sequence, eventId, source, duplicateOf, 0).changes === 1
  const [first, second] = tiering === 'on' ? [insertId, insertRow] : [insertRow, insertId]
  return (sequence, event, duplicateOf) => first(sequence, event, duplicateOf) && second(sequence, event, duplicateOf)
}
