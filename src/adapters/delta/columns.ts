/** Columns of the table (spec 07 §5.2), their types, and the properties that every table is created with. */
import type { ArchiveColumn } from '../../ports/archive.ts'

export interface Column {
  readonly field: ArchiveColumn
  readonly name: string
  readonly type: 'long' | 'string' | 'boolean'
}

/** In the order of the Parquet files; digests of rows depend on it. */
export const COLUMNS: readonly Column[] = [
  { field: 'sequence', name: 'sequence', type: 'long' },
  { field: 'eventId', name: 'event_id', type: 'string' },
  { field: 'eventType', name: 'event_type', type: 'string' },
  { field: 'timestamp', name: 'timestamp', type: 'string' },
  { field: 'source', name: 'source', type: 'string' },
  { field: 'data', name: 'data', type: 'string' },
  { field: 'raw', name: 'raw', type: 'string' },
  { field: 'hints', name: 'resolution_hints', type: 'string' },
  { field: 'duplicateOf', name: 'duplicate_of', type: 'long' },
  { field: 'excluded', name: 'excluded', type: 'boolean' },
  { field: 'kinds', name: 'kinds', type: 'string' },
  { field: 'redaction', name: 'redaction', type: 'string' },
]

export const CODEC = 'snappy'

/** Commits between two checkpoints. */
export const CHECKPOINT_INTERVAL = 50

/**
 * What foreign writers keep to as well. Statistics of payload columns would copy personal data into the log; append-only
 * would forbid erasing.
 */
export const CONFIGURATION: Readonly<Record<string, string>> = {
  'delta.checkpointInterval': String(CHECKPOINT_INTERVAL),
  'delta.dataSkippingStatsColumns': 'sequence,timestamp',
  'delta.parquet.compression.codec': CODEC,
}

export function schemaString(): string {
  return JSON.stringify({
    type: 'struct',
    fields: COLUMNS.map(({ name, type }) => ({ name, type, nullable: name !== 'sequence', metadata: {} })),
  })
}
