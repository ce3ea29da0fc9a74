/** Rewriting ledger rows from `raw` (spec 04 §4.4): new values, and `duplicate_of` recomputed from scratch. */
import type { NormalizedEvent } from '../../core/event.ts'
import type { Renormalized } from '../../ports/store.ts'
import type { Connection, Row } from './connection.ts'

/*
 * Rows arrive in ascending sequence order, so the unique index over canonical ids answers all questions: a canonical
 * row below the current one has been renormalized already and is final; one above has not, gives way, and is looked at
 * again when its turn comes. No second index of ids is needed and uniqueness holds at every commit.
 */
const CANONICAL = 'select sequence from ledger where event_id = ? and duplicate_of is null and excluded = 0'
const STORED = `select event_id, event_type, timestamp, data, resolution_hints, kinds, duplicate_of, excluded
  from ledger where sequence = ?`
const UPDATE = `update ledger set event_id = ?, event_type = ?, timestamp = ?, data = ?, resolution_hints = ?, kinds = ?,
  duplicate_of = ?, excluded = 0 where sequence = ?`

export function isRenormalizing(connection: Connection): boolean {
  return connection.get('select renormalizing from head')?.[0] === 1
}

export function beginRenormalize(connection: Connection): void {
  connection.run('update head set renormalizing = 1')
}

/**
 * Ends the renormalization. Rows that were appended meanwhile as duplicates of a row which then changed its id get
 * their turn now, in ascending order.
 */
export function endRenormalize(connection: Connection): void {
  const stray = connection.all(`select d.sequence, d.event_id from ledger d join ledger c on c.sequence = d.duplicate_of
    where d.duplicate_of is not null
      and (c.event_id is not d.event_id or c.duplicate_of is not null or c.excluded = 1) order by d.sequence`)
  for (const [sequence, eventId] of stray as [number, string][]) {
    connection.run(
      'update ledger set duplicate_of = ? where sequence = ?',
      claim(connection, sequence, eventId),
      sequence,
    )
  }
  connection.run('update head set renormalizing = 0')
}

/** Returns how many rows changed. */
export function renormalize(connection: Connection, rows: readonly Renormalized[]): number {
  let changed = 0
  for (const { sequence, event } of rows) {
    const stored = connection.get(STORED, sequence)
    // Tombstones have no type; they are nobody's to change.
    if (stored === undefined || stored[1] === null) continue
    changed += event === null ? exclude(connection, sequence, stored) : rewrite(connection, sequence, stored, event)
  }
  return changed
}

function exclude(connection: Connection, sequence: number, stored: Row): number {
  if (stored[7] === 1 && stored[6] === null) return 0
  return connection.run('update ledger set excluded = 1, duplicate_of = null where sequence = ?', sequence)
}

function rewrite(connection: Connection, sequence: number, stored: Row, event: NormalizedEvent): number {
  const duplicateOf = claim(connection, sequence, event.eventId)
  const timestamp = event.timestamp.toString()
  const same =
    stored[0] === event.eventId &&
    stored[1] === event.eventType &&
    stored[2] === timestamp &&
    stored[3] === event.dataJson &&
    stored[4] === event.hintsJson &&
    stored[5] === event.kindsJson &&
    stored[6] === duplicateOf &&
    stored[7] === 0
  if (same) return 0
  return connection.run(
    UPDATE,
    event.eventId,
    event.eventType,
    timestamp,
    event.dataJson,
    event.hintsJson,
    event.kindsJson,
    duplicateOf,
    sequence,
  )
}

/** Makes `sequence` the canonical row of `eventId` (null), or returns the lower sequence that is. */
function claim(connection: Connection, sequence: number, eventId: string): number | null {
  const canonical = connection.get(CANONICAL, eventId)?.[0] as number | undefined
  if (canonical === undefined || canonical === sequence) return null
  if (canonical < sequence) return canonical
  connection.run('update ledger set duplicate_of = ? where sequence = ?', sequence, canonical)
  return null
}
