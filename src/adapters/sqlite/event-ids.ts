/** Table `event_ids`: what stays of every row, so that ids are known and counts are right when rows have left the ledger. */
import { StorageError } from '../../errors.ts'
import type { EventIdRow } from '../../ports/tiers.ts'
import type { Connection } from './connection.ts'
import { moveHead, readHead } from './head.ts'
import { putTierState, requireTiers } from './tier-state.ts'

export const INSERT_ID =
  'insert into event_ids (sequence, event_id, source, duplicate_of, excluded) values (?, ?, ?, ?, ?)'
/** Uses the unique index `event_ids_canonical`. */
export const INSERT_NEW_ID = `${INSERT_ID}
  on conflict (event_id) where duplicate_of is null and excluded = 0 and event_id is not null do nothing`

// Which table knows is read in the same statement: rows may leave the ledger between two.
const CANONICAL = `select case tiering
    when 'on' then (select sequence from event_ids where event_id = ?1 and duplicate_of is null and excluded = 0)
    else (select sequence from ledger where event_id = ?1 and duplicate_of is null and excluded = 0) end
  from head`

/** Sequence of the row whose id this is. */
export function canonicalOf(connection: Connection, eventId: string): number | undefined {
  return (connection.get(CANONICAL, eventId)?.[0] as number | null) ?? undefined
}

/**
 * SQL for how many rows replays skip, wherever the rows are; for selects from `head`. `range` is about `sequence`. Uses
 * the partial indexes `event_ids_skipped` and `ledger_skipped`.
 */
export function countSkipped(range: string): string {
  const count = (table: string, absent: string): string => `(select count(*) from ${table}
    where ${range} and (duplicate_of is not null or excluded = 1 or ${absent} is null))`
  return `case tiering when 'on' then ${count('event_ids', 'source')} else ${count('ledger', 'event_type')} end`
}

/** Adds rows of the ledger that were stored before tiering began. True when none is missing. */
export function fillIds(connection: Connection, limit: number): boolean {
  const { filled } = requireTiers(connection, 'tiers.fill')
  if (filled === null) return true
  // Rows appended since have added themselves.
  const [end] = connection.get(
    'select coalesce((select min(sequence) from event_ids where sequence > ?) - 1, last) from head',
    filled,
  ) as [number]
  const upTo = Math.min(filled + limit, end)
  connection.run(
    `insert into event_ids (sequence, event_id, source, duplicate_of, excluded)
      select sequence, event_id, source, duplicate_of, excluded from ledger where sequence > ? and sequence <= ?`,
    filled,
    upTo,
  )
  const complete = upTo === end
  putTierState(connection, { filled: complete ? null : upTo })
  if (complete) connection.run(`update head set tiering = 'on'`)
  return complete
}

/** Adds rows that only the archive has and moves the head behind them. */
export function adoptIds(connection: Connection, rows: readonly EventIdRow[]): void {
  const operation = 'tiers.adopt'
  if (requireTiers(connection, operation).filled !== null) {
    const message = `${operation}: the event ids of the ledger's own rows are not complete yet; fill them first`
    throw new StorageError(message, { details: { operation } })
  }
  const insert = connection.statement(INSERT_ID)
  const counts = new Map<string, number>()
  let { last } = readHead(connection)
  for (const { sequence, eventId, source, duplicateOf, excluded } of rows) {
    if (sequence !== last + 1) {
      const message = `${operation}: the ledger ends at ${last}, but the next archived row is ${sequence}; rows are missing or given twice`
      throw new StorageError(message, { details: { operation, last, sequence } })
    }
    insert.run(sequence, eventId, source, duplicateOf, excluded ? 1 : 0)
    if (source !== null) counts.set(source, (counts.get(source) ?? 0) + 1)
    last = sequence
  }
  moveHead(connection, last, counts)
}
