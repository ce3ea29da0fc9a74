/** What a change of a ledger row means for its archived copy. Pure. */
import { isDeepStrictEqual } from 'node:util'
import { parseJson } from '../../core/expression/json.ts'
import type { ArchiveRow } from '../../ports/archive.ts'
import type { FullLedgerRow, LedgerRow, MappedRow, Renormalized } from '../../ports/store.ts'
import type { Member, StagedChange } from '../../ports/tiers.ts'

/** The columns that renormalizing changes, or null if the row says the same already. */
export function renormalizedChange(
  { sequence, event, before }: Renormalized,
  duplicateOf: number | null,
): StagedChange | null {
  if (event === null) {
    if (before?.excluded === true && before.duplicateOf === null) return null
    return { sequence, change: { excluded: true, duplicateOf: null } }
  }
  const timestamp = event.timestamp.toString()
  const same =
    before !== undefined &&
    before.eventId === event.eventId &&
    before.eventType === event.eventType &&
    before.timestamp === timestamp &&
    sameJson(before.data, event.dataJson) &&
    sameJson(before.hints, event.hintsJson) &&
    sameJson(before.kinds, event.kindsJson) &&
    before.duplicateOf === duplicateOf &&
    (event.redactionJson === undefined || before.redaction === event.redactionJson) &&
    !before.excluded
  if (same) return null
  return {
    sequence,
    change: {
      eventId: event.eventId,
      eventType: event.eventType,
      timestamp,
      data: event.dataJson,
      hints: event.hintsJson,
      kinds: event.kindsJson,
      duplicateOf,
      excluded: false,
      ...(event.redactionJson === undefined ? {} : { redaction: event.redactionJson }),
    },
  }
}

/** Databases may order keys and set blanks in their own way. */
function sameJson(a: string | null, b: string | null): boolean {
  if (a === b) return true
  return a !== null && b !== null && isDeepStrictEqual(parseJson(a), parseJson(b))
}

export function isReplayable(row: ArchiveRow): boolean {
  return row.eventType !== null && row.duplicateOf === null && row.excluded !== true
}

/** The row as the ledger gives it; null for a tombstone. */
export function ledgerRow(row: ArchiveRow): LedgerRow | null {
  const { sequence, eventId, eventType, timestamp, source, data, kinds } = row
  if (eventId === null || eventType === null || timestamp === null || source === null || data === null) return null
  return { sequence, eventId, eventType, timestamp, source, data, kinds }
}

export function fullLedgerRow(row: ArchiveRow): FullLedgerRow | null {
  const short = ledgerRow(row)
  if (short === null) return null
  const { hints, raw, duplicateOf, excluded, redaction } = row
  return { ...short, hints: hints ?? '{}', raw: raw ?? '', duplicateOf, excluded: excluded ?? false, redaction }
}

export function mappedRow(
  row: ArchiveRow,
  { entityId, entityType }: Pick<Member, 'entityId' | 'entityType'>,
): MappedRow | null {
  const short = isReplayable(row) ? ledgerRow(row) : null
  return short === null ? null : { ...short, entityId, entityType }
}
