/** Rows that are emptied or treated (spec 05 §4.2, §5), in the ledger and in `event_ids`, and those that belong to them. */
import { emptied } from '../../ports/archive.ts'
import type { TreatedRow } from '../../ports/store.ts'
import type { StagedChange } from '../../ports/tiers.ts'
import type { Connection, Row } from './connection.ts'
import { canonicalOf } from './event-ids.ts'
import { countFewer, readHead, type Tiering } from './head.ts'
import { forget, stage } from './staged.ts'
import { tierState } from './tier-state.ts'

const EMPTY = `update ledger set event_id = ?2, event_type = null, timestamp = null, source = null, data = null,
  resolution_hints = null, duplicate_of = null, excluded = 0, kinds = null, redaction = null, raw = null
  where sequence = ?1`
const EMPTY_ID = `update event_ids set event_id = ?2, source = null, duplicate_of = null, excluded = 0 where sequence = ?1`
/** A tombstone has a type no more, and what is left of it no source. */
const TREAT = `update ledger set data = ?, raw = ?, resolution_hints = ?, kinds = ?, redaction = ?
  where sequence = ? and event_type is not null`

/** Returns how many were no tombstones before. Archived rows are told, too; what else waited for them says too much. */
export function emptyRows(
  connection: Connection,
  rows: readonly { readonly sequence: number; readonly digest: string | null }[],
): number {
  const { tiering } = readHead(connection)
  // The table that has every row says of whom it was.
  const stored = connection.statement(
    `select source, event_id from ${tiering === 'on' ? 'event_ids' : 'ledger'} where sequence = ?`,
  )
  const empty = connection.statement(EMPTY)
  const emptyId = tiering === 'off' ? null : connection.statement(EMPTY_ID)
  const counts = new Map<string, number>()
  const changes: StagedChange[] = []
  const tiers = tiering === 'off' ? null : tierState(connection)
  let count = 0
  for (const { sequence, digest } of rows) {
    const found = stored.get(sequence) as unknown as [string | null, string | null] | undefined
    if (found === undefined) continue
    const [source, id] = found
    const kept = digest !== null && holdsIt(connection, digest, sequence) ? digest : null
    // What a tombstone refuses, it goes on to refuse.
    if (source === null && (kept === null || id !== null)) continue
    empty.run(sequence, kept)
    emptyId?.run(sequence, kept)
    if (tiers !== null && sequence <= tiers.claimed) changes.push({ sequence, change: emptied(kept) })
    if (source === null) continue
    count += 1
    counts.set(source, (counts.get(source) ?? 0) + 1)
  }
  countFewer(connection, counts)
  if (tiers !== null) {
    forget(connection, changes)
    stage(connection, tiers.job, changes)
  }
  return count
}

/** Repeats have one digest; the first of them that is emptied has it. */
function holdsIt(connection: Connection, digest: string, sequence: number): boolean {
  const holder = canonicalOf(connection, digest)
  return holder === undefined || holder === sequence
}

export function treatRows(connection: Connection, rows: readonly TreatedRow[]): void {
  const treat = connection.statement(TREAT)
  for (const row of rows) treat.run(row.data, row.raw, row.hints, row.kinds, row.redaction, row.sequence)
}

/** Uses `ledger_duplicates` or `event_ids_duplicates`. */
export function repeatsOf(connection: Connection, sequences: readonly number[]): number[] {
  const { tiering } = readHead(connection)
  const [table, index] = tableOf(tiering)
  const rows = connection.all(
    `select distinct l.sequence from json_each(?) w cross join ${table} l indexed by ${index}_duplicates
      on l.duplicate_of = w.value order by l.sequence`,
    JSON.stringify(sequences),
  )
  return rows.map(firstOf)
}

/** The next of them. Uses `ledger_skipped` or `event_ids_skipped`. */
export function excludedAfter(connection: Connection, after: number, limit: number): number[] {
  const { tiering } = readHead(connection)
  const [table, index] = tableOf(tiering)
  const sql = `select sequence from ${table} indexed by ${index}_skipped where sequence > ? and excluded = 1
    order by sequence limit ?`
  return connection.all(sql, after, limit).map(firstOf)
}

/** The table that knows of every row what it repeats, with the beginning of the names of its indexes. */
function tableOf(tiering: Tiering): [table: string, index: string] {
  return tiering === 'on' ? ['event_ids', 'event_ids'] : ['ledger', 'ledger']
}

const firstOf = (row: Row): number => row[0] as number
