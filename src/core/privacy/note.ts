/** Column `redaction` of a ledger row: what was treated of it, so that nothing is treated twice (spec 05 §5.2–5.3). Pure. */
import type { Hints } from '../event.ts'

export interface RowNote {
  readonly v: 1
  /** Paths of the raw record that were treated or removed. */
  readonly raw: readonly string[]
  /** Paths into `data` that were treated or removed. */
  readonly data: readonly string[]
  /** Tokens of what treated fields identified, by entity type and field. */
  readonly hints: Hints
  /** Entity types the event says nothing about any more. */
  readonly removed: readonly string[]
}

/** The note of a row; null: nothing of it was treated. */
export function readNote(text: string | null): RowNote | null {
  if (text === null) return null
  const note = JSON.parse(text) as Partial<RowNote>
  if (note.v !== 1) throw new Error('the column redaction of a ledger row is of a version this package does not know')
  return { v: 1, raw: note.raw ?? [], data: note.data ?? [], hints: note.hints ?? {}, removed: note.removed ?? [] }
}

/** A note while treatments add to it. */
export class NoteDraft {
  readonly raw: Set<string>
  readonly data: Set<string>
  readonly hints: Record<string, Record<string, string>>
  readonly removed: Set<string>

  constructor(note: RowNote | null) {
    this.raw = new Set(note?.raw)
    this.data = new Set(note?.data)
    this.hints = {}
    for (const [type, fields] of Object.entries(note?.hints ?? {})) this.hints[type] = { ...fields }
    this.removed = new Set(note?.removed)
  }

  text(): string {
    const { raw, data, hints, removed } = this
    const note: RowNote = { v: 1, raw: [...raw].sort(), data: [...data].sort(), hints, removed: [...removed].sort() }
    return JSON.stringify(note)
  }
}
