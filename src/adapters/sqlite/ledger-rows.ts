/** Select lists of ledger reads and the objects made of them; the order of columns and fields belongs together. */
import { type ArchiveRow, tombstone } from '../../ports/archive.ts'
import type { FullLedgerRow, LedgerRow, MappedRow } from '../../ports/store.ts'
import type { Row } from './connection.ts'

export const LEDGER_COLUMNS = 'l.sequence, l.event_id, l.event_type, l.timestamp, l.source, l.data, l.kinds'
export const FULL_COLUMNS = `${LEDGER_COLUMNS}, l.resolution_hints, l.raw, l.duplicate_of, l.excluded, l.redaction`
/** As `FULL_COLUMNS` for readers that do without `raw`, which may be most of a row. */
export const FULL_COLUMNS_WITHOUT_RAW = FULL_COLUMNS.replace('l.raw', `''`)
export const MAPPED_COLUMNS = `${LEDGER_COLUMNS}, e.entity_id, e.entity_type`

export const ARCHIVE_COLUMNS = `sequence, event_id, event_type, timestamp, source, data, raw, resolution_hints, duplicate_of,
  excluded, kinds, redaction`

export function ledgerRow(row: Row): LedgerRow {
  return {
    sequence: row[0] as number,
    eventId: row[1] as string,
    eventType: row[2] as string,
    timestamp: row[3] as string,
    source: row[4] as string,
    data: row[5] as string,
    kinds: row[6] as string | null,
  }
}

export function fullRow(row: Row): FullLedgerRow {
  return {
    sequence: row[0] as number,
    eventId: row[1] as string,
    eventType: row[2] as string,
    timestamp: row[3] as string,
    source: row[4] as string,
    data: row[5] as string,
    kinds: row[6] as string | null,
    hints: row[7] as string,
    raw: row[8] as string,
    duplicateOf: row[9] as number | null,
    excluded: row[10] === 1,
    redaction: row[11] as string | null,
  }
}

export function mappedRow(row: Row): MappedRow {
  return {
    sequence: row[0] as number,
    eventId: row[1] as string,
    eventType: row[2] as string,
    timestamp: row[3] as string,
    source: row[4] as string,
    data: row[5] as string,
    kinds: row[6] as string | null,
    entityId: row[7] as string,
    entityType: row[8] as string,
  }
}

export function archiveRow(row: Row): ArchiveRow {
  const sequence = row[0] as number
  if (row[2] === null) return tombstone(sequence, row[1] as string | null)
  return {
    sequence,
    eventId: row[1] as string,
    eventType: row[2] as string,
    timestamp: row[3] as string,
    source: row[4] as string,
    data: row[5] as string,
    raw: row[6] as string,
    hints: row[7] as string,
    duplicateOf: row[8] as number | null,
    excluded: row[9] === 1,
    kinds: row[10] as string | null,
    redaction: row[11] as string | null,
  }
}
