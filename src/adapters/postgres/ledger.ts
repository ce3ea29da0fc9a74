/** The event ledger in Postgres (spec 04 §2). */
import type { NormalizedEvent } from '../../core/event.ts'
import { givenText, storedText } from '../../core/stored-text.ts'
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
import { append, lockHead } from './append.ts'
import type { Param, Row } from './connection.ts'
import { skippedRows } from './id-tables.ts'
import { emptyRows, excludedAfter, guard, repeatsOf, treatRows } from './ledger-privacy.ts'
import {
  FULL_COLUMNS,
  FULL_COLUMNS_WITHOUT_RAW,
  fullRow,
  LEDGER_COLUMNS,
  ledgerRow,
  MAPPED_COLUMNS,
  mappedRow,
  REPLAYABLE,
} from './ledger-rows.ts'
import { mappedPages } from './mapped-pages.ts'
import { owned } from './names.ts'
import { pages } from './pages.ts'
import { beginRenormalize, endRenormalize, renormalize, updateHints } from './renormalize.ts'
import type { Space } from './space.ts'

const CHUNK = 5000
/** Of whole rows, which may be large. */
const ROWS = 1000

export class PostgresLedger implements LedgerPort {
  readonly #space: Space
  readonly #ledger: string
  readonly #mappings: string
  readonly #head: string
  /** A relation of the rows replays skip; those that left the ledger for the archive too. */
  readonly #skipped: string

  constructor(space: Space) {
    this.#space = space
    this.#ledger = space.names.infra('ledger')
    this.#mappings = space.names.infra('event_entities')
    this.#head = space.names.infra('head')
    this.#skipped = skippedRows(space.names)
  }

  async append(unit: Unit, events: readonly NormalizedEvent[], guards?: AppendGuards): Promise<AppendResult[]> {
    return append(this.#space, unit, events, guards)
  }

  async guard(unit: Unit, kinds: { readonly suppressing?: true; readonly treating?: true }): Promise<void> {
    await guard(this.#space, unit, kinds)
  }

  async head(): Promise<number> {
    const [row] = await this.#read(null, 'ledger.head', `select last from ${this.#head}`)
    return row?.[0] as number
  }

  async holdAppends(unit: Unit): Promise<void> {
    await lockHead(this.#space, unit)
  }

  async *scan(options: {
    after: number
    to: number
    all?: boolean
    chunk?: number
    source?: string
    raw?: boolean
  }): AsyncIterable<FullLedgerRow[]> {
    const { source, chunk = CHUNK } = options
    const columns = options.raw === false ? FULL_COLUMNS_WITHOUT_RAW : FULL_COLUMNS
    const wanted = options.all === true ? 'l.event_type is not null' : REPLAYABLE
    // A range of ledger_pkey; without `offset 0` and statistics the server would add ledger_event_id, all of it.
    const sql = `select ${columns} from
      (select * from ${this.#ledger} where sequence > $1 and sequence <= $2 offset 0) l
      where ${wanted} ${source === undefined ? '' : 'and l.source = $3'} order by l.sequence`
    const more = source === undefined ? [] : [storedText(source)]
    // Sequences have no gaps, so that pages of so many of them need no limit.
    const end = Math.min(options.to, await this.head())
    yield* pages(options.after, async (after) => {
      const to = Math.min(after + chunk, end)
      const rows = await this.#read(null, 'ledger.scan', sql, after, to, ...more)
      return { items: rows.map(fullRow), next: to < end ? to : null }
    })
  }

  async *replay(options: {
    from: number
    to?: number
    includeDuplicates?: boolean
    chunk?: number
  }): AsyncIterable<LedgerRow[]> {
    const { from, to = Number.MAX_SAFE_INTEGER, chunk = CHUNK } = options
    // Walks ledger_timestamp or sorts, as the server thinks better.
    const rows = this.#space.database.stream(
      'ledger.replay',
      `select ${LEDGER_COLUMNS} from ${this.#ledger} l where l.sequence between $1 and $2
        and ${options.includeDuplicates === true ? 'not l.excluded and l.event_type is not null' : REPLAYABLE}
        order by l.timestamp, l.sequence`,
      [from, to],
      chunk,
    )
    for await (const part of rows) yield part.map(ledgerRow)
  }

  async mappedRange(unit: Unit | null, range: { after: number; to: number }): Promise<MappedRow[]> {
    // Range of event_entities_pkey, then ledger_pkey for each row that is owned.
    const rows = await this.#read(
      unit,
      'ledger.mappedRange',
      `select ${MAPPED_COLUMNS} from
        (select sequence, entity_id, entity_type from ${this.#mappings}
          where sequence > $1 and sequence <= $2 and ${owned(this.#space.shard, 'shard_hash')} offset 0) e
        cross join lateral ${this.#replayable('e.sequence')} l
        order by e.entity_id, l.timestamp, l.sequence`,
      range.after,
      range.to,
    )
    return rows.map(mappedRow)
  }

  async mappedFor(unit: Unit | null, entityIds: readonly string[], to: number): Promise<MappedRow[]> {
    // event_entities_entity for each id, then ledger_pkey for each row.
    const rows = await this.#read(
      unit,
      'ledger.mappedFor',
      `select ${MAPPED_COLUMNS} from unnest($1::text[]) w (id)
        cross join lateral (select sequence, entity_id, entity_type from ${this.#mappings}
          where entity_id = w.id and sequence <= $2 offset 0) e
        cross join lateral ${this.#replayable('e.sequence')} l
        order by e.entity_id, l.timestamp, l.sequence`,
      [...new Set(entityIds)].map(storedText),
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
    return mappedPages(this.#space, { chunk: CHUNK, ...options })
  }

  async count({ source }: { source?: string } = {}): Promise<number> {
    const counts = this.#space.names.infra('source_counts')
    const [row] = await this.#read(
      null,
      'ledger.count',
      `select coalesce(sum(events), 0) from ${counts} ${source === undefined ? '' : 'where source = $1'}`,
      ...(source === undefined ? [] : [storedText(source)]),
    )
    return row?.[0] as number
  }

  async countAfter(cursor: number): Promise<number> {
    // Sequences have no gaps, so only the rows a replay skips have to be counted.
    const [row] = await this.#read(
      null,
      'ledger.countAfter',
      `select last, (select count(*) from ${this.#skipped} s where sequence > $1) from ${this.#head}`,
      cursor,
    )
    const [last, skipped] = row as [number, number]
    return Math.max(0, last - cursor - skipped)
  }

  async countMapped(to: number): Promise<number> {
    const isOwned = owned(this.#space.shard, 'e.shard_hash')
    const [row] = await this.#read(
      null,
      'ledger.countMapped',
      `select (select count(distinct e.sequence) from ${this.#mappings} e where e.sequence <= $1 and ${isOwned}),
        (select count(*) from ${this.#skipped} s where s.sequence <= $1 and ${this.#isMapped(isOwned)})`,
      to,
    )
    const [mapped, skipped] = row as [number, number]
    return mapped - skipped
  }

  async countUnmapped(after: number, to: number): Promise<number> {
    const [row] = await this.#read(
      null,
      'ledger.countUnmapped',
      `select least(last, $2::bigint),
        (select count(distinct e.sequence) from ${this.#mappings} e where e.sequence > $1 and e.sequence <= $2),
        (select count(*) from ${this.#skipped} s where s.sequence > $1 and s.sequence <= $2
          and not ${this.#isMapped('true')})
        from ${this.#head}`,
      after,
      to,
    )
    const [end, mapped, skipped] = row as [number, number, number]
    return Math.max(0, end - after - mapped - skipped)
  }

  async eventsFor(
    entityId: string,
  ): Promise<{ sequence: number; eventId: string; eventType: string; timestamp: string }[]> {
    // event_entities_entity, then ledger_pkey for each row.
    const rows = await this.#read(
      null,
      'ledger.eventsFor',
      `select l.sequence, l.event_id, l.event_type, l.timestamp from
        (select sequence from ${this.#mappings} where entity_id = $1 offset 0) e
        cross join lateral ${this.#replayable('e.sequence')} l order by l.timestamp, l.sequence`,
      storedText(entityId),
    )
    return rows.map((row) => ({
      sequence: row[0] as number,
      eventId: givenText(row[1] as string),
      eventType: givenText(row[2] as string),
      timestamp: row[3] as string,
    }))
  }

  async newestOf(source: string): Promise<string | null> {
    // ledger_timestamp, backwards until a row of the source.
    const [row] = await this.#read(
      null,
      'ledger.newestOf',
      `select l.timestamp from ${this.#ledger} l where l.source = $1 and l.timestamp is not null
        order by l.timestamp desc, l.sequence desc limit 1`,
      storedText(source),
    )
    return (row?.[0] as string | undefined) ?? null
  }

  async oldestAfter(sequence: number): Promise<string | null> {
    // ledger_pkey: the range above.
    const [row] = await this.#read(
      null,
      'ledger.oldestAfter',
      `select min(l.timestamp) from (select timestamp from ${this.#ledger} where sequence > $1 offset 0) l`,
      sequence,
    )
    return (row?.[0] as string | null | undefined) ?? null
  }

  async event(ref: { sequence: number } | { eventId: string }): Promise<FullLedgerRow | undefined> {
    const bySequence = 'sequence' in ref
    // ledger_pkey or ledger_event_id.
    const where = bySequence ? 'l.sequence = $1' : 'l.event_id = $1 and l.duplicate_of is null and not l.excluded'
    const [row] = await this.#read(
      null,
      'ledger.event',
      `select ${FULL_COLUMNS} from ${this.#ledger} l where ${where} and l.event_type is not null`,
      bySequence ? ref.sequence : storedText(ref.eventId),
    )
    return row === undefined ? undefined : fullRow(row)
  }

  async raws(sequences: readonly number[]): Promise<Map<number, string>> {
    // ledger_pkey for each row.
    const rows = await this.#read(
      null,
      'ledger.raws',
      `select w.sequence, l.raw from unnest($1::bigint[]) w (sequence) cross join lateral
        (select raw from ${this.#ledger} where sequence = w.sequence and raw is not null offset 0) l order by 1`,
      [...new Set(sequences)],
    )
    return new Map(rows as [number, string][])
  }

  async renormalize(unit: Unit, rows: readonly Renormalized[]): Promise<RenormalizeResult> {
    return renormalize(this.#space, unit, rows)
  }

  async beginRenormalize(unit: Unit): Promise<void> {
    await beginRenormalize(this.#space, unit)
  }

  async endRenormalize(unit: Unit): Promise<void> {
    await endRenormalize(this.#space, unit)
  }

  async *rows(sequences: readonly number[]): AsyncIterable<FullLedgerRow[]> {
    const wanted = [...new Set(sequences)].sort((a, b) => a - b)
    // ledger_pkey for each row.
    const sql = `select ${FULL_COLUMNS} from unnest($1::bigint[]) w (sequence) cross join lateral
      (select * from ${this.#ledger} where sequence = w.sequence and event_type is not null offset 0) l order by w.sequence`
    for (let at = 0; at < wanted.length; at += ROWS) {
      const rows = await this.#read(null, 'ledger.rows', sql, wanted.slice(at, at + ROWS))
      if (rows.length > 0) yield rows.map(fullRow)
    }
  }

  async repeatsOf(unit: Unit | null, sequences: readonly number[]): Promise<number[]> {
    return repeatsOf(this.#space, unit, sequences)
  }

  async *excluded(): AsyncIterable<number[]> {
    yield* pages(0, async (after) => {
      const items = await excludedAfter(this.#space, after, CHUNK)
      return { items, next: items.length < CHUNK ? null : (items.at(-1) as number) }
    })
  }

  async empty(
    unit: Unit,
    rows: readonly { readonly sequence: number; readonly digest: string | null }[],
  ): Promise<number> {
    return emptyRows(this.#space, unit, rows)
  }

  async treat(unit: Unit, rows: readonly TreatedRow[]): Promise<void> {
    await treatRows(this.#space, unit, rows)
  }

  async updateHints(unit: Unit, rows: readonly { sequence: number; hintsJson: string }[]): Promise<void> {
    await updateHints(this.#space, unit, rows)
  }

  /** Changes of archived rows are not carried on here. */
  async settle(): Promise<void> {}

  /** The ledger row of a mapping, if a replay sees it; `offset 0` keeps it a look-up by ledger_pkey. */
  #replayable(sequence: string): string {
    return `(select * from ${this.#ledger} l where l.sequence = ${sequence} and ${REPLAYABLE} offset 0)`
  }

  /** Whether a skipped row has mappings; `offset 0` keeps it a look-up by event_entities_pkey for each of those few. */
  #isMapped(condition: string): string {
    return `exists (select 1 from ${this.#mappings} e where e.sequence = s.sequence and ${condition} offset 0)`
  }

  #read(unit: Unit | null, operation: string, sql: string, ...params: Param[]): Promise<Row[]> {
    return this.#space.database.query(unit?.tx, operation, sql, params)
  }
}
