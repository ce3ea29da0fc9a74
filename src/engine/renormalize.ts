/** Normalizing stored raw records again, in chunks (spec 04 §4.4, 03 §1). */
import { parseJson } from '../core/expression/json.ts'
import { faultOf } from '../core/fault.ts'
import { type NormalizeFailure, normalizeBatch } from '../core/normalize.ts'
import { readNote } from '../core/privacy/note.ts'
import { normalizeTreated } from '../core/privacy/renormalize.ts'
import type { CompiledSource } from '../core/program.ts'
import type { FullLedgerRow, Renormalized } from '../ports/store.ts'
import type { EventFailure } from '../results.ts'
import type { Edition, Engine } from './engine.ts'
import { normalizationFailure } from './failures.ts'

/** What becomes of these rows, and what cannot be read any more. */
export function renormalizeChunk(
  engine: Engine,
  edition: Edition,
  rows: readonly FullLedgerRow[],
): { changes: Renormalized[]; failures: EventFailure[] } {
  const work: Work = { edition, now: engine.now(), changes: [], failures: [] }
  const bySource = Map.groupBy(
    rows.filter((row) => !row.eventType.startsWith('_defacto_')),
    (row) => row.source,
  )
  for (const [sourceName, sourceRows] of bySource) {
    const source = edition.program.sources.get(sourceName)
    if (source === undefined) {
      const error = `source '${sourceName}' is not defined any more`
      for (const row of sourceRows) fail(work, row, { ...blank, error, eventType: row.eventType, eventId: row.eventId })
      continue
    }
    plain(
      work,
      source,
      sourceRows.filter(({ redaction }) => redaction === null),
    )
    for (const row of sourceRows) if (row.redaction !== null) noted(work, source, row)
  }
  work.changes.sort((a, b) => a.sequence - b.sequence)
  return work
}

interface Work {
  readonly edition: Edition
  readonly now: ReturnType<Engine['now']>
  readonly changes: Renormalized[]
  readonly failures: EventFailure[]
}

type Failure = Omit<NormalizeFailure, 'index'>

const blank: Failure = { error: '', field: null, eventType: null, eventId: null }

function plain(work: Work, source: CompiledSource, rows: readonly FullLedgerRow[]): void {
  const records = rows.map((row) => ({ value: parseJson(row.raw), text: row.raw }))
  const normal = normalizeBatch(work.edition.program, source, records, work.now)
  for (const [position, index] of normal.indexes.entries()) {
    const row = rows[index]
    const event = normal.events[position]
    if (row !== undefined && event !== undefined) work.changes.push(changed(row, event))
  }
  for (const { index, ...failure } of normal.failures) {
    const row = rows[index]
    if (row !== undefined) fail(work, row, failure)
  }
}

/** A row that was treated: what is left of it is no reason to fail. */
function noted(work: Work, source: CompiledSource, row: FullLedgerRow): void {
  const note = readNote(row.redaction)
  if (note === null) return
  const about = { ...blank, eventType: row.eventType, eventId: row.eventId }
  try {
    const { event, advisory } = normalizeTreated(work.edition.program, source, row, note, work.now)
    work.changes.push(changed(row, event))
    if (advisory !== null) {
      fail(work, row, { ...about, error: advisory.message, field: advisory.field, advisory: true })
    }
  } catch (error) {
    const { message, field } = faultOf(error, null)
    fail(work, row, { ...about, error: message, field })
  }
}

/** Hints stay as they are for now: `regroup` learns from them which old id goes on in which group. */
function changed(row: FullLedgerRow, event: NonNullable<Renormalized['event']>): Renormalized {
  return { sequence: row.sequence, event: { ...event, hintsJson: row.hints }, before: row }
}

function fail(work: Work, row: FullLedgerRow, failure: Failure): void {
  if (!failure.advisory) work.changes.push({ sequence: row.sequence, event: null, before: row })
  work.failures.push(
    normalizationFailure({ value: parseJson(row.raw), text: row.raw }, failure, {
      source: row.source,
      now: work.now,
      sequence: row.sequence,
      version: work.edition.version,
    }),
  )
}
