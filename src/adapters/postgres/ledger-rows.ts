/** Select lists of ledger reads and the objects made of them; the order of columns and fields belongs together. */
import { givenText } from '../../core/stored-text.ts'
import { type ArchiveRow, tombstone } from '../../ports/archive.ts'
import type { FullLedgerRow, LedgerRow, MappedRow } from '../../ports/store.ts'
import type { Row } from './connection.ts'
import { compactJson, givenJson } from './json.ts'

export const LEDGER_COLUMNS = 'l.sequence, l.event_id, l.event_type, l.timestamp, l.source, l.data, l.kinds'
export const FULL_COLUMNS = `${LEDGER_COLUMNS}, l.resolution_hints, l.raw, l.duplicate_of, l.excluded, l.redaction`
/** As `FULL_COLUMNS` for readers that do without `raw`, which may be most of a row. */
export const FULL_COLUMNS_WITHOUT_RAW = FULL_COLUMNS.replace('l.raw', `''`)
export const MAPPED_COLUMNS = `${LEDGER_COLUMNS}, e.entity_id, e.entity_type`

/** Rows a replay sees; `ledger_skipped` is the partial index over all others. */
export const REPLAYABLE = 'l.duplicate_of is null and not l.excluded and l.event_type is not null'

export function ledgerRow(row: Row): LedgerRow {
  return {
    sequence: row[0] as number,
    eventId: givenText(row[1] as string),
    eventType: givenText(row[2] as string),
    timestamp: row[3] as string,
    source: givenText(row[4] as string),
    data: givenJson(row[5] as string),
    kinds: row[6] as string | null,
  }
}

/** JSON texts without blanks, because those of hints are compared with new ones. */
export function fullRow(row: Row): FullLedgerRow {
  return {
    sequence: row[0] as number,
    eventId: givenText(row[1] as string),
    eventType: givenText(row[2] as string),
    timestamp: row[3] as string,
    source: givenText(row[4] as string),
    data: compactJson(row[5] as string),
    kinds: row[6] as string | null,
    hints: compactJson(row[7] as string),
    raw: row[8] as string,
    duplicateOf: row[9] as number | null,
    excluded: row[10] as boolean,
    redaction: row[11] as string | null,
  }
}

export function archiveRow(row: Row): ArchiveRow {
  return row[2] === null ? tombstone(row[0] as number, row[1] as string | null) : fullRow(row)
}

export function mappedRow(row: Row): MappedRow {
  return {
    sequence: row[0] as number,
    eventId: givenText(row[1] as string),
    eventType: givenText(row[2] as string),
    timestamp: row[3] as string,
    source: givenText(row[4] as string),
    data: givenJson(row[5] as string),
    kinds: row[6] as string | null,
    entityId: givenText(row[7] as string),
    entityType: givenText(row[8] as string),
  }
}
