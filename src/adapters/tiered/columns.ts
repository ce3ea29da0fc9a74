/** What readers need of an archived row. */
import type { ArchiveColumn } from '../../ports/archive.ts'

/** Interpreting. */
export const REPLAY_COLUMNS: readonly ArchiveColumn[] = [
  'eventId',
  'eventType',
  'timestamp',
  'source',
  'data',
  'duplicateOf',
  'excluded',
  'kinds',
]
/** And mapping. */
export const SCAN_COLUMNS: readonly ArchiveColumn[] = [...REPLAY_COLUMNS, 'hints', 'redaction']
/** And normalizing again. */
export const FULL_COLUMNS: readonly ArchiveColumn[] = [...SCAN_COLUMNS, 'raw']
